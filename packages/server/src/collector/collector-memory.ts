/** What the collector knows beside the records: of the cluster, of owners, and why it stands still. It outlives the process. */
import { type ClusterMemory, noMemory, type SeenVersions } from '@supercargo/kube'
import type { Owner } from '@supercargo/protocol'
import type { KeptState } from '../store/maintenance.ts'
import { decodeState, encodeState, type Pause, type PauseCode, type RememberedResource } from './collector-state.ts'
import type { ResourceIndex } from './resource-index.ts'

/** Objects of one owner that are remembered; those that are there now come last and stay. */
const knownUidsMax = 64
/** What changes with every sweep alone (versions, the clock) is worth a write this often. */
const saveAtLeastMs = 600_000

export class CollectorMemory {
  cluster: ClusterMemory = noMemory
  pause: Pause | null = null
  /** The collector's own clock: the time during which it looked. */
  elapsedMs = 0
  /** Of the sweeper that wrote the memory last. */
  epoch = 0
  nearMisses = 0
  /** Something that must survive is not written yet. */
  changed = false
  readonly #known = new Map<string, readonly string[]>()
  #savedAtMs: number | undefined

  /**
   * Takes up what was kept. Lost or damaged, it makes everything be kept: collection stops until it is released, because the
   * owners that were seen, and their uids, are not known any more.
   */
  load(kept: KeptState, index: ResourceIndex, nowMs: number): void {
    this.cluster = { clusterUid: kept.clusterUid ?? undefined, versions: {} }
    this.#known.clear()
    if (kept.text === undefined) {
      // Without a cluster no owner was ever seen, so nothing is forgotten; in an empty store there is nothing to forget.
      if (kept.clusterUid === null || index.size === 0)
        for (const resource of index.values()) resource.remembered = true
      else this.#lose('there is none', nowMs)
      return
    }
    try {
      const { versions, elapsedMs, epoch, pause, nearMisses, resources, owners } = decodeState(kept.text)
      Object.assign(this, { elapsedMs, epoch, pause, nearMisses })
      this.cluster = { ...this.cluster, versions }
      for (const [key, uids] of owners) this.#known.set(key, uids)
      for (const remembered of resources) recall(index, remembered)
    } catch (error) {
      this.#lose((error as Error).message.split('\n', 1)[0]!, nowMs)
    }
  }

  stop(code: PauseCode, reason: string, nowMs: number): void {
    this.pause = { code, reason, atMs: nowMs }
    this.changed = true
  }

  /** Collection goes on; of versions that went back, the present ones count from here on. */
  release(): void {
    if (this.pause?.code === 'versions-went-back') this.cluster = { ...this.cluster, versions: {} }
    this.pause = null
    this.changed = true
  }

  bindCluster(uid: string): void {
    this.cluster = { ...this.cluster, clusterUid: uid }
  }

  sawVersions(versions: SeenVersions): void {
    this.cluster = { ...this.cluster, versions }
  }

  /** Objects that matched the owner's labels once. */
  knownUids(key: string): readonly string[] | undefined {
    return this.#known.get(key)
  }

  /** Objects that matched labels keep a resource even when they are relabelled. A name or a uid needs no memory. */
  remember(key: string, owner: Owner, uids: readonly string[]): void {
    if (owner.uid !== undefined || Object.keys(owner.labels ?? {}).length === 0) return
    const before = this.#known.get(key) ?? []
    const now = new Set(uids)
    const known = [...before.filter((uid) => !now.has(uid)), ...now].slice(-knownUidsMax)
    if (known.length !== before.length || known.some((uid) => !before.includes(uid))) this.changed = true
    this.#known.set(key, known)
  }

  /** Owners that no resource names any more. */
  forgetOthers(named: ReadonlyMap<string, unknown>): void {
    for (const key of this.#known.keys()) if (!named.has(key)) this.#known.delete(key)
  }

  /** What is to be written now, or undefined when that can wait. Then say `saved`, or `changed` again when that failed. */
  save(index: ResourceIndex, atMs: number): Uint8Array | undefined {
    const due = this.#savedAtMs === undefined || atMs - this.#savedAtMs >= saveAtLeastMs
    if (!due && !this.changed) return undefined
    const { versions } = this.cluster
    const { elapsedMs, epoch, pause, nearMisses } = this
    this.changed = false
    return encodeState({
      ...{ versions, elapsedMs, epoch, pause, nearMisses },
      resources: rememberedOf(index),
      owners: this.#known,
    })
  }

  saved(atMs: number): void {
    this.#savedAtMs = atMs
  }

  #lose(why: string, nowMs: number): void {
    const reason = `the collector's memory is lost (${why}), and with it which owners were seen`
    this.stop('state-lost', reason, nowMs)
  }
}

function recall(index: ResourceIndex, { id, bornMs, remembered, seenAtMs, condemned }: RememberedResource): void {
  const resource = index.get(id)
  if (resource === undefined) return
  resource.remembered = remembered
  resource.bornMs = bornMs
  resource.seenAtMs = seenAtMs
  resource.condemned = condemned
}

function* rememberedOf(index: ResourceIndex): Iterable<RememberedResource> {
  for (const { id, bornMs, remembered, seenAtMs, condemned } of index.values())
    if (bornMs !== undefined) yield { id, bornMs, remembered, seenAtMs, condemned }
}
