/** The authorizer that asks the cluster: TokenReview, SubjectAccessReview, and whose a pod is. */
import { type ApiClient, createAccess, createNamespaces, createPodLineage } from '@supercargo/kube'
import { SupercargoError } from '@supercargo/protocol'
import type { Authorizer } from './authorizer.ts'

export interface ClusterAuthorizerOptions {
  readonly audience: string
  readonly anonymousV0: boolean
  /** Milliseconds on a monotonic scale. */
  readonly now?: () => number
  /** Of one request to the API server. */
  readonly deadlineMs?: number
}

/** Closes the client when it is closed. */
export function createClusterAuthorizer(client: ApiClient, options: ClusterAuthorizerOptions): Authorizer {
  const { audience, anonymousV0, ...rest } = options
  const access = createAccess(client, { audience, ...rest })
  const namespaces = createNamespaces(client, rest)
  const lineage = createPodLineage(client, rest)
  return {
    anonymousV0,
    audience,
    identify: (token, signal) => access.identify(token, signal),
    authorize: (identity, verb, namespace, signal) => access.authorize(identity, verb, namespace, signal),
    expectNamespace: async (namespace, signal) => {
      if ((await namespaces.exists(namespace, signal)) !== false) return
      throw new SupercargoError('notFound', 'unknown-namespace', `the cluster has no namespace ${namespace}`, {
        hint: `is the name right, and the cluster? Else: kubectl create namespace ${namespace}`,
      })
    },
    isPodOf: async ({ pod }, owners, signal) => pod !== undefined && (await lineage.belongs(pod, owners, signal)),
    close: () => client.close(),
  }
}
