/** Finds the cluster: what was asked for by name, else the pod's own, else the user's kubeconfig. */
import type { KubeConnection } from './credentials.ts'
import { inClusterConnection } from './in-cluster.ts'
import { type KubeConfigOptions, kubeConfigConnection } from './kube-config.ts'

export interface ConnectOptions extends KubeConfigOptions {
  /** A server looks at its pod first, a person's command at the kubeconfig. */
  readonly prefer: 'in-cluster' | 'kubeconfig'
  /** Another place for the service account's files. */
  readonly serviceAccountDirectory?: string | undefined
}

/** The connection, or undefined when neither a pod's service account nor a kubeconfig is there. */
export async function findCluster(options: ConnectOptions): Promise<KubeConnection | undefined> {
  const named = options.kubeconfig !== undefined || options.context !== undefined
  const inCluster = () => inClusterConnection(options.environment, options.serviceAccountDirectory)
  if (named) return kubeConfigConnection(options)
  if (options.prefer === 'in-cluster') return (await inCluster()) ?? kubeConfigConnection(options)
  return (await kubeConfigConnection(options)) ?? inCluster()
}
