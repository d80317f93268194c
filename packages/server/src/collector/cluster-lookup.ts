/** The owner lookup of the configured cluster: it is found when it is first needed, and looked for again until it is there. */
import { ApiClient, createClusterOwnerLookup, findCluster, noCluster, type OwnerLookup } from '@supercargo/kube'
import { SupercargoError } from '@supercargo/protocol'

/** Who answers whether an owner is there. */
export type LookupSettings =
  | { readonly kind: 'none' }
  | {
      /** The pod's own cluster, else the kubeconfig's. */
      readonly kind: 'cluster'
      readonly kubeconfig?: string | undefined
      readonly context?: string | undefined
    }

export interface Cluster {
  readonly lookup: OwnerLookup
  /** The client of the cluster. Rejects while there is none. */
  client(): Promise<ApiClient>
  close(): Promise<void>
}

export type Environment = Readonly<Record<string, string | undefined>>

/** A cluster that cannot be found, or whose credentials are wrong, is one of which nothing is known: everything is kept. */
export function connectCluster(settings: LookupSettings, environment: Environment): Cluster {
  if (settings.kind === 'none') {
    const client = () => Promise.reject(new SupercargoError('unavailable', 'no-cluster', 'no cluster is configured'))
    return { lookup: noCluster(), client, close: async () => undefined }
  }
  const { kubeconfig, context } = settings
  let connected: { readonly client: ApiClient; readonly lookup: OwnerLookup } | undefined

  async function connect(): Promise<{ readonly client: ApiClient; readonly lookup: OwnerLookup }> {
    if (connected !== undefined) return connected
    const connection = await findCluster({ prefer: 'in-cluster', kubeconfig, context, environment })
    if (connection === undefined) {
      throw new SupercargoError('unavailable', 'no-cluster', 'no cluster was found', {
        hint: 'run in a pod with a service account, or name a --kubeconfig; --kube none collects nothing',
      })
    }
    const client = new ApiClient(connection, { userAgent: 'supercargo-collector' })
    connected = { client, lookup: createClusterOwnerLookup(client) }
    return connected
  }

  async function lookupOr<Answer>(
    ask: (lookup: OwnerLookup) => Promise<Answer>,
    unknown: (error: SupercargoError) => Answer,
  ) {
    let lookup: OwnerLookup
    try {
      ;({ lookup } = await connect())
    } catch (error) {
      if (!SupercargoError.is(error)) throw error
      return unknown(error)
    }
    return ask(lookup)
  }

  const asUnknown = ({ code, message, hint }: SupercargoError) => {
    const reason = hint === undefined ? message : `${message} (${hint})`
    return { state: 'unknown' as const, code, reason }
  }
  return {
    client: async () => (await connect()).client,
    close: async () => connected?.client.close(),
    lookup: {
      clusterUid: (signal) =>
        lookupOr(
          (lookup) => lookup.clusterUid(signal),
          () => undefined,
        ),
      sweep: (queries, memory, signal) =>
        lookupOr(
          (lookup) => lookup.sweep(queries, memory, signal),
          (error) => ({
            clusterUid: undefined,
            versions: memory.versions,
            owners: queries.map(() => asUnknown(error)),
            scopes: [],
          }),
        ),
      confirm: (query, memory, signal) => lookupOr((lookup) => lookup.confirm(query, memory, signal), asUnknown),
    },
  }
}
