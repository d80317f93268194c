/** Starts a cluster of one node that has the images of both Sparks, the operator of Kubeflow, and an account with the rights of a driver. */

import { kubectl } from '../kubernetes/kubectl.ts'
import { importImage } from '../kubernetes-node/runtime.ts'
import { type KubernetesNodeDetails, startKubernetesNode } from '../kubernetes-node/start.ts'
import type { Site } from '../site.ts'
import { type SparkDetails, startSpark } from '../spark/start.ts'
import { startOperator } from '../spark-operator/start.ts'
import { imageAppFolder, imageName, type SparkClusterAssets } from './provision.ts'

export interface SparkClusterDetails extends KubernetesNodeDetails, SparkDetails {
  readonly image4: string
  readonly image3: string
  /** In the namespace `default`. */
  readonly serviceAccount: string
  /** Where the images have `app.jar`, `dependency.jar` and `settings.txt`. */
  readonly imageAppFolder: string
}

const serviceAccount = 'spark'
/** What the drivers of all lines create, watch and delete. */
const driverResources = 'pods,configmaps,services,persistentvolumeclaims'

export async function startSparkCluster(site: Site, assets: SparkClusterAssets): Promise<SparkClusterDetails> {
  const node = await startKubernetesNode(site, assets.node)
  const spark = await startSpark(site, assets.spark)
  const importCommand = JSON.parse(node.importCommand) as string[]
  const operator = startOperator(site, assets.operator, node, spark)
  // Its failure is told when the images are there.
  operator.catch(() => undefined)
  for (const layout of [assets.image4, assets.image3]) await importImage(importCommand, layout, site.signal)
  await kubectl(node, ['create', 'serviceaccount', serviceAccount])
  await kubectl(node, ['create', 'role', serviceAccount, '--verb=*', `--resource=${driverResources}`])
  await kubectl(node, [
    'create',
    'rolebinding',
    serviceAccount,
    `--role=${serviceAccount}`,
    `--serviceaccount=default:${serviceAccount}`,
  ])
  await operator
  return {
    ...node,
    ...spark,
    image4: imageName(spark.version4),
    image3: imageName(spark.version3),
    serviceAccount,
    imageAppFolder,
  }
}
