/** One staging server for all tests of a run that stage into a real cluster: whoever asks first deploys it, and it goes with the cluster. */
import { join } from 'node:path'
import { inject } from 'vitest'
import { lock } from '../kernel-lock.ts'
import type { KubernetesNodeDetails } from '../kubernetes-node/start.ts'
import { progress } from '../running.ts'
import { type DeployedServer, deployServer } from './deployment.ts'
import { importProductImages } from './product-images.ts'

/** So short that a test can wait for what is collected, and that a wrong answer about an owner would be seen. */
const times = { 'sweep-interval': 1000, 'absent-grace': 1000, condemned: 1000 }
/** Tests delete owners by the handful, of the few that there are. */
const breakerCount = 1000

/** It collects what has lost its owner within seconds. Whoever asked closes the client, and removes nothing. */
export async function sharedServer(cluster: KubernetesNodeDetails): Promise<DeployedServer> {
  const held = await lock(join(inject('servicesRun'), 'shared-server'), progress().signal)
  try {
    await importProductImages(cluster.importCommand, progress())
    const collector = [
      ...Object.entries(times).flatMap(([name, ms]) => [`--collector-${name}-ms`, String(ms)]),
      // Without the longer patience for pods of Spark.
      ...['--collector-policies', '[]', '--collector-breaker-count', String(breakerCount)],
    ]
    return await deployServer(cluster, 'cargo', { collects: true, arguments: collector })
  } finally {
    await held.release()
  }
}
