/** `supercargo inject` as a process, with a real API server and a real staging server: what it applies, owns, finds again and leaves. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createClient, type StagingClient } from '@supercargo/client'
import type { ApiClient } from '@supercargo/kube'
import { type Owner, SupercargoError } from '@supercargo/protocol'
import { Configuration, inject, prepareInjection } from '@supercargo/submit'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type ServerForTest, startServer } from '../../flows/server-for-test.ts'
import { command } from '../../process/staging-server.ts'
import type { ServiceDetails } from '../catalog.ts'
import { kubectl } from '../kubernetes/kubectl.ts'
import { describeWith, provisionTimeoutMs, running } from '../running.ts'
import { until } from '../until.ts'
import { type TestNamespace, testNamespace } from './namespace.ts'
import { CountingClient } from './rendered.ts'
import { defineSparkKinds } from './spark-kinds.ts'

const examples = join(import.meta.dirname, '../../../deploy/examples')

describeWith(['kubernetes'], 'supercargo inject', () => {
  let cluster: ServiceDetails<'kubernetes'>
  let server: ServerForTest
  let client: StagingClient
  let folder: string

  beforeAll(async () => {
    cluster = await running('kubernetes')
    server = await startServer()
    client = createClient({ server: server.url })
    folder = await mkdtemp(join(tmpdir(), 'supercargo-inject-'))
    await mkdir(join(folder, 'lib'))
    for (const file of ['app.jar', 'main.py', 'greeting.py', 'settings.txt', 'lib/dep.jar'])
      await writeFile(join(folder, file), file)
    await defineSparkKinds(cluster)
  }, provisionTimeoutMs)

  afterAll(async () => {
    client?.close()
    await server?.stop()
    if (folder !== undefined) await rm(folder, { recursive: true, force: true })
  })

  async function run(place: TestNamespace, argv: readonly string[], input = '') {
    const env = { ...process.env, KUBECONFIG: cluster.kubeconfig, SUPERCARGO_NAMESPACE: place.name, NO_COLOR: '1' }
    const own = ['--server', server.url, '--pod-server', 'http://staging.example:10000', '--init-image', 'init:1']
    const child = spawn(process.execPath, [command, 'inject', ...argv, ...own], { cwd: folder, env })
    child.stdin.end(input)
    const said = { out: '', err: '' }
    child.stdout.on('data', (text) => {
      said.out += text
    })
    child.stderr.on('data', (text) => {
      said.err += text
    })
    const [code] = (await once(child, 'close')) as [number | null]
    return { code, ...said }
  }

  const resources = async (place: TestNamespace) => (await client.list({ namespace: place.name })).resources
  const object = async (place: TestNamespace, name: string) =>
    JSON.parse(await place.kubectl('get', name, '-o', 'json')) as {
      metadata: { uid: string; generation?: number; name: string }
      spec: Record<string, never>
    }

  it.each([
    ['job', 'job/report', ['--jars', 'app.jar']],
    ['cronjob', 'cronjob/nightly', ['--jars', 'app.jar,lib/*.jar', '--files', 'settings.txt']],
    ['deployment', 'deployment/thrift-server', ['--container', 'server', '--jars', 'lib/dep.jar']],
    ['sparkapplication', 'sparkapplications.sparkoperator.k8s.io/etl', []],
    ['scheduled', 'scheduledsparkapplications/hourly', ['--py-files', 'greeting.py']],
    ['apache-sparkapplication', 'sparkapplications.spark.apache.org/etl', ['--jars', 'lib/dep.jar']],
  ] as const)('applies %s with what it owns, and again changes nothing', async (example, name, options) => {
    await using place = await testNamespace(cluster)
    const argv = ['-f', join(examples, `${example}.yaml`), '--apply', '--json', ...options]
    const first = await run(place, argv)
    expect(first.code, first.err).toBe(0)
    const { resourceId, workloads } = JSON.parse(first.out) as { resourceId: string; workloads: Owner[] }
    const { metadata } = await object(place, name)
    expect(workloads).toMatchObject([{ namespace: place.name, name: metadata.name, uid: metadata.uid }])
    expect((await resources(place)).map(({ owner }) => owner)).toEqual([workloads])
    const own = (await place.contents()).filter(({ metadata: { name } }) => name.includes('-supercargo-'))
    expect(own.map(({ kind }) => kind).sort()).toEqual(['ConfigMap', 'Secret'])
    for (const each of own) expect(each.metadata.ownerReferences).toMatchObject([{ uid: metadata.uid }])
    const again = await run(place, argv)
    expect(JSON.parse(again.out), again.err).toMatchObject({ resourceId, staged: false })
    expect((await object(place, name)).metadata).toMatchObject({ uid: metadata.uid, generation: metadata.generation })
    expect(await resources(place)).toHaveLength(1)
    await place.kubectl('delete', name)
    await until('what it owned to go', async () => !JSON.stringify(await place.contents()).includes('-supercargo-'), {
      timeoutMs: 60_000,
    })
  })

  it('prints a manifest that kubectl applies, and finds its resource by the manifest alone or by the cluster', async () => {
    await using place = await testNamespace(cluster)
    const text = await readFile(join(examples, 'cronjob.yaml'), 'utf8')
    const options = ['-f', '-', '--jars', 'app.jar']
    const first = await run(place, options, text)
    expect(first.code, first.err).toBe(0)
    await place.kubectl('create', 'serviceaccount', 'other')
    await kubectl(cluster, ['apply', '-n', place.name, '-f', '-'], first.out)
    expect((await run(place, options, first.out)).out).toBe(first.out)
    const withoutSecret = first.out
      .split(/^---\n/m)
      .filter((document) => !document.includes('kind: Secret'))
      .join('---\n')
    const second = await run(place, [...options, '-o', 'out.yaml'], withoutSecret)
    expect(second.code, second.err).toBe(0)
    const written = join(folder, 'out.yaml')
    expect(await readFile(written, 'utf8')).toBe(first.out)
    expect((await stat(written)).mode & 0o777).toBe(0o600)
    expect(await resources(place)).toHaveLength(1)
  })

  it('rolls a Deployment over when a file changes, and what was there before stays for what still runs', async () => {
    await using place = await testNamespace(cluster)
    const argv = ['-f', join(examples, 'deployment.yaml'), '--apply', '--json', '--jars', 'changing.jar']
    await writeFile(join(folder, 'changing.jar'), 'one')
    await run(place, argv)
    const before = await object(place, 'deployment/thrift-server')
    await writeFile(join(folder, 'changing.jar'), 'two')
    expect(JSON.parse((await run(place, argv)).out)).toMatchObject({ staged: true })
    const after = await object(place, 'deployment/thrift-server')
    expect(after.metadata.uid).toBe(before.metadata.uid)
    expect(after.metadata.generation).toBe(before.metadata.generation! + 1)
    expect(await resources(place)).toHaveLength(2)
    const own = (await place.contents()).filter(
      ({ kind, metadata }) => kind === 'Secret' && metadata.name.includes('-supercargo-'),
    )
    expect(own).toHaveLength(2)
  })

  it('that is refused by the API server leaves nothing on the staging server', async () => {
    await using place = await testNamespace(cluster)
    const text = (await readFile(join(examples, 'cronjob.yaml'), 'utf8')).replace('0 2 * * *', 'at noon')
    const { code, err } = await run(
      place,
      ['-f', '-', '--apply', '--only', 'CronJob/nightly', '--jars', 'app.jar'],
      text,
    )
    expect(code, err).toBe(65)
    expect(err).toMatch(/schedule/)
    expect(err).toMatch(/applied before that: ServiceAccount nightly/)
    expect(await resources(place)).toHaveLength(0)
    expect(JSON.stringify(await place.contents())).not.toContain('-supercargo-')
  })

  it('takes over what somebody else manages only when it is told to, and applies objects of the whole cluster too', async () => {
    await using place = await testNamespace(cluster)
    const name = `night-${process.pid}`
    const priority = `kind: PriorityClass\napiVersion: scheduling.k8s.io/v1\nmetadata: {name: ${name}}\nvalue: 7\n---\n`
    const text = `${priority}${await readFile(join(examples, 'deployment.yaml'), 'utf8')}`
    const other = text.slice(priority.length).replace('replicas: 1', 'replicas: 2')
    await place.kubectl('create', 'serviceaccount', 'someone')
    await kubectl(cluster, ['apply', '--server-side', '--field-manager', 'someone', '-n', place.name, '-f', '-'], other)
    const argv = ['-f', '-', '--apply', '--jars', 'app.jar']
    const refused = await run(place, argv, text)
    expect(refused.code, refused.err).toBe(73)
    expect(refused.err).toMatch(/--force-conflicts/)
    expect(refused.err).toContain(`PriorityClass ${name}`)
    expect(await resources(place)).toHaveLength(0)
    const forced = await run(place, [...argv, '--force-conflicts'], text)
    expect(forced.code, forced.err).toBe(0)
    expect((await object(place, 'deployment/thrift-server')).spec.replicas).toBe(1)
    await kubectl(cluster, ['delete', 'priorityclass', name])
  })

  it.each(['before', 'after'] as const)(
    'leaves nothing without an owner when its n-th call fails, %s the API server has it, and the next run completes it',
    async (moment) => {
      await using place = await testNamespace(cluster)
      const request = async (name: string) =>
        prepareInjection({
          text: (await readFile(join(examples, 'cronjob.yaml'), 'utf8')).replaceAll('name: nightly', `name: ${name}`),
          file: 'cronjob.yaml',
          directory: folder,
          dependencies: [{ role: 'jars', text: 'app.jar', said: '--jars' }],
          only: [],
          container: undefined,
          root: '/var/spark-data',
          configuration: Configuration.of({}),
          localizer: { image: 'init:1', pullPolicy: 'Never', server: 'http://staging.example', deadlineMs: undefined },
          authority: undefined,
          namespace: place.name,
        })
      const apply = async (name: string, api: ApiClient) => {
        const quiet = { note: () => undefined, onProgress: () => undefined }
        const effects = { staging: client, client: api, apply: true, force: false, ...quiet }
        return await inject(await request(name), effects, AbortSignal.timeout(60_000))
      }
      for (let n = 1; ; n++) {
        const api = new CountingClient(place.connection, (call, when) => {
          if (call === n && when === moment) throw new SupercargoError('unavailable', 'cut', 'the connection was cut')
        })
        const failure = await apply(`night-${n}`, api).catch((error: unknown) => error)
        await api.close()
        const own = (await place.contents()).filter(({ metadata }) =>
          metadata.name.startsWith(`night-${n}-supercargo-`),
        )
        for (const each of own) expect(each.metadata.ownerReferences).toHaveLength(1)
        if (!(failure instanceof Error)) {
          expect(own).toHaveLength(2)
          // A call that the API server refuses as it should has no after.
          if (api.calls >= n) continue
          expect(n).toBeGreaterThan(4)
          return
        }
        expect(failure).toMatchObject({ code: 'cut' })
        expect((await apply(`night-${n}`, place.client)).workloads[0]).toHaveProperty('uid')
      }
    },
  )

  it('says what to do when a Job is there already with other files', async () => {
    await using place = await testNamespace(cluster)
    const argv = ['-f', join(examples, 'job.yaml'), '--apply']
    expect((await run(place, [...argv, '--jars', 'app.jar'])).code).toBe(0)
    const { code, err } = await run(place, [...argv, '--jars', 'app.jar,lib/dep.jar'])
    expect(code, err).toBe(73)
    expect(err).toMatch(/delete it first/)
    expect(await resources(place)).toHaveLength(1)
  })

  it('shows without a cluster, a server or an effect what it would do', async () => {
    await using place = await testNamespace(cluster)
    const { code, out, err } = await run(place, ['-f', join(examples, 'job.yaml'), '--dry-run', '--jars', 'app.jar'])
    expect(code, err).toBe(0)
    expect(out).toContain('supercargo-localize')
    expect(await resources(place)).toHaveLength(0)
  })
})
