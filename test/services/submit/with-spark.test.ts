/** Real Spark on a real node, submitted without a JVM: what was staged is used by driver and executors, and goes with the driver. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { command } from '../../process/staging-server.ts'
import type { ServiceDetails } from '../catalog.ts'
import { type DeployedServer, deployServer } from '../images/deployment.ts'
import { importProductImages, initImage } from '../images/product-images.ts'
import { kubectl } from '../kubernetes/kubectl.ts'
import { describeWith, progress, provisionTimeoutMs, running } from '../running.ts'
import { type SparkLine, sparkLines } from '../spark/provision.ts'
import { expectedResult } from '../spark/start.ts'
import { until } from '../until.ts'

/** Where the account of the drivers is. */
const namespace = 'default'
/** A driver and an executor on a busy machine of two cores. */
const sparkTimeoutMs = 600_000
const appFolder = join(import.meta.dirname, '..', 'spark', 'app')

describeWith(['spark-cluster'], 'supercargo submit', () => {
  let cluster: ServiceDetails<'spark-cluster'>
  let server: DeployedServer

  beforeAll(async () => {
    cluster = await running('spark-cluster')
    await importProductImages(cluster.importCommand, progress())
    server = await deployServer(cluster, 'cargo-for-submit')
  }, provisionTimeoutMs)

  afterAll(async () => {
    await server?.remove()
  })

  interface Ended {
    readonly code: number | null
    readonly out: string
    readonly err: string
  }

  async function run(verb: string, line: SparkLine, ...argv: string[]): Promise<Ended> {
    const conf = Object.entries({
      'spark.kubernetes.container.image': line === '4' ? cluster.image4 : cluster.image3,
      'spark.kubernetes.container.image.pullPolicy': 'Never',
      'spark.kubernetes.authenticate.driver.serviceAccountName': cluster.serviceAccount,
      'spark.kubernetes.driver.request.cores': '100m',
      'spark.kubernetes.executor.request.cores': '100m',
      'spark.driver.memory': '512m',
      'spark.executor.memory': '512m',
      'spark.executor.instances': '1',
    }).flatMap(([key, value]) => ['--conf', `${key}=${value}`])
    const own = ['--server', server.client.server.href, '--pod-server', server.podUrl, '--init-image', initImage]
    const child = spawn(process.execPath, [command, verb, '-n', namespace, ...own, ...conf, ...argv], {
      env: { ...process.env, KUBECONFIG: cluster.kubeconfig },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
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

  const submit = (line: SparkLine, ...argv: string[]) => run('submit', line, '--follow', ...argv)

  const jars = (line: SparkLine) =>
    line === '4' ? [cluster.dependencyJar4, cluster.appJar4] : [cluster.dependencyJar3, cluster.appJar3]

  it.each(sparkLines.flatMap((line) => [[line, 'direct'] as const, [line, 'driver'] as const]))(
    'runs a jar of Spark %s with a second jar and a file, distributed %s, and its files go with it',
    async (line, distribution) => {
      const [dependency, application] = jars(line)
      const java = ['--class', cluster.mainClass, '--jars', dependency!, '--files', cluster.settingsFile, application!]
      const name = `java-${line}-${distribution}`
      const { code, out, err } = await submit(
        line,
        '--name',
        name,
        '--distribution',
        distribution,
        ...java,
        'settings.txt',
        '100',
      )
      expect(out, err).toContain(expectedResult)
      expect(code, err).toBe(0)
      const selector = ['--namespace', namespace, '--selector', `spark-app-name=${name}`]
      await kubectl(cluster, ['delete', 'pods', ...selector, '--wait=true'])
      const left = async () =>
        (await kubectl(cluster, ['get', 'configmaps,secrets,services', '-o', 'name', '-n', namespace])).includes(name)
      await until('its objects to go', async () => !(await left()), { timeoutMs: 60_000 })
    },
    sparkTimeoutMs,
  )

  it.each(sparkLines)('runs Python on Spark %s with a module and a file', async (line) => {
    const python = [
      '--py-files',
      join(appFolder, 'greeting.py'),
      '--files',
      cluster.settingsFile,
      join(appFolder, 'main.py'),
    ]
    const { code, out, err } = await submit(line, '--name', `python-${line}`, ...python, 'settings.txt', '100')
    expect(out, err).toContain(expectedResult)
    expect(code, err).toBe(0)
  })

  it('fails within seconds, with the reason, when the init-container cannot fetch', async () => {
    const [, application] = jars('4')
    const missing = ['--files', `${server.podUrl}/no-such-file.txt`, '--class', cluster.mainClass, application!]
    const { code, err } = await submit('4', '--name', 'unfetched', ...missing, 'settings.txt', '100')
    expect(code, err).toBe(66)
    expect(err).toMatch(/has not got its files: .*no-such-file\.txt/)
  })

  it('ends with the exit code of a driver that fails', async () => {
    const [dependency, application] = jars('4')
    const java = ['--class', cluster.mainClass, '--jars', dependency!, application!]
    const { code, err } = await submit('4', '--name', 'failing', ...java, 'no-such-file', '100')
    expect(code, err).toBe(1)
    expect(err).toContain('the driver ended with 1')
  })

  it('is looked over from inside the cluster: a pod asks the staging server, another looks into the image', async () => {
    const there = `local://${cluster.imageAppFolder}/dependency.jar`
    const java = ['--probe', '--class', cluster.mainClass, '--jars']
    const { code, out, err } = await run('doctor', '4', ...java, there, jars('4')[1]!)
    expect(out, err).toMatch(/ok +a pod reaches the staging server/)
    expect(out).toMatch(/ok +the image .* has .*dependency\.jar/)
    expect(out).not.toMatch(/FAULT/)
    expect(code, out).toBe(0)
    const lacking = await run('doctor', '4', ...java, 'local:///opt/no-such.jar', jars('4')[1]!)
    expect(lacking.out).toMatch(/FAULT .*no-such\.jar is not in the image/)
    expect(lacking.code).toBe(1)
    const pods = () => kubectl(cluster, ['get', 'pods', '-n', namespace, '-o', 'name'])
    // Removed means that kubelet has been told; it takes its time.
    await until('its pods to go', async () => !(await pods()).includes('doctor'), { timeoutMs: 60_000 })
  })
})
