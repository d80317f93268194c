/** A namespace of one test file on a cluster with Spark, with the accounts of the example. */
import { join } from 'node:path'
import { kubectl } from '../kubernetes/kubectl.ts'
import type { SparkClusterDetails } from './start.ts'

export interface SparkNamespace {
  readonly name: string
  /** What a small driver and one small executor need, as arguments, on this line of Spark. */
  settings(line: '3' | '4'): string[]
  kubectl(...args: string[]): Promise<string>
  /** Everything in it goes, at its own pace. */
  remove(): Promise<void>
}

/** The driver's account in it. */
export const driverAccount = 'spark-driver'
const accounts = join(import.meta.dirname, '../../../deploy/examples/cluster-mode/accounts.yaml')

/** `what` begins its name, which nothing else on the cluster has. */
export async function sparkNamespace(cluster: SparkClusterDetails, what: string): Promise<SparkNamespace> {
  const name = `${what}-${process.pid}`
  const inside = (...args: string[]): Promise<string> => kubectl(cluster, ['--namespace', name, ...args])
  await kubectl(cluster, ['create', 'namespace', name])
  await inside('apply', '-f', accounts)
  return {
    name,
    settings: (line) =>
      Object.entries({
        'spark.kubernetes.container.image': line === '4' ? cluster.image4 : cluster.image3,
        'spark.kubernetes.container.image.pullPolicy': 'Never',
        'spark.kubernetes.authenticate.driver.serviceAccountName': driverAccount,
        'spark.kubernetes.driver.request.cores': '100m',
        'spark.kubernetes.executor.request.cores': '100m',
        'spark.driver.memory': '512m',
        'spark.executor.memory': '512m',
        'spark.executor.instances': '1',
      }).flatMap(([key, value]) => ['--conf', `${key}=${value}`]),
    kubectl: inside,
    remove: async () => void (await kubectl(cluster, ['delete', 'namespace', name, '--wait=false'])),
  }
}
