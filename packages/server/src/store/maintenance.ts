/** The second port of a store: what the collector may do to it, and nobody else. */
import type { Digest, Owner } from '@supercargo/protocol'

/** An open upload, as a listing shows it. */
export interface UploadSummary {
  readonly id: string
  readonly owners: readonly Owner[]
  readonly files: number
  readonly sizeBytes: number
  readonly createdAtMs: number
  readonly principal?: string | undefined
}

/** What the collector left for the next process, and which one may sweep. */
export interface KeptState {
  /** The cluster that the store is bound to; null while no sweep has met one. */
  readonly clusterUid: string | null
  /** As it was saved; undefined when nothing was. */
  readonly text: string | undefined
  /** The greatest epoch that began. */
  readonly epoch: number
}

/**
 * The collector decides from an index that follows the store's events and is therefore always a little behind. Every
 * deletion carries the sequence number at which the index stood; the store refuses what a later event contradicts. That
 * is no failure: the next sweep decides anew. Every deletion also carries the epoch of its sweeper; the store refuses one
 * that is not the latest with kind `conflict`, code `epoch-passed`, so that a sweeper that was stopped for a while, and
 * does not know yet that another has taken over, deletes nothing.
 */
export interface StoreMaintenance {
  /** The number of the latest event. An index that begins to read the records now knows at least everything up to it. */
  sequence(): number
  /** The index has applied all events up to this one; the store may forget them. */
  acknowledge(sequence: number): void
  /**
   * Deletes blobs that no record names. Kept: those that an open upload or intake names, and those that a commit after
   * `indexSequence` named. A store that others write too only dooms them, and deletes what is doomed with `isSecondLook`: the
   * caller has waited `doomMs` since it heard of that, has looked at all records and uploads after it, and found none.
   */
  removeBlobs(
    namespace: string,
    digests: readonly Digest[],
    indexSequence: number,
    epoch: number,
    isSecondLook?: boolean,
  ): Promise<{ readonly removed: number; readonly freedBytes: number; readonly doomed?: readonly Digest[] }>
  /**
   * Releases a resource for the collector: false when it was fetched, changed or released after `indexSequence`, or does not
   * bear the mark any more that the survey gave it.
   */
  collect(id: string, indexSequence: number, epoch: number, mark?: string): Promise<boolean>
  /** Deletes what the survey found to be strays, twice; resolves to their number. */
  removeObjects(keys: readonly string[], epoch: number): Promise<number>
  /** The uploads that are open now. */
  uploads(): readonly UploadSummary[]
  /** Drops uploads to which nothing has arrived for `limits.abandonedMs` of elapsed time; resolves to their number. */
  sweepAbandoned(): Promise<number>
  /** Deletes what an interrupted operation or a crash left in `incoming/`; resolves to the number of things. Foreign files stay. */
  sweepLeftovers(): Promise<number>
  /** Where the store's own count of bytes stands: taken before a scan of the blobs. */
  usageMark(): number
  /**
   * Replaces the count of bytes by what a scan found, except where something changed since `mark`. False while some of it
   * is not exact yet: a scan in a quieter moment settles it.
   */
  setUsage(namespaces: Readonly<Record<string, number>>, mark: number): boolean
  /** Binds the store to a cluster for good, unless it is bound already; resolves to the uid of the cluster that it is bound to. */
  bindCluster(uid: string): Promise<string>
  /** Begins the turn of a sweeper; kind `conflict`, code `epoch-passed`, when a later one has begun. */
  beginEpoch(epoch: number): Promise<void>
  loadState(): Promise<KeptState>
  /** Replaces what the collector remembers, at once and durably. Refused for an epoch that has passed. */
  saveState(state: Uint8Array, epoch: number): Promise<void>
  /** Writes the count of bytes down, so that the next start knows it. */
  checkpoint(): Promise<void>
}

/** In a store that others write too, a doomed blob waits for this long, longer than a commit trusts its own look. */
export const doomMs = 60_000

/** The store's upkeep from another thread: the same methods, every answer a promise. */
export type RemoteMaintenance = {
  readonly [Method in keyof StoreMaintenance]: (
    ...parameters: Parameters<StoreMaintenance[Method]>
  ) => Promise<Awaited<ReturnType<StoreMaintenance[Method]>>>
}
