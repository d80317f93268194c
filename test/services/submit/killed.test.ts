/** The command, killed at every answer that it waits for: what it leaves in the cluster is owned, and what it has staged is collected. */
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import { createClient, type StagingClient } from '@supercargo/client'
import { createObject, podPath } from '@supercargo/kube'
import { removeLeftovers, submissionLabel } from '@supercargo/submit'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type ServerProcess, startStagingServer } from '../../process/staging-server.ts'
import type { ServiceDetails } from '../catalog.ts'
import { describeWith, provisionTimeoutMs, running } from '../running.ts'
import { supercargo } from '../supercargo.ts'
import { administrator, type Calls, type CountedWay, countedWay, wayConfig } from './counted-way.ts'
import { type TestNamespace, testNamespace } from './namespace.ts'

const examples = join(import.meta.dirname, '../../../deploy/examples')
/** Longer than a command takes, so that nothing is collected under its hands; short enough to wait for. */
const firstUseMs = 15_000
const goneTimeoutMs = 90_000
/** Fewer would mean that not every request is counted. */
const requestsMin = 5

/** Makes a driver of the template that it is given, as Spark's own client does. */
const sparkSubmit = `
const { execFileSync } = require('node:child_process')
const { readFileSync } = require('node:fs')
const said = (key) => process.argv.map((word) => word.split(key + '=')[1]).find((value) => value !== undefined)
const pod = JSON.parse(readFileSync(said('spark.kubernetes.driver.podTemplateFile'), 'utf8'))
pod.metadata = { ...pod.metadata, name: said('spark.kubernetes.driver.pod.name') }
for (const container of pod.spec.containers) container.image = 'x'
const { KUBECTL, CLUSTER, SUPERCARGO_NAMESPACE } = process.env
execFileSync(KUBECTL, ['--kubeconfig', CLUSTER, '-n', SUPERCARGO_NAMESPACE, 'create', '-f', '-'], { input: JSON.stringify(pod) })
`

describeWith(['kubernetes'], 'a command that is killed', () => {
  let cluster: ServiceDetails<'kubernetes'>
  let folder: string
  let staging: ServerProcess
  let client: StagingClient
  let ways: readonly CountedWay[]
  const calls: Calls = { count: 0, answered: () => false }

  beforeAll(async () => {
    cluster = await running('kubernetes')
    folder = await mkdtemp(join(tmpdir(), 'supercargo-killed-'))
    const times = { 'sweep-interval': 500, 'absent-grace': 500, condemned: 500, 'first-use-timeout': firstUseMs }
    staging = await startStagingServer({
      arguments: [
        ...['--store', join(folder, 'store'), '--kube', 'auto', '--kubeconfig', cluster.kubeconfig],
        ...Object.entries(times).flatMap(([name, ms]) => [`--collector-${name}-ms`, String(ms)]),
        ...['--collector-breaker-count', '1000', '--collector-policies', '[]'],
        // What was killed while it staged has not finished its upload.
        ...['--limits-abandoned-ms', String(firstUseMs)],
      ],
    })
    client = createClient({ server: staging.url })
    const { server, options } = administrator(cluster.kubeconfig)
    ways = await Promise.all([countedWay(server, calls, options), countedWay(staging.url, calls)])
    await writeFile(join(folder, 'kubeconfig'), wayConfig(ways[0]!.url))
    for (const name of ['app.jar', 'dep.jar', 'settings.txt']) await writeFile(join(folder, name), name)
    for (const [name, text] of Object.entries({ 'spark-submit': sparkSubmit, 'spark-shell': '' })) {
      await writeFile(join(folder, name), `#!${process.execPath}\n${text}`)
      await chmod(join(folder, name), 0o755)
    }
  }, provisionTimeoutMs)

  afterAll(async () => {
    for (const way of ways ?? []) way.close()
    client?.close()
    await staging?.stop()
    if (folder !== undefined) await rm(folder, { recursive: true, force: true })
  })

  interface Run {
    readonly argv: readonly string[]
    readonly input?: string
    readonly environment?: Readonly<Record<string, string>>
  }

  /** Runs it again and again, killed when its n-th request was answered, until it makes fewer; `check` looks at what each leaves. */
  async function killedEverywhere(run: (n: number) => Run, check: () => Promise<void>): Promise<void> {
    const tools = { KUBECTL: join(cluster.binDirectory, 'kubectl'), CLUSTER: cluster.kubeconfig }
    for (let n = 1; ; n++) {
      const { argv, environment, ...more } = run(n)
      calls.count = 0
      const call = { kubeconfig: join(folder, 'kubeconfig'), directory: folder, ...more }
      const started = supercargo({ ...call, environment: { ...tools, ...environment } }, argv)
      calls.answered = (request) => request === n && started.child.kill('SIGKILL')
      const { code, err } = await started.ended
      calls.answered = () => false
      await check()
      if (code === null) continue
      expect(code, err).toBe(0)
      expect(n).toBeGreaterThan(requestsMin)
      return
    }
  }

  const server = (): string[] => [
    ...['--server', ways[1]!.url, '--pod-server', 'http://staging.example:1', '--init-image', 'init:1'],
  ]
  const conf = ['--conf', 'spark.kubernetes.container.image=spark:4.1.2']

  /** What no pod and no workload owns. */
  async function strangers(place: TestNamespace) {
    const listed = JSON.parse(await place.kubectl('get', 'pods,cronjobs', '-o', 'json')) as {
      items: { metadata: { uid: string } }[]
    }
    const uids = listed.items.map(({ metadata }) => metadata.uid)
    return (await place.contents()).filter(
      ({ kind, metadata }) => kind !== 'Pod' && !metadata.ownerReferences?.some(({ uid }) => uids.includes(uid)),
    )
  }

  const noStrangers = (place: TestNamespace) => async (): Promise<void> => {
    expect((await strangers(place)).map(({ kind, metadata }) => `${kind}/${metadata.name}`)).toEqual([])
  }

  /** A next submission removes the drivers that wait for a dead submitter; then people remove theirs. */
  async function everythingGoes(place: TestNamespace): Promise<void> {
    await removeLeftovers(place.client, place.name, AbortSignal.timeout(30_000), -1)
    await place.kubectl('delete', 'pods,cronjobs', '--all', '--wait=false')
    const left = async (): Promise<string[]> => {
      const { resources } = await client.list({ namespace: place.name })
      const objects = (await place.contents()).map(({ kind, metadata }) => `${kind}/${metadata.name}`)
      return [...objects, ...resources.map(({ resourceId, reason }) => `${resourceId}: ${reason}`)]
    }
    await expect.poll(left, { timeout: goneTimeoutMs, interval: 300 }).toEqual([])
  }

  it('while it submits', async () => {
    await using place = await testNamespace(cluster)
    const application = ['--class', 'A', '--jars', 'dep.jar', '--files', 'settings.txt', 'app.jar']
    const argv = ['submit', '--no-wait', '-n', place.name, ...server(), ...conf, ...application]
    await killedEverywhere(() => ({ argv }), noStrangers(place))
    await everythingGoes(place)
  })

  it('while it injects into a CronJob', async () => {
    await using place = await testNamespace(cluster)
    const text = await readFile(join(examples, 'cronjob.yaml'), 'utf8')
    const files = ['--jars', 'app.jar', '--files', 'settings.txt']
    const argv = ['inject', '-f', '-', '--apply', '-n', place.name, ...files, ...server()]
    const input = (n: number): string => text.replaceAll('name: nightly', `name: nightly-${n}`)
    await killedEverywhere((n) => ({ argv, input: input(n) }), noStrangers(place))
    await everythingGoes(place)
  })

  it('while it wraps a driver in the cluster', async () => {
    await using place = await testNamespace(cluster)
    const spark = ['--', './spark-submit', '--deploy-mode', 'cluster', ...conf]
    // There is no kubelet here that could end the driver.
    const noWait = ['--conf', 'spark.kubernetes.submission.waitAppCompletion=false']
    const application = ['--class', 'A', '--jars', 'dep.jar', '--files', 'settings.txt', 'app.jar']
    const argv = ['wrap', '-n', place.name, ...server(), ...spark, ...noWait, ...application]
    const environment = { SUPERCARGO_NAMESPACE: place.name }
    await killedEverywhere(() => ({ argv, environment }), noStrangers(place))
    await everythingGoes(place)
  })

  it('while it wraps a shell in a pod', async () => {
    await using place = await testNamespace(cluster)
    const address = Object.values(networkInterfaces())
      .flatMap((each) => each ?? [])
      .find(({ internal }) => !internal)!.address
    const pod = { metadata: { name: 'jump', namespace: place.name }, spec: { containers: [{ name: 'a', image: 'b' }] } }
    await createObject(place.client, podPath, pod as never, AbortSignal.timeout(10_000))
    await place.setStatus('jump', { phase: 'Running', podIP: address, podIPs: [{ ip: address }] })
    const argv = ['wrap', '-n', place.name, ...server(), '--', './spark-shell', ...conf, '--jars', 'dep.jar']
    const environment = { KUBERNETES_SERVICE_HOST: 'x', POD_NAME: 'jump', POD_NAMESPACE: place.name }
    await killedEverywhere(() => ({ argv, environment }), noStrangers(place))
    await everythingGoes(place)
  })

  it('while it wraps a shell outside the cluster leaves nothing that does not carry the name of its submission', async () => {
    await using place = await testNamespace(cluster)
    const argv = ['wrap', '-n', place.name, ...server(), '--', './spark-shell', ...conf, '--jars', 'dep.jar']
    const left = new Set<string>()
    await killedEverywhere(
      () => ({ argv }),
      async () => {
        for (const { kind, metadata } of await strangers(place)) {
          expect(metadata.labels).toHaveProperty([submissionLabel])
          left.add(kind!)
        }
      },
    )
    expect([...left].sort()).toEqual(['ConfigMap', 'Secret'])
    // Here nothing lives that could own them: they are removed by that name.
    await place.kubectl('delete', 'configmaps,secrets', '--selector', submissionLabel)
    await everythingGoes(place)
  })
})
