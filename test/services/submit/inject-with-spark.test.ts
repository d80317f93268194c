/** A CronJob into which files were injected, on a real node: a run of it has them, whoever starts it and however often. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { command } from '../../process/staging-server.ts'
import type { ServiceDetails } from '../catalog.ts'
import { type DeployedServer, deployServer } from '../images/deployment.ts'
import { importProductImages, initImage } from '../images/product-images.ts'
import { kubectl, tryKubectl } from '../kubernetes/kubectl.ts'
import { describeWith, progress, provisionTimeoutMs, running } from '../running.ts'
import { expectedResult } from '../spark/start.ts'
import { until } from '../until.ts'

const namespace = 'default'
const root = '/var/spark-data'
const sparkTimeoutMs = 600_000

describeWith(['spark-cluster'], 'a CronJob with injected files', () => {
  let cluster: ServiceDetails<'spark-cluster'>
  let server: DeployedServer

  beforeAll(async () => {
    cluster = await running('spark-cluster')
    await importProductImages(cluster.importCommand, progress())
    server = await deployServer(cluster, 'cargo-for-inject')
  }, provisionTimeoutMs)

  afterAll(async () => {
    if (cluster !== undefined)
      await tryKubectl(cluster, ['delete', 'cronjob', 'nightly', '-n', namespace, '--ignore-not-found'])
    await server?.remove()
  })

  /** The driver is the pod of the Job. */
  function manifest(): string {
    const [application, dependency, settings] = [cluster.appJar4, cluster.dependencyJar4, cluster.settingsFile].map(
      (path) => path.slice(path.lastIndexOf('/') + 1),
    )
    return `apiVersion: batch/v1
kind: CronJob
metadata: {name: nightly}
spec:
  schedule: '0 0 1 1 *'
  jobTemplate:
    spec:
      backoffLimit: 0
      template:
        spec:
          restartPolicy: Never
          containers:
            - name: driver
              image: ${cluster.image4}
              imagePullPolicy: Never
              command: [/opt/spark/bin/spark-submit, --master, 'local[1]', --class, ${cluster.mainClass}]
              args:
                - --jars
                - ${root}/spark-jars/${dependency}
                - --files
                - ${root}/spark-files/${settings}
                - ${root}/spark-jars/${application}
                - ${settings}
                - "100"
`
  }

  it(
    'runs with them, in every run of it',
    async () => {
      const own = ['--server', server.client.server.href, '--pod-server', server.podUrl, '--init-image', initImage]
      const jars = `${cluster.appJar4},${cluster.dependencyJar4}`
      const pull = ['--conf', 'spark.kubernetes.container.image.pullPolicy=Never', '-n', namespace]
      const argv = ['inject', '-f', '-', '--apply', '--jars', jars, '--files', cluster.settingsFile, ...own, ...pull]
      const child = spawn(process.execPath, [command, ...argv], {
        env: { ...process.env, KUBECONFIG: cluster.kubeconfig },
      })
      child.stdin.end(manifest())
      const [[code], err] = await Promise.all([once(child, 'close'), text(child.stderr), text(child.stdout)])
      expect(code, err).toBe(0)
      for (const run of ['first-run', 'second-run']) {
        await kubectl(cluster, ['create', 'job', run, '--from=cronjob/nightly', '-n', namespace])
        const ended = ['get', 'job', run, '-n', namespace, '-o', 'jsonpath={.status.succeeded}{.status.failed}']
        await until('the run to end', async () => (await kubectl(cluster, ended)) !== '', { timeoutMs: 240_000 })
        expect(await kubectl(cluster, ['logs', `job/${run}`, '-c', 'driver', '-n', namespace])).toContain(
          expectedResult,
        )
      }
    },
    sparkTimeoutMs,
  )
})
