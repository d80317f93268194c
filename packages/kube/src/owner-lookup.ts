/** The port that answers one question about the cluster: is this owner still there? */
import type { Owner } from '@supercargo/protocol'
import type { SeenVersions } from './resource-version.ts'

/** An owner, and what is remembered of it. */
export interface OwnerQuery {
  readonly owner: Owner
  /** Objects that once matched the owner's labels: they keep the resource even when they are relabelled. */
  readonly knownUids?: readonly string[]
  /**
   * When the owner counts as gone. `completed` has a meaning for Pods, Jobs and SparkApplications, which end by themselves;
   * the default is `deleted`. For other kinds than Pods it needs lists of whole objects.
   */
  readonly keptUntil?: 'deleted' | 'completed'
}

/**
 * `present` and `absent` are evidence; everything else is `unknown` with the reason. Absence is only ever concluded from a
 * complete, well-formed list; an error, a time-out, a 403 or a cut answer is `unknown`, and unknown means keep. Presence
 * may come from a part of a list: an object that was seen is there.
 */
export type OwnerPresence =
  | { readonly state: 'present'; readonly uids: readonly string[]; readonly evidence: string }
  | { readonly state: 'absent'; readonly evidence: string }
  | { readonly state: 'unknown'; readonly code: string; readonly reason: string }

/** What one list of a sweep brought: for metrics, and to know which kinds and scopes a sweep covered. */
export interface ScopeAnswer {
  readonly apiVersion: string
  readonly kind: string
  /** Undefined is the whole cluster. */
  readonly namespace: string | undefined
  /** Whether it is evidence for what it does not hold. */
  readonly complete: boolean
  /** Why not. */
  readonly code?: string | undefined
  readonly reason?: string | undefined
  readonly objects: number
  readonly requests: number
}

/** What the caller knows of the cluster from before. It keeps both across restarts, for one cluster. */
export interface ClusterMemory {
  /** Another identity than this makes every answer `unknown`. Undefined before the first sweep. */
  readonly clusterUid: string | undefined
  /**
   * A list that is older than one already seen is no evidence. To accept a cluster whose versions went back (its etcd was
   * restored from a backup), ask again with none.
   */
  readonly versions: SeenVersions
}

export interface SweepAnswer extends ClusterMemory {
  /** In the order of the queries. */
  readonly owners: readonly OwnerPresence[]
  readonly scopes: readonly ScopeAnswer[]
}

export const noMemory: ClusterMemory = { clusterUid: undefined, versions: {} }

export interface OwnerLookup {
  /** The cluster's identity (uid of its `kube-system` namespace), or undefined when there is none or it does not answer. */
  clusterUid(signal: AbortSignal): Promise<string | undefined>
  /**
   * One sweep: answers for all owners from as few requests as it can. `clusterUid` of the answer is the identity that was
   * read before and after the lists, undefined when it could not be read or was not the expected one; then all owners are
   * `unknown`. Never rejects for a failure of the cluster; rejects only when the signal aborts.
   */
  sweep(queries: readonly OwnerQuery[], memory: ClusterMemory, signal: AbortSignal): Promise<SweepAnswer>
  /**
   * Asks about one owner now, by requests other than the sweep's: the confirmation before a deletion. The memory is the one
   * that the sweep returned.
   */
  confirm(query: OwnerQuery, memory: ClusterMemory, signal: AbortSignal): Promise<OwnerPresence>
}

/** No cluster is configured: nothing is known, so everything is kept. */
export function noCluster(): OwnerLookup {
  const unknown: OwnerPresence = { state: 'unknown', code: 'no-cluster', reason: 'no cluster is configured' }
  return {
    clusterUid: async () => undefined,
    sweep: async (queries, { versions }) => ({
      clusterUid: undefined,
      versions,
      owners: queries.map(() => unknown),
      scopes: [],
    }),
    confirm: async () => unknown,
  }
}
