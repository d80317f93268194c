/** Workloads into which files were injected, on a real node: their runs have them, and they stay as long as the workload, not the run. */
import { basename } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { ServiceDetails } from '../catalog.ts'
import type { DeployedServer } from '../images/deployment.ts'
import { initImage } from '../images/product-images.ts'
import { sharedServer } from '../images/shared-server.ts'
import { describeWith, provisionTimeoutMs, running } from '../running.ts'
import { expectedResult } from '../spark/start.ts'
import { driverAccount, type SparkNamespace, sparkNamespace } from '../spark-cluster/namespace.ts'
import { supercargo } from '../supercargo.ts'
import { until } from '../until.ts'
import { staysUntilGone } from './with-owner.ts'

const root = '/var/spark-data'
const sparkTimeoutMs = 600_000

describeWith(['spark-cluster'], 'a workload with injected files', () => {
  let cluster: ServiceDetails<'spark-cluster'>
  let server: DeployedServer
  let place: SparkNamespace

  beforeAll(async () => {
    cluster = await running('spark-cluster')
    server = await sharedServer(cluster)
    place = await sparkNamespace(cluster, 'injected')
  }, provisionTimeoutMs)

  afterAll(async () => {
    server?.client.close()
    await place?.remove()
  })

  /** Relative paths are those of the test's application. */
  async function inject(manifest: string, ...argv: string[]): Promise<void> {
    const own = ['--server', server.client.server.href, '--pod-server', server.podUrl, '--init-image', initImage]
    const pull = ['--conf', 'spark.kubernetes.container.image.pullPolicy=Never', '-n', place.name]
    const call = { kubeconfig: cluster.kubeconfig, input: manifest }
    const { code, err } = await supercargo(call, ['inject', '-f', '-', '--apply', ...own, ...pull, ...argv]).ended
    expect(code, err).toBe(0)
  }

  const staged = (folder: string, file: string): string => `${root}/${folder}/${basename(file)}`
  const owned = (kind: string, name: string) => ({ namespace: place.name, kind, name })

  /** A pod that is a driver: what follows belongs at the end of a Job or a CronJob. */
  const podSpec = (args: readonly string[]): string =>
    JSON.stringify({
      restartPolicy: 'Never',
      containers: [
        {
          name: 'driver',
          image: cluster.image4,
          imagePullPolicy: 'Never',
          command: ['/opt/spark/bin/spark-submit', '--master', 'local[1]'],
          // Without a share of its own it would wait for everything else on a busy machine.
          resources: { requests: { cpu: '400m' } },
          args,
        },
      ],
    })

  /** What the driver of an ended Job has said. */
  async function said(job: string): Promise<string> {
    const ended = ['get', 'job', job, '-o', 'jsonpath={.status.succeeded}{.status.failed}']
    await until(`the end of ${job}`, async () => (await place.kubectl(...ended)) !== '', { timeoutMs: sparkTimeoutMs })
    return await place.kubectl('logs', `job/${job}`, '-c', 'driver')
  }

  it.concurrent(
    'that is a CronJob: a run has them, and they stay when the run is gone, until the CronJob is',
    async () => {
      const { appJar4, dependencyJar4, settingsFile, mainClass } = cluster
      const jars = ['--class', mainClass, '--jars', staged('spark-jars', dependencyJar4)]
      const files = ['--files', staged('spark-files', settingsFile), staged('spark-jars', appJar4)]
      const manifest = `apiVersion: batch/v1
kind: CronJob
metadata: { name: nightly }
spec:
  schedule: '0 0 1 1 *'
  jobTemplate: { spec: { backoffLimit: 0, template: { spec: ${podSpec([...jars, ...files, 'settings.txt', '100'])} } } }
`
      await inject(manifest, '--jars', `${appJar4},${dependencyJar4}`, '--files', settingsFile)
      await place.kubectl('create', 'job', 'one-night', '--from=cronjob/nightly')
      expect(await said('one-night')).toContain(expectedResult)
      await place.kubectl('delete', 'job', 'one-night', '--wait=true')
      await staysUntilGone(server.client, owned('CronJob', 'nightly'), () =>
        place.kubectl('delete', 'cronjob', 'nightly'),
      )
    },
    sparkTimeoutMs,
  )

  it.concurrent(
    'that is a Job, of Python: its run has them, and they stay until the Job is gone',
    async () => {
      const { pythonMain, pythonModule, settingsFile } = cluster
      const modules = ['--py-files', staged('py-files', pythonModule), '--files', staged('spark-files', settingsFile)]
      const spec = podSpec([...modules, staged('spark-files', pythonMain), 'settings.txt', '100'])
      const manifest = `apiVersion: batch/v1
kind: Job
metadata: { name: report }
spec: { backoffLimit: 0, template: { spec: ${spec} } }
`
      await inject(manifest, '--py-files', pythonModule, '--files', `${settingsFile},${pythonMain}`)
      expect(await said('report')).toContain(expectedResult)
      await staysUntilGone(server.client, owned('Job', 'report'), () => place.kubectl('delete', 'job', 'report'))
    },
    sparkTimeoutMs,
  )

  it.concurrent(
    'that is a SparkApplication of the operator: driver and executors localize, and the files stay until it is gone',
    async () => {
      const { appJar4, dependencyJar4, settingsFile, mainClass, image4, version4 } = cluster
      const role = `cores: 1, coreRequest: 100m, memory: 512m`
      const manifest = `apiVersion: sparkoperator.k8s.io/v1beta2
kind: SparkApplication
metadata: { name: etl }
spec:
  type: Java
  mode: cluster
  image: ${image4}
  imagePullPolicy: Never
  sparkVersion: ${version4}
  mainClass: ${mainClass}
  mainApplicationFile: ${appJar4} # a file of this machine
  arguments: [settings.txt, '100']
  deps: { jars: ['${dependencyJar4}'], files: ['${settingsFile}'] }
  sparkConf: { spark.kubernetes.executor.deleteOnTermination: 'false' }
  restartPolicy: { type: Never }
  driver: { ${role}, serviceAccount: ${driverAccount} }
  executor: { ${role}, instances: 1 }
`
      await inject(manifest)
      const get = (what: string, path: string) => place.kubectl('get', what, 'etl', '-o', `jsonpath=${path}`)
      const state = async () =>
        /COMPLETED|FAILED/.test(await get('sparkapplication', '{.status.applicationState.state}'))
      await until('the end of the application', state, { timeoutMs: sparkTimeoutMs, intervalMs: 500 })
      const told = await get('sparkapplication', '{.status.applicationState}')
      const log = await place.kubectl('logs', 'etl-driver').catch((cause: Error) => cause.message)
      expect(log, told).toContain(expectedResult)
      const selector = ['--selector', 'spark-role=executor,sparkoperator.k8s.io/app-name=etl']
      const exit =
        '{.items[*].status.initContainerStatuses[?(@.name=="supercargo-localize")].state.terminated.exitCode}'
      expect(await place.kubectl('get', 'pods', ...selector, '-o', `jsonpath=${exit}`)).toMatch(/^0( 0)*$/)
      await staysUntilGone(server.client, owned('SparkApplication', 'etl'), () =>
        place.kubectl('delete', 'sparkapplication', 'etl'),
      )
    },
    sparkTimeoutMs,
  )

  it.concurrent('that is scheduled by the operator is accepted by it, and keeps its files from run to run', async () => {
    const manifest = `apiVersion: sparkoperator.k8s.io/v1beta2
kind: ScheduledSparkApplication
metadata: { name: hourly }
spec:
  schedule: '@every 1h'
  suspend: true
  template:
    type: Python
    mode: cluster
    image: ${cluster.image4}
    sparkVersion: ${cluster.version4}
    mainApplicationFile: ${cluster.pythonMain}
    driver: { serviceAccount: ${driverAccount} }
    executor: { instances: 1 }
`
    await inject(manifest, '--py-files', cluster.pythonModule)
    await staysUntilGone(server.client, owned('ScheduledSparkApplication', 'hourly'), () =>
      place.kubectl('delete', 'scheduledsparkapplication', 'hourly'),
    )
  })
})
