/** Real spark-submit in cluster mode, wrapped, against a real API server; what a kubelet would say is said by the test. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { createClient, type StagingClient } from '@supercargo/client'
import type { Pod } from '@supercargo/kube'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type ServerForTest, startServer } from '../../flows/server-for-test.ts'
import type { ServiceDetails } from '../catalog.ts'
import { describeWith, provisionTimeoutMs, running } from '../running.ts'
import { type SparkLine, sparkLines } from '../spark/provision.ts'
import { type TestNamespace, testNamespace } from '../submit/namespace.ts'
import type { Started } from '../supercargo.ts'
import { until } from '../until.ts'
import { sparkEnvironment, wrapped } from './wrapped.ts'

const main = 'spark-kubernetes-driver'
const podServer = 'http://staging.example:10000'

describeWith(['kubernetes', 'spark'], 'spark-submit that is wrapped', () => {
  let cluster: ServiceDetails<'kubernetes'>
  let spark: ServiceDetails<'spark'>
  let server: ServerForTest
  let client: StagingClient
  let folder: string

  beforeAll(async () => {
    cluster = await running('kubernetes')
    spark = await running('spark')
    server = await startServer()
    client = createClient({ server: server.url })
    folder = await mkdtemp(join(tmpdir(), 'supercargo-wrap-submit-'))
  }, provisionTimeoutMs)

  afterAll(async () => {
    client?.close()
    await server?.stop()
    if (folder !== undefined) await rm(folder, { recursive: true, force: true })
  })

  function start(place: TestNamespace, line: SparkLine, conf: Readonly<Record<string, string>>): Started {
    const four = line === '4'
    const settings = Object.entries({ 'spark.kubernetes.container.image': `spark:${line}`, ...conf })
    const options = ['--server', server.url, '--pod-server', podServer, '--init-image', 'init:1', '--quiet']
    const environment = sparkEnvironment(spark, line)
    const call = { directory: spark.directory, kubeconfig: cluster.kubeconfig, namespace: place.name, environment }
    return wrapped(call, [
      ...options,
      ...['--', 'spark-submit', '--deploy-mode', 'cluster', '--class', spark.mainClass],
      ...settings.flatMap(([key, value]) => ['--conf', `${key}=${value}`]),
      ...['--jars', four ? spark.dependencyJar4 : spark.dependencyJar3, '--files', spark.settingsFile],
      ...[four ? spark.appJar4 : spark.appJar3, 'settings.txt', '100'],
    ])
  }

  const driverOf = (place: TestNamespace, { said }: Started): Promise<Pod> =>
    until(
      'the driver, ready to start',
      async () => {
        if (/Exception/.test(said.err)) throw new Error(said.err)
        return (await place.pods()).find(({ spec }) => ((spec?.schedulingGates as object[]) ?? []).length === 0)
      },
      { timeoutMs: 120_000 },
    )
  const owners = async (place: TestNamespace) =>
    (await client.list({ namespace: place.name })).resources.map(({ owner }) => owner)

  it.each(sparkLines)(
    '%s makes a driver that localizes, owns what it needs, and keeps what was staged',
    async (line) => {
      await using place = await testNamespace(cluster)
      // A gate of somebody else's in the user's own template: templates reach the pod, and only our gate is opened.
      const file = join(folder, 'driver.json')
      const own = { schedulingGates: [{ name: 'example.org/queue' }], containers: [{ name: main }] }
      await writeFile(file, JSON.stringify({ apiVersion: 'v1', kind: 'Pod', spec: own }))
      const { ended } = start(place, line, {
        'spark.kubernetes.submission.waitAppCompletion': 'false',
        'spark.kubernetes.driver.podTemplateFile': file,
      })
      const { code, err } = await ended
      expect(code, err).toBe(0)
      const [driver] = (await place.pods()) as readonly Pod[]
      const spec = driver!.spec as {
        initContainers: { name: string }[]
        containers: { name: string; args: string[] }[]
        schedulingGates?: object[]
      }
      expect(spec.initContainers.map(({ name }) => name)).toEqual(['supercargo-localize'])
      expect(spec.schedulingGates).toEqual(own.schedulingGates)
      const appJar = basename(line === '4' ? spark.appJar4 : spark.appJar3)
      expect(spec.containers[0]!.args).toContain(`local:///var/spark-data/spark-jars/${appJar}`)
      const { name, uid } = driver!.metadata
      const strangers = (await place.contents()).filter(
        ({ kind, metadata }) => kind !== 'Pod' && !metadata.ownerReferences?.some((each) => each.uid === uid),
      )
      expect(strangers.map(({ metadata }) => metadata.name)).toEqual([])
      expect(await owners(place)).toEqual([[{ namespace: place.name, apiVersion: 'v1', kind: 'Pod', name, uid }]])
      // Spark hands on what it was told.
      const maps = (await place.contents()).filter(({ kind }) => kind === 'ConfigMap') as unknown as {
        data: Record<string, string>
      }[]
      const text = maps.map(({ data }) => data['spark.properties']).find((each) => each !== undefined)!
      const properties = text.replaceAll('\\', '')
      expect(properties).toContain(`spark.files=${podServer}/c/`)
      expect(properties).toContain('spark.jars=local:///var/spark-data/spark-jars/')
      expect(properties).toContain('spark.kubernetes.executor.podTemplateFile=/opt/spark/pod-template/')
      const template = maps.map(({ data }) => data['podspec-configmap-key']).find((text) => text !== undefined)!
      expect(JSON.parse(template).spec.initContainers[0].name).toBe('supercargo-localize')
      await place.kubectl('delete', 'pods', '--all', '--wait=false')
    },
  )

  it.each([
    ['3', { terminated: { exitCode: 3, reason: 'Error' } }, 3],
    ['4', { terminated: { exitCode: 0, reason: 'Completed' } }, 0],
  ] as const)('%s ends with what the driver ends with: %j', async (line, state, expected) => {
    await using place = await testNamespace(cluster)
    const run = start(place, line, {})
    const { metadata } = await driverOf(place, run)
    await place.setStatus(metadata.name, {
      phase: expected === 0 ? 'Succeeded' : 'Failed',
      containerStatuses: [{ name: main, state, image: 'x', imageID: 'x', ready: false, restartCount: 0 }],
    })
    const { code, err } = await run.ended
    expect(code, err).toBe(expected)
  })

  it('fails with the reason of the localizer, which spark-submit does not tell', async () => {
    await using place = await testNamespace(cluster)
    const run = start(place, '4', {})
    const { metadata } = await driverOf(place, run)
    const message = JSON.stringify({
      version: 1,
      ok: false,
      kind: 'denied',
      code: 'wrong-secret',
      message: 'the secret is not accepted',
    })
    const state = { terminated: { exitCode: 77, message } }
    await place.setStatus(metadata.name, {
      phase: 'Failed',
      initContainerStatuses: [
        { name: 'supercargo-localize', state, image: 'x', imageID: 'x', ready: false, restartCount: 0 },
      ],
    })
    const { code, err } = await run.ended
    expect([code, err]).toEqual([77, expect.stringContaining('the secret is not accepted')])
  })

  it('that fails before there is a driver leaves nothing, on the server or in the cluster', async () => {
    await using place = await testNamespace(cluster)
    const conf = { 'spark.kubernetes.authenticate.driver.serviceAccountName': 'nobody' }
    const { code, err } = await start(place, '4', conf).ended
    expect(code, err).toBe(1)
    expect(await owners(place)).toEqual([])
    expect(await place.contents()).toEqual([])
  })
})
