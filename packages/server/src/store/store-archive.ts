/** The port through which a store is copied whole: its records as they are kept, and others' records taken in as they were. */
import type { Digest } from '@supercargo/protocol'
import type { ResourceRecord } from './store.ts'

/** A record, and when bytes of its resource were last fetched; null when never. */
export interface ArchivedRecord {
  readonly record: ResourceRecord
  readonly fetchedAtMs: number | null
}

export interface StoreArchive {
  /** The ids of all records, damaged ones among them. */
  ids(): AsyncIterable<string>
  /** Undefined when it has gone. Kind `corrupt` when it is damaged. */
  read(id: string): Promise<ArchivedRecord | undefined>
  /**
   * Opens an upload under the id of a record of another store, or goes on with the one that an earlier call has opened, also
   * before a restart. `Store.writeBlob` then fills it, and `Store.commit` publishes the record exactly as it is given here,
   * with its secret's hash and its times. Resolves to the digests whose bytes the store lacks. An upload that was begun for
   * this id with other contents is dropped first. To be called only while the store has no record of this id.
   */
  restore(archived: ArchivedRecord): Promise<readonly Digest[]>
}
