/** Real Spark in cluster mode with our init container in driver and executors: the application runs from staged jars and files. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { ServiceDetails } from '../catalog.ts'
import { kubectl } from '../kubernetes/kubectl.ts'
import { describeWith, progress, provisionTimeoutMs, running } from '../running.ts'
import { type SparkLine, sparkLines } from '../spark/provision.ts'
import { expectedResult } from '../spark/start.ts'
import { sparkSubmit } from '../spark/submission.ts'
import { type DeployedServer, dataFolder, deployServer, type LocalizingPod, localizing } from './deployment.ts'
import { importProductImages } from './product-images.ts'

/** Where the account of the drivers is. */
const namespace = 'default'

describeWith(['spark-cluster'], 'our images with spark', () => {
  let cluster: ServiceDetails<'spark-cluster'>
  let server: DeployedServer
  let folder: string | undefined

  beforeAll(async () => {
    cluster = await running('spark-cluster')
    await importProductImages(cluster.importCommand, progress())
    server = await deployServer(cluster, 'cargo-for-spark')
    folder = await mkdtemp(join(tmpdir(), 'supercargo-spark-'))
  }, provisionTimeoutMs)

  afterAll(async () => {
    if (folder !== undefined) await rm(folder, { recursive: true })
    await server?.remove()
  })

  /** Spark takes the rest of the pod from its own settings; the container is found by its name. */
  async function template(role: 'driver' | 'executor', line: SparkLine, part: LocalizingPod): Promise<string> {
    const file = join(folder!, `${role}-${line}.yaml`)
    const containers = [{ name: `spark-kubernetes-${role}`, volumeMounts: [part.mount] }]
    const spec = { initContainers: part.initContainers, containers, volumes: part.volumes }
    await writeFile(file, JSON.stringify({ apiVersion: 'v1', kind: 'Pod', spec }))
    return file
  }

  it.each(sparkLines)('let %s run an application from staged jars and a staged file, in cluster mode', async (line) => {
    const driver = `staged-${line}`
    const four = line === '4'
    const staged = await server.client.stage({
      owner: { namespace, apiVersion: 'v1', kind: 'Pod', name: driver },
      files: [
        { path: four ? cluster.appJar4 : cluster.appJar3, as: 'spark-jars/app.jar' },
        { path: four ? cluster.dependencyJar4 : cluster.dependencyJar3, as: 'spark-jars/dependency.jar' },
        { path: cluster.settingsFile, as: 'spark-files/settings.txt' },
      ],
    })
    const { resourceId, resourceSecret: secret } = staged
    const part = await localizing(cluster, namespace, driver, server.podUrl, staged)
    // A `local:` file reaches the executors since Spark 4; before, the driver has to fetch it by a URL and serve it to them.
    const { url } = await server.client.createCapability({ resourceId, secret })
    const local = (path: string): string => `local://${dataFolder}/${path}`
    const settings = four ? local('spark-files/settings.txt') : `${url}spark-files/settings.txt`
    const conf = Object.entries({
      'spark.kubernetes.container.image': four ? cluster.image4 : cluster.image3,
      'spark.kubernetes.container.image.pullPolicy': 'Never',
      'spark.kubernetes.authenticate.driver.serviceAccountName': cluster.serviceAccount,
      'spark.kubernetes.driver.pod.name': driver,
      'spark.kubernetes.driver.podTemplateFile': await template('driver', line, part),
      'spark.kubernetes.executor.podTemplateFile': await template('executor', line, part),
      'spark.kubernetes.jars.avoidDownloadSchemes': 'local',
      'spark.kubernetes.driver.request.cores': '100m',
      'spark.kubernetes.executor.request.cores': '100m',
      'spark.kubernetes.executor.deleteOnTermination': 'false',
      'spark.driver.memory': '512m',
      'spark.executor.memory': '512m',
      'spark.executor.instances': '1',
    }).flatMap(([key, value]) => ['--conf', `${key}=${value}`])
    const target = ['--master', `k8s://${cluster.server}`, '--deploy-mode', 'cluster', '--class', cluster.mainClass]
    const what = ['--jars', local('spark-jars/dependency.jar'), '--files', settings, local('spark-jars/app.jar')]
    const submitted = await sparkSubmit(cluster, line, [...target, ...conf, ...what, 'settings.txt', '100'], {
      KUBECONFIG: cluster.kubeconfig,
    })
    const log = await kubectl(cluster, ['logs', driver]).catch((cause: Error) => cause.message)
    expect(log, submitted.stderr).toContain(expectedResult)
    expect(await kubectl(cluster, ['get', 'pod', driver, '-o', 'jsonpath={.status.phase}'])).toBe('Succeeded')
    // Executors localize for themselves: what they ran from is not the driver's.
    const executors = ['get', 'pods', '--selector', `spark-role=executor,spark-app-name`, '-o']
    const ended = 'jsonpath={.items[*].status.initContainerStatuses[?(@.name=="localize")].state.terminated.exitCode}'
    expect((await kubectl(cluster, [...executors, ended])).split(' ')).toContain('0')
    expect(`${log}${submitted.stderr}`).not.toContain(secret.reveal())
    await kubectl(cluster, ['delete', 'pods', '--selector', 'spark-role', '--wait=false'])
  })
})
