/** Wrapped Spark on a real node, from staged jars: cluster mode to completion, and client mode from a pod, as the examples have them. */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { ServiceDetails } from '../catalog.ts'
import { type DeployedServer, deployServer } from '../images/deployment.ts'
import { importProductImages, initImage, repository } from '../images/product-images.ts'
import { kubectl, tryKubectl } from '../kubernetes/kubectl.ts'
import { describeWith, progress, provisionTimeoutMs, running } from '../running.ts'
import { sparkLines } from '../spark/provision.ts'
import { expectedResult } from '../spark/start.ts'
import { sparkEnvironment, wrapped } from './wrapped.ts'

const namespace = 'wrapped'
const examples = join(repository, 'deploy', 'examples')

describeWith(['spark-cluster'], 'wrapped spark on a node', () => {
  let cluster: ServiceDetails<'spark-cluster'>
  let server: DeployedServer
  let folder: string

  beforeAll(async () => {
    cluster = await running('spark-cluster')
    await importProductImages(cluster.importCommand, progress())
    server = await deployServer(cluster, 'cargo-for-wrap')
    folder = await mkdtemp(join(tmpdir(), 'supercargo-wrap-node-'))
    await kubectl(cluster, ['create', 'namespace', namespace])
    await inside('apply', '-f', join(examples, 'cluster-mode', 'accounts.yaml'))
  }, provisionTimeoutMs)

  afterAll(async () => {
    await server?.remove()
    if (folder !== undefined) await rm(folder, { recursive: true, force: true })
    if (cluster !== undefined) await kubectl(cluster, ['delete', 'namespace', namespace, '--wait=false'])
  })

  const inside = (...args: string[]): Promise<string> => kubectl(cluster, ['--namespace', namespace, ...args])
  const imageOf = (line: string): string => (line === '4' ? cluster.image4 : cluster.image3)
  const settings = (line: string): string[] =>
    Object.entries({
      'spark.kubernetes.container.image': imageOf(line),
      'spark.kubernetes.container.image.pullPolicy': 'Never',
      'spark.kubernetes.authenticate.driver.serviceAccountName': 'spark-driver',
      'spark.kubernetes.driver.request.cores': '100m',
      'spark.kubernetes.executor.request.cores': '100m',
      'spark.kubernetes.executor.deleteOnTermination': 'false',
      'spark.driver.memory': '512m',
      'spark.executor.memory': '512m',
      'spark.executor.instances': '1',
    }).flatMap(([key, value]) => ['--conf', `${key}=${value}`])
  /** Of the executors: each localized for itself. */
  const localized = async (): Promise<string> => {
    const path = '{.items[*].status.initContainerStatuses[?(@.name=="supercargo-localize")].state.terminated.exitCode}'
    return await inside('get', 'pods', '--selector', 'spark-role=executor', '-o', `jsonpath=${path}`)
  }

  it.each(sparkLines)('%s runs in cluster mode from local jars and a local file', async (line) => {
    const four = line === '4'
    const call = {
      directory: folder,
      kubeconfig: cluster.kubeconfig,
      namespace,
      environment: sparkEnvironment(cluster, line),
    }
    const { code, err } = await wrapped(call, [
      ...['--server', server.client.server.href, '--pod-server', server.podUrl, '--init-image', initImage],
      ...['--', 'spark-submit', '--deploy-mode', 'cluster', '--class', cluster.mainClass, ...settings(line)],
      ...['--conf', `spark.kubernetes.driver.pod.name=driver-${line}`],
      ...['--jars', four ? cluster.dependencyJar4 : cluster.dependencyJar3, '--files', cluster.settingsFile],
      ...[four ? cluster.appJar4 : cluster.appJar3, 'settings.txt', '100'],
    ]).ended
    const log = await inside('logs', `driver-${line}`).catch((cause: Error) => cause.message)
    expect(log, err).toContain(expectedResult)
    expect(code, err).toBe(0)
    expect(await localized()).toMatch(/^0( 0)*$/)
    await inside('delete', 'pods', '--selector', 'spark-role', '--wait=false')
  })

  it('runs in client mode from a pod behind a headless Service', async () => {
    const text = (await readFile(join(examples, 'client-mode', 'jump-pod.yaml'), 'utf8'))
      .replace(
        /image: .*/,
        `image: ${cluster.image4}\n      imagePullPolicy: Never\n      volumeMounts: [{ name: command, mountPath: /opt/supercargo }]`,
      )
      .concat(`  volumes: [{ name: command, hostPath: { path: ${repository} } }]\n`)
    await kubectl(cluster, ['--namespace', namespace, 'apply', '-f', '-'], text)
    await inside('wait', '--for=condition=Ready', 'pod/jump', '--timeout=120s')
    const app = cluster.imageAppFolder
    const command = [
      ...['/opt/supercargo/node_modules/node/bin/node', '/opt/supercargo/packages/cli/src/main.ts', 'wrap'],
      ...['--server', server.podUrl, '--init-image', initImage, '--'],
      ...['/opt/spark/bin/spark-submit', '--class', cluster.mainClass, ...settings('4')],
      ...['--jars', `${app}/dependency.jar`, '--files', `${app}/settings.txt`, `${app}/app.jar`, 'settings.txt', '100'],
    ]
    const { exitCode, stdout, stderr } = await tryKubectl(cluster, [
      '--namespace',
      namespace,
      'exec',
      'jump',
      '--',
      ...command,
    ])
    expect(stdout, stderr).toContain(expectedResult)
    expect(exitCode, stderr).toBe(0)
    expect(await localized()).toMatch(/^0( 0)*$/)
    const environment = '{.items[*].spec.containers[0].env[?(@.name=="SPARK_DRIVER_URL")].value}'
    const found = await inside('get', 'pods', '--selector', 'spark-role=executor', '-o', `jsonpath=${environment}`)
    expect(found).toContain(`@jump.${namespace}.svc:7078`)
    const owner = await inside(
      'get',
      'pods',
      '--selector',
      'spark-role=executor',
      '-o',
      'jsonpath={.items[*].metadata.ownerReferences[*].name}',
    )
    expect(owner).toMatch(/^jump( jump)*$/)
    expect(await inside('get', 'secrets', '-o', 'name')).toBe('')
    const { resources } = await server.client.list({ namespace })
    expect(resources.filter(({ owner: owners }) => owners.some(({ name }) => name === 'jump'))).toEqual([])
  })
})
