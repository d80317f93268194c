/** Stock spark-submit in cluster mode against a real cluster: a driver pod and its executors run to the end and say what they used. */
import { expect, it } from 'vitest'
import { kubectl } from '../kubernetes/kubectl.ts'
import { describeWith, provisionTimeoutMs, running } from '../running.ts'
import { sparkLines } from '../spark/provision.ts'
import { expectedResult } from '../spark/start.ts'
import { sparkSubmit } from '../spark/submission.ts'

describeWith(['spark-cluster'], 'spark on a node', () => {
  it.each(sparkLines)(
    '%s runs a driver and an executor to completion',
    async (line) => {
      const cluster = await running('spark-cluster')
      const driver = `driver-${line}`
      const conf = Object.entries({
        'spark.kubernetes.container.image': line === '4' ? cluster.image4 : cluster.image3,
        'spark.kubernetes.container.image.pullPolicy': 'Never',
        'spark.kubernetes.authenticate.driver.serviceAccountName': cluster.serviceAccount,
        'spark.kubernetes.driver.pod.name': driver,
        'spark.kubernetes.driver.request.cores': '100m',
        'spark.kubernetes.executor.request.cores': '100m',
        'spark.driver.memory': '512m',
        'spark.executor.memory': '512m',
        'spark.executor.instances': '1',
      }).flatMap(([key, value]) => ['--conf', `${key}=${value}`])
      const local = (name: string): string => `local://${cluster.imageAppFolder}/${name}`
      const target = ['--master', `k8s://${cluster.server}`, '--deploy-mode', 'cluster', '--class', cluster.mainClass]
      // An absolute path, which holds in both pods: without staging a `local:` file does not reach executors on every line.
      const what = [
        '--jars',
        local('dependency.jar'),
        local('app.jar'),
        `${cluster.imageAppFolder}/settings.txt`,
        '100',
      ]
      const submitted = await sparkSubmit(cluster, line, [...target, ...conf, ...what], {
        KUBECONFIG: cluster.kubeconfig,
      })
      const log = await kubectl(cluster, ['logs', driver]).catch((cause: Error) => cause.message)
      expect(log, submitted.stderr).toContain(expectedResult)
      const phase = ['get', 'pod', driver, '-o', 'jsonpath={.status.phase}']
      expect(await kubectl(cluster, phase)).toBe('Succeeded')
    },
    provisionTimeoutMs,
  )
})
