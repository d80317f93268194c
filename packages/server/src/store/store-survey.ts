/** The third port of a store: how the collector's thread looks at all that there is, beside the store that serves. */
import type { Digest } from '@supercargo/protocol'
import type { ResourceRecord, UploadRecord } from './store.ts'

export interface ListedRecord {
  readonly id: string
  /** Changes with the record and with each noted fetch. Undefined where the store's events tell everything. */
  readonly mark: string | undefined
}

export interface SurveyedRecord {
  readonly record: ResourceRecord
  /** Null: nobody has fetched from it. */
  readonly fetchedAtMs: number | null
}

export interface BlobShard {
  readonly namespace: string
  readonly digests: readonly Digest[]
}

export interface BlobFacts {
  readonly sizeBytes: number
  readonly modifiedMs: number
}

export interface StoreSurvey {
  /**
   * Other processes write the store too: its events tell only what happened here, so every sweep looks at all records anew,
   * and a blob that no record names goes only when a later look agrees (`StoreMaintenance.removeBlobs`).
   */
  readonly shared: boolean
  /** All records. What appears or goes meanwhile may be among them or not. Foreign objects are passed over. */
  records(): AsyncIterable<ListedRecord>
  /** Undefined when it has gone; rejects when it cannot be read. */
  read(id: string): Promise<SurveyedRecord | undefined>
  /** Uploads that are open, by whichever process; empty where events tell everything. */
  uploads(): Promise<ReadonlyMap<string, UploadRecord>>
  /** All blobs, a few at a time. */
  blobs(): AsyncIterable<BlobShard>
  /** Of a blob of the latest shard; undefined when it has gone. */
  blobFacts(namespace: string, digest: Digest): Promise<BlobFacts | undefined>
  /** Names of what no blob, record or upload leads to now, for a store whose leftovers cannot be told from what is being made. */
  strays(): Promise<readonly string[]>
}
