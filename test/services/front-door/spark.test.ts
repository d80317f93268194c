/** Stock spark-submit with one setting, on a real node: driver and executors get what was local, and it goes when the driver is gone. */
import { copyFile, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { command as supercargo } from '../../process/staging-server.ts'
import type { ServiceDetails } from '../catalog.ts'
import { command } from '../command.ts'
import { type DeployedServer, deployServer } from '../images/deployment.ts'
import { importProductImages, repository } from '../images/product-images.ts'
import { kubectl } from '../kubernetes/kubectl.ts'
import { describeWith, progress, provisionTimeoutMs, running } from '../running.ts'
import type { SparkLine } from '../spark/provision.ts'
import { expectedResult } from '../spark/start.ts'
import { sparkSubmit } from '../spark/submission.ts'
import { until } from '../until.ts'

const namespace = 'front-door'
/** Collection follows soon, but not before what was fetched has been quiet for a minute. */
const collector = ['sweep-interval', 'absent-grace', 'condemned'].flatMap((name) => [`--collector-${name}-ms`, '1000'])
const collectedMs = 180_000

describeWith(['spark-cluster'], 'stock spark-submit', () => {
  let cluster: ServiceDetails<'spark-cluster'>
  let server: DeployedServer
  let work: string

  beforeAll(async () => {
    cluster = await running('spark-cluster')
    await importProductImages(cluster.importCommand, progress())
    work = await mkdtemp(join(tmpdir(), 'supercargo-spark-door-'))
    server = await deployServer(cluster, 'cargo-for-front-door', { arguments: collector, collects: true })
    await kubectl(cluster, ['create', 'namespace', namespace])
    await inside('apply', '-f', join(repository, 'deploy', 'examples', 'cluster-mode', 'accounts.yaml'))
  }, provisionTimeoutMs)

  afterAll(async () => {
    await server?.remove()
    if (work !== undefined) await rm(work, { recursive: true, force: true })
    if (cluster !== undefined) await kubectl(cluster, ['delete', 'namespace', namespace, '--wait=false'])
  })

  const inside = (...args: string[]): Promise<string> => kubectl(cluster, ['--namespace', namespace, ...args])

  /** By the address of the Service, which submitter and pods reach, and which lets the server see the address of a pod. */
  async function uploadPath(...options: string[]): Promise<string> {
    const argv = [process.execPath, supercargo, 'token', 'create', '-n', namespace, '--quiet', ...options]
    return (await command(argv, { env: { SUPERCARGO_SERVER: server.client.server.href } })).trim()
  }

  function submit(line: SparkLine, driver: string, path: string, more: Record<string, string>, what: string[]) {
    const settings = {
      'spark.kubernetes.file.upload.path': path,
      'spark.kubernetes.namespace': namespace,
      'spark.kubernetes.container.image': line === '4' ? cluster.image4 : cluster.image3,
      'spark.kubernetes.container.image.pullPolicy': 'Never',
      'spark.kubernetes.authenticate.driver.serviceAccountName': 'spark-driver',
      'spark.kubernetes.driver.pod.name': driver,
      'spark.kubernetes.driver.request.cores': '100m',
      'spark.kubernetes.executor.request.cores': '100m',
      'spark.driver.memory': '512m',
      'spark.executor.memory': '512m',
      'spark.executor.instances': '1',
      ...more,
    }
    const conf = Object.entries(settings).flatMap(([key, value]) => ['--conf', `${key}=${value}`])
    const target = ['--master', `k8s://${cluster.server}`, '--deploy-mode', 'cluster']
    return sparkSubmit(cluster, line, [...target, ...conf, ...what], {
      KUBECONFIG: cluster.kubeconfig,
      LC_ALL: 'C.UTF-8',
    })
  }

  /** Runs to the end; resolves to what the driver said. */
  async function completed(...call: Parameters<typeof submit>): Promise<string> {
    const { stderr } = await submit(...call)
    const log = await inside('logs', call[1]).catch((cause: Error) => cause.message)
    expect(log, stderr).toContain(expectedResult)
    expect(await inside('get', 'pod', call[1], '-o', 'jsonpath={.status.phase}')).toBe('Succeeded')
    return log
  }

  /** The files of which the collector says that this is their owner. */
  async function keptFor(owner: RegExp): Promise<number> {
    const { resources } = await server.client.list({ namespace })
    return resources.filter(({ reason }) => owner.test(reason)).length
  }

  it('brings jars and files to the driver and to executors that fetch for themselves, and they go with the pod of the claim', async () => {
    const dependency = join(work, 'größe-漢.jar')
    await copyFile(cluster.dependencyJar4, dependency)
    const claim = {
      'spark.kubernetes.driver.label.supercargo.io/claim': 'etl',
      'spark.kubernetes.jars.avoidDownloadSchemes': 'webhdfs',
    }
    const what = ['--class', cluster.mainClass, '--jars', dependency, '--files', cluster.settingsFile, cluster.appJar4]
    const path = `${await uploadPath()}/claim=etl`
    const log = await completed('4', 'java', path, claim, [...what, 'settings.txt', '100'])
    expect(log).toMatch(/Added JAR webhdfs:\S+\.jar at webhdfs:/)
    expect(await keptFor(/its owner .*supercargo\.io\/claim=etl.* is there/)).toBe(3)
    await inside('delete', 'pod', 'java')
  })

  it('shows its user what the server says, and never retries in silence', async () => {
    const what = ['--class', cluster.mainClass, cluster.appJar4]
    const path = await uploadPath('--bytes-max', '10')
    const full = await submit('4', 'full', path, {}, what)
    expect(full.exitCode).not.toBe(0)
    expect(full.stderr).toContain('the quota of the token, 10 B, is used up')
    const wrong = await submit('4', 'wrong', `${path}x`, {}, what)
    expect(wrong.stderr).toMatch(new RegExp(`token create -n ${namespace}`))
  })

  it('brings Python a module, a file and an archive, which belong to the driver that read them', async () => {
    const archive = join(work, 'conf.tgz')
    await command(['tar', 'czf', archive, '-C', join(cluster.settingsFile, '..'), 'settings.txt'])
    const files = ['--py-files', cluster.pythonModule, '--files', cluster.settingsFile, '--archives', `${archive}#conf`]
    const path = await uploadPath()
    await completed('3', 'python', path, {}, [...files, cluster.pythonMain, 'conf/settings.txt', '100'])
    const uid = await inside('get', 'pod', 'python', '-o', 'jsonpath={.metadata.uid}')
    const bound = async () => (await keptFor(/its owner Pod .*python.* is there/)) === 4
    await until('the owner of all files', bound, { timeoutMs: 60_000 })
    const { resources } = await server.client.list({ namespace })
    expect(resources.filter(({ owner }) => owner.some((each) => each.uid === uid)).length).toBe(4)
    await inside('delete', 'pod', 'python')
    const log = await kubectl(cluster, ['logs', 'deployment/supercargo', '--namespace', 'cargo-for-front-door'])
    expect(log).not.toContain(path.split('/').at(-1)!)
  })

  it('leaves files that go when the driver is deleted, and not before', async () => {
    // Those of the first driver have been quiet for a minute sooner.
    const states = async () => (await server.client.list({ namespace })).resources.map(({ state }) => state)
    const first = async () => (await states()).join() === 'missing,missing,missing,missing'
    await until('the files of the claim to go', first, { timeoutMs: collectedMs })
  })
})
