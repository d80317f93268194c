/** An owner lookup that answers as a test says, and remembers what it was asked. */
import type { ClusterMemory, OwnerLookup, OwnerPresence, OwnerQuery, SweepAnswer } from '@supercargo/kube'

export class ScriptedLookup implements OwnerLookup {
  /** Undefined: the cluster does not say which one it is. */
  uid: string | undefined = 'cluster-1'
  /** By the name of the owner; the others are absent. */
  readonly inSweep = new Map<string, OwnerPresence>()
  /** By the name of the owner; without an entry, as in the sweep. */
  readonly inConfirmation = new Map<string, OwnerPresence>()
  /** Runs before a confirmation is answered. */
  beforeConfirmation: () => Promise<void> = async () => undefined
  readonly sweeps: (readonly OwnerQuery[])[] = []
  readonly confirmations: OwnerQuery[] = []
  failure: Error | undefined

  async clusterUid(): Promise<string | undefined> {
    return this.uid
  }

  async sweep(queries: readonly OwnerQuery[], memory: ClusterMemory): Promise<SweepAnswer> {
    this.sweeps.push(queries)
    if (this.failure !== undefined) throw this.failure
    return {
      clusterUid: this.uid,
      versions: memory.versions,
      scopes: [],
      owners: queries.map((query) => this.#answer(query)),
    }
  }

  async confirm(query: OwnerQuery): Promise<OwnerPresence> {
    this.confirmations.push(query)
    await this.beforeConfirmation()
    return this.inConfirmation.get(query.owner.name ?? '') ?? this.#answer(query)
  }

  #answer(query: OwnerQuery): OwnerPresence {
    return this.inSweep.get(query.owner.name ?? '') ?? { state: 'absent', evidence: 'a complete list without it' }
  }
}

export const present: OwnerPresence = { state: 'present', uids: ['uid-1'], evidence: 'listed' }
export const unknown: OwnerPresence = { state: 'unknown', code: 'forbidden', reason: 'the list was answered with 403' }
