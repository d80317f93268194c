/** From the configuration to the authorizer: none, or the cluster that is found. */
import { SupercargoError } from '@supercargo/protocol'
import type { Config } from '../config-schema.ts'
import type { Authorizer } from './authorizer.ts'

/** Undefined with `auth: none`. Kind `invalid` when there is no cluster to ask. The cluster need not answer yet. */
export async function composeAuthorizer(
  config: Pick<Config, 'auth' | 'authAudience' | 'allowAnonymousV0' | 'kubeconfig' | 'context'>,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<Authorizer | undefined> {
  if (config.auth === 'none') return undefined
  // Only who asks a cluster pays for its client: the data plane's heap is to stay small. In a pod that is little; a kubeconfig
  // brings the library that reads it along, which costs user CPU with every byte (ARCHITECTURE, the data plane).
  const { ApiClient, findCluster } = await import('@supercargo/kube')
  const { createClusterAuthorizer } = await import('./cluster-authorizer.ts')
  const { kubeconfig, context } = config
  const connection = await findCluster({ prefer: 'in-cluster', environment, kubeconfig, context })
  if (connection === undefined) {
    throw new SupercargoError('invalid', 'no-cluster', 'auth: kubernetes has no cluster to ask', {
      hint: 'run in a pod with a service account, or name a kubeconfig with --kubeconfig; else use --auth none',
    })
  }
  return createClusterAuthorizer(new ApiClient(connection), {
    audience: config.authAudience,
    anonymousV0: config.allowAnonymousV0,
  })
}
