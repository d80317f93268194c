/** The command as a process, against a real API server and a real staging server: what it stages, creates, says and ends with. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createClient, type StagingClient } from '@supercargo/client'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type ServerForTest, startServer } from '../../flows/server-for-test.ts'
import { command } from '../../process/staging-server.ts'
import type { ServiceDetails } from '../catalog.ts'
import { kubectl, tryKubectl } from '../kubernetes/kubectl.ts'
import { describeWith, provisionTimeoutMs, running } from '../running.ts'
import { supercargo } from '../supercargo.ts'
import { until } from '../until.ts'
import { type TestNamespace, testNamespace } from './namespace.ts'

interface Ended {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

describeWith(['kubernetes'], 'supercargo submit', () => {
  let cluster: ServiceDetails<'kubernetes'>
  let server: ServerForTest
  let client: StagingClient
  let folder: string

  beforeAll(async () => {
    cluster = await running('kubernetes')
    server = await startServer()
    client = createClient({ server: server.url })
    folder = await mkdtemp(join(tmpdir(), 'supercargo-submit-'))
    await mkdir(join(folder, 'lib'))
    for (const file of ['app.jar', 'lib/dep.jar', 'settings.txt']) await writeFile(join(folder, file), file)
  }, provisionTimeoutMs)

  afterAll(async () => {
    client?.close()
    await server?.stop()
    if (folder !== undefined) await rm(folder, { recursive: true, force: true })
  })

  function start(place: TestNamespace, ...argv: string[]) {
    const env = { ...process.env, KUBECONFIG: cluster.kubeconfig, SUPERCARGO_NAMESPACE: place.name, NO_COLOR: '1' }
    const child = spawn(process.execPath, [command, ...argv], { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'] })
    const said = { out: '', err: '' }
    child.stdout.on('data', (text) => {
      said.out += text
    })
    child.stderr.on('data', (text) => {
      said.err += text
    })
    const ended = once(child, 'close').then(([code]): Ended => ({ code: code as number | null, ...said }))
    return { child, said, ended }
  }

  const options = (): string[] => [
    ...['--server', server.url, '--pod-server', 'http://staging.example:10000', '--init-image', 'init:1'],
    ...['--conf', 'spark.kubernetes.container.image=spark:4.1.2', '--name', 'etl', '--class', 'A'],
  ]
  const application = ['--jars', 'lib/*.jar', '--files', 'settings.txt', 'app.jar', '1']
  const owners = async (place: TestNamespace) =>
    (await client.list({ namespace: place.name })).resources.map(({ owner }) => owner)

  it('stages, creates, binds the files to the driver by its uid, and ends when nobody waits', async () => {
    await using place = await testNamespace(cluster)
    const packages = ['--packages', 'org.example:thing:1']
    const all = ['--no-wait', '--json', ...packages, ...options(), ...application]
    const { code, out, err } = await start(place, 'submit', ...all).ended
    expect(code, err).toBe(0)
    expect(err).toContain('org.example:thing:1 are fetched by the driver')
    const [pod] = await place.pods()
    const { name, uid } = pod!.metadata
    expect(JSON.parse(out)).toMatchObject({
      submissionId: `${place.name}:${name}`,
      driverPod: name,
      resourceId: expect.stringMatching(/^[0-9a-z]{26}$/),
    })
    expect(await owners(place)).toEqual([[{ namespace: place.name, apiVersion: 'v1', kind: 'Pod', name, uid }]])
    const again = await start(place, 'submit', '--no-wait', ...options(), ...application).ended
    expect(again.out).toMatch(new RegExp(`^${place.name}:etl-[0-9a-f]+-driver\n$`))
    expect(again.err).not.toMatch(/sending/)
  })

  it('ends with what the driver ends with', async () => {
    await using place = await testNamespace(cluster)
    const { ended } = start(place, 'submit', ...options(), ...application)
    const pod = await until('the driver', async () => (await place.pods())[0], { timeoutMs: 60_000 })
    const state = { terminated: { exitCode: 3, reason: 'Error' } }
    await place.setStatus(pod.metadata.name, {
      containerStatuses: [
        { name: 'spark-kubernetes-driver', state, image: 'x', imageID: 'x', ready: false, restartCount: 0 },
      ],
    })
    const { code, err } = await ended
    expect(code, err).toBe(3)
    expect(err).toContain('the driver ended with 3')
  })

  it.each([
    ['stop', false],
    ['detach', true],
  ])('that is interrupted and told to %s leaves a driver: %s', async (choice, stays) => {
    await using place = await testNamespace(cluster)
    const { child, said, ended } = start(place, 'submit', '--on-interrupt', choice, ...options(), ...application)
    await until('the driver', async () => /the driver waits|is being started/.test(said.err), { timeoutMs: 60_000 })
    child.kill('SIGTERM')
    const { code, err } = await ended
    expect(code, err).toBe(130)
    expect(err).toContain(stays ? 'goes on without this command' : 'was stopped')
    if (stays) expect(await place.pods()).toHaveLength(1)
    else await until('the driver to go', async () => (await place.contents()).length === 0, { timeoutMs: 30_000 })
  })

  it('leaves no file on the server when the cluster refuses the driver', async () => {
    await using place = await testNamespace(cluster)
    const refusal = ['--conf', 'spark.kubernetes.authenticate.driver.serviceAccountName=nobody']
    const { code, err } = await start(place, 'submit', ...options(), ...refusal, ...application).ended
    expect(code, err).toBe(77)
    expect(err).toContain('nobody')
    expect(await owners(place)).toEqual([])
    expect(await place.contents()).toEqual([])
  })

  it('shows in a dry run what the API server would take, with Kerberos, Hadoop, secrets and volumes', async () => {
    await using place = await testNamespace(cluster)
    await mkdir(join(folder, 'hadoop'), { recursive: true })
    for (const file of ['krb5.conf', 'user.keytab', 'hadoop/core-site.xml']) await writeFile(join(folder, file), file)
    const settings = {
      'spark.kubernetes.kerberos.krb5.path': 'krb5.conf',
      'spark.kerberos.keytab': 'user.keytab',
      'spark.kerberos.principal': 'user@EXAMPLE.ORG',
      'spark.kubernetes.driver.secrets.database': '/etc/database',
      'spark.kubernetes.driver.secretKeyRef.KEY': 'store:key',
      'spark.kubernetes.driver.volumes.persistentVolumeClaim.reports.mount.path': '/reports',
      'spark.kubernetes.driver.volumes.persistentVolumeClaim.reports.options.claimName': 'reports',
    }
    const conf = Object.entries(settings).flatMap(([key, value]) => ['--conf', `${key}=${value}`])
    const hdfs = ['--files', 'hdfs://namenode.example:8020/settings.txt', '--host-alias', '192.0.2.1=namenode.example']
    const argv = ['submit', '--dry-run', ...options(), ...conf, ...hdfs, '--jars', 'lib/*.jar', 'app.jar']
    const environment = { HADOOP_CONF_DIR: join(folder, 'hadoop'), SUPERCARGO_NAMESPACE: place.name }
    const call = { kubeconfig: cluster.kubeconfig, directory: folder, environment }
    const { code, out, err } = await supercargo(call, argv).ended
    expect(code, err).toBe(0)
    // What is secret is not shown.
    const shown = out.replaceAll('[secret]', Buffer.from('x').toString('base64'))
    const taken = await tryKubectl(cluster, ['apply', '--dry-run=server', '-n', place.name, '-f', '-'], shown)
    expect(taken.exitCode, taken.stderr).toBe(0)
    for (const what of ['pod/etl-', 'krb5', 'kerberos-keytab', 'hadoop-config']) expect(taken.stdout).toContain(what)
    expect(await place.contents()).toEqual([])
  })

  it('has its drivers listed, described and removed by the names that people have for them', async () => {
    await using place = await testNamespace(cluster)
    const ids = await Promise.all(
      [1, 2].map(() => start(place, 'submit', '--no-wait', ...options(), ...application).ended),
    )
    const [one] = ids.map(({ out }) => out.trim())
    const listed = await start(place, 'status', '--json').ended
    expect(JSON.parse(listed.out)).toHaveLength(2)
    const described = await start(place, 'submit', '--status', one!).ended
    expect(described.out).toContain(one)
    const unsure = await start(place, 'kill', 'etl').ended
    expect([unsure.code, unsure.err]).toEqual([73, expect.stringContaining('the name of 2 drivers')])
    expect((await start(place, 'kill', one!).ended).code).toBe(0)
    expect((await start(place, 'submit', '--kill', `${place.name}:etl-*`).ended).code).toBe(0)
    await until('all to go', async () => (await place.contents()).length === 0, { timeoutMs: 30_000 })
    const none = await start(place, 'status', 'etl').ended
    expect([none.code, none.err]).toEqual([66, expect.stringContaining('there is no driver etl')])
  })

  it('is looked over by doctor before: server, cluster, rights, and the names on the command line', async () => {
    await using place = await testNamespace(cluster)
    const good = await start(place, 'doctor', ...options(), ...application).ended
    expect(good.out).toMatch(/ok +the staging server .* is ready/)
    expect(good.out).toMatch(/ok +you may do what is needed/)
    expect(good.out).toMatch(/ok +app\.jar can be submitted/)
    // The account `default` has no rights here, and that is what a driver would fail on.
    expect(good.out).toMatch(/FAULT +the driver's account default may not create pods/)
    expect(good.code).toBe(1)
    // Neither a Service of the cluster nor to be reached from here: pods may see more.
    expect(good.out).toMatch(/\? +the address of the staging server for pods cannot be seen from here/)
    const service = { metadata: { name: 'staging', namespace: place.name }, spec: { ports: [{ port: 10_000 }] } }
    await kubectl(cluster, ['create', '-f', '-'], JSON.stringify({ apiVersion: 'v1', kind: 'Service', ...service }))
    const podServer = async (url: string) => (await start(place, 'doctor', ...options(), '--pod-server', url).ended).out
    const [there, short, port, none, self] = await Promise.all([
      podServer(`http://staging.${place.name}.svc:10000`),
      podServer('http://staging:10000'),
      podServer(`http://staging.${place.name}:9`),
      podServer('http://stagnig:10000'),
      podServer(server.url),
    ])
    for (const out of [there, short]) expect(out).toMatch(/ok .*is a Service of the cluster/)
    expect(port).toMatch(/FAULT +the Service staging in .* has no port 9.*\n +it has 10000/)
    expect(none).toMatch(/FAULT +there is no Service stagnig/)
    expect(self).toMatch(/FAULT +the pods cannot reach the staging server at/)
    const bad = await start(
      place,
      'doctor',
      '--server',
      'http://127.0.0.1:1',
      '--jars',
      'no.jar',
      '--class',
      'A',
      'app.jar',
    ).ended
    expect(bad.out).toMatch(/FAULT +no image is named/)
    expect(bad.out).toMatch(/FAULT .*127\.0\.0\.1:1/)
  })
})
