/** One look at the cluster that is no submission: the namespace that is meant, and a client that is closed at the end. */
import { ApiClient, type KubeConnection } from '@supercargo/kube'

export interface ClusterCall {
  readonly client: ApiClient
  readonly namespace: string
}

export async function withCluster<T>(
  connection: KubeConnection,
  options: { readonly namespace: string | undefined; readonly userAgent: string },
  work: (call: ClusterCall) => Promise<T>,
): Promise<T> {
  const client = new ApiClient(connection, { userAgent: options.userAgent })
  try {
    return await work({ client, namespace: options.namespace ?? connection.namespace ?? 'default' })
  } finally {
    await client.close()
  }
}
