/** The port that answers one question about the cluster: is this owner still there? */
import type { Owner } from '@supercargo/protocol'

/**
 * `present` and `absent` are evidence; everything else is `unknown` with the reason. Absence is only ever concluded from a
 * complete, well-formed list; an error, a time-out, a 403 or a cut answer is `unknown`, and unknown means keep.
 */
export type OwnerPresence =
  | { readonly state: 'present'; readonly uids: readonly string[]; readonly evidence: string }
  | { readonly state: 'absent'; readonly evidence: string }
  | { readonly state: 'unknown'; readonly reason: string }

export interface OwnerLookup {
  /** The cluster's identity (uid of its `kube-system` namespace), or undefined when there is none or it does not answer. */
  clusterUid(signal: AbortSignal): Promise<string | undefined>
  /**
   * One sweep: answers for all owners from as few requests as it can, each owner in the order given. Never rejects for a
   * failure of the cluster: that is `unknown` for the owners concerned.
   */
  sweep(owners: readonly Owner[], signal: AbortSignal): Promise<readonly OwnerPresence[]>
  /** Asks about one owner by a request of its own, different from the sweep's: the confirmation before a deletion. */
  confirm(owner: Owner, signal: AbortSignal): Promise<OwnerPresence>
}

/** No cluster is configured: nothing is known, so everything is kept. */
export function noCluster(): OwnerLookup {
  const unknown: OwnerPresence = { state: 'unknown', reason: 'no cluster is configured' }
  return {
    clusterUid: async () => undefined,
    sweep: async (owners) => owners.map(() => unknown),
    confirm: async () => unknown,
  }
}
