/** Stock spark-submit with one setting: it uploads to the server, and the same Spark reads what it uploaded and runs on it. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type ServerProcess, startStagingServer, command as supercargo } from '../../process/staging-server.ts'
import { command } from '../command.ts'
import { kubectl } from '../kubernetes/kubectl.ts'
import type { KubernetesDetails } from '../kubernetes/start.ts'
import { describeWith, provisionTimeoutMs, running } from '../running.ts'
import { type SparkLine, sparkLines } from '../spark/provision.ts'
import { expectedResult, type SparkDetails } from '../spark/start.ts'
import { sparkSubmit } from '../spark/submission.ts'

describeWith(['spark', 'kubernetes'], 'stock spark-submit', () => {
  let work: string
  let server: ServerProcess
  let cluster: KubernetesDetails
  let spark: SparkDetails

  beforeAll(async () => {
    work = mkdtempSync(join(tmpdir(), 'supercargo-spark-door-'))
    cluster = await running('kubernetes')
    spark = await running('spark')
    server = await startStagingServer({ arguments: ['--store', join(work, 'store')] })
  }, provisionTimeoutMs)
  afterAll(async () => {
    await server.stop()
    rmSync(work, { recursive: true, force: true })
  })

  async function uploadPath(...options: string[]): Promise<string> {
    const argv = [process.execPath, supercargo, 'token', 'create', '-n', 'default', '--quiet', ...options]
    return (await command(argv, { env: { SUPERCARGO_SERVER: server.url } })).trim()
  }

  /** Submits in cluster mode and resolves to the exit code, what it said, and the properties that the driver would get. */
  async function submit(line: SparkLine, driver: string, path: string) {
    const [app, dependency] =
      line === '4' ? [spark.appJar4, spark.dependencyJar4] : [spark.appJar3, spark.dependencyJar3]
    const settings = {
      'spark.kubernetes.file.upload.path': path,
      'spark.kubernetes.container.image': 'not/pulled',
      'spark.kubernetes.driver.pod.name': driver,
      'spark.kubernetes.submission.waitAppCompletion': 'false',
    }
    const conf = Object.entries(settings).flatMap(([key, value]) => ['--conf', `${key}=${value}`])
    const target = ['--master', `k8s://${cluster.server}`, '--deploy-mode', 'cluster', '--class', spark.mainClass]
    const what = ['--jars', dependency, '--files', spark.settingsFile, '--py-files', spark.pythonModule, app]
    const submitted = await sparkSubmit(spark, line, [...target, ...conf, ...what, 'settings.txt', '100'], {
      KUBECONFIG: cluster.kubeconfig,
    })
    return { ...submitted, properties: submitted.exitCode === 0 ? await propertiesOf(driver) : {} }
  }

  async function propertiesOf(driver: string): Promise<Record<string, string>> {
    const pod = JSON.parse(await kubectl(cluster, ['get', 'pod', driver, '-o', 'json'])) as {
      metadata: { uid: string }
      spec: { volumes: { configMap?: { name: string } }[] }
    }
    const name = pod.spec.volumes.find(({ configMap }) => configMap?.name.startsWith('spark-drv-'))!.configMap!.name
    const text = await kubectl(cluster, ['get', 'configmap', name, '-o', 'jsonpath={.data.spark\\.properties}'])
    const pairs = text
      .split('\n')
      .filter((row) => row.includes('=') && !row.startsWith('#'))
      .map((row) => [row.slice(0, row.indexOf('=')), row.slice(row.indexOf('=') + 1).replaceAll('\\', '')])
    return Object.fromEntries(pairs)
  }

  it.each(sparkLines)('%s uploads its jars and files, and the same Spark runs on them', async (line) => {
    const path = await uploadPath('--note', `spark ${line}`)
    const { exitCode, stderr, properties } = await submit(line, `driver-${line}`, `${path}/claim=etl-${line}`)
    expect(exitCode, stderr).toBe(0)
    const jars = properties['spark.jars']!.split(',')
    const files = properties['spark.files']!.split(',').filter((file) => file.endsWith('settings.txt'))
    for (const uri of [...jars, ...files])
      expect(uri).toMatch(/^webhdfs:.*\/claim=etl-[34]\/spark-upload-[0-9a-f-]{36}\//)
    const application = jars.find((jar) => jar.endsWith('app.jar'))!
    const others = jars.filter((jar) => jar !== application)
    const local = ['--master', 'local[2]', '--conf', 'spark.ui.enabled=false', '--files', files.join()]
    const args = [...local, '--jars', others.join(), '--class', spark.mainClass, application, 'settings.txt', '100']
    const ran = await sparkSubmit(spark, line, args)
    expect(ran.stdout, ran.stderr).toContain(expectedResult)
  })

  it('shows its user what the server says, and never retries in silence', async () => {
    const path = await uploadPath('--bytes-max', '10')
    const full = await submit('4', 'driver-full', path)
    expect(full.exitCode).not.toBe(0)
    expect(full.stderr).toContain('the quota of the token, 10 B, is used up')
    const wrong = await submit('4', 'driver-wrong', `${path}x`)
    expect(wrong.stderr).toMatch(/token create -n default/)
    expect(server.logged()).not.toContain(path.split('/').at(-1)!)
  })
})
