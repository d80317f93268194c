/** The port behind every door: what a store promises to the HTTP edge and to the collector. */
import type { Digest, Owner, Secret, StagedFile, SupercargoError } from '@supercargo/protocol'

/** A committed resource, as it is kept. Instants are milliseconds since 1970 UTC. */
export interface ResourceRecord {
  readonly version: 1
  readonly id: string
  /** `sha256:<hex>` of the secret; the secret itself is kept nowhere. */
  readonly secretHash: string
  /** All in one namespace. */
  readonly owners: readonly Owner[]
  readonly files: readonly StagedFile[]
  readonly door: Door
  readonly createdAtMs: number
  readonly committedAtMs: number
  readonly capabilities: readonly CapabilityRecord[]
  /** Who staged it, as the cluster calls them; absent where nobody was asked. */
  readonly principal?: string | undefined
  /**
   * Nobody knows who uses it, so nobody's absence is asked for: it goes when it was not fetched for this long. Absent where
   * its owners are known.
   */
  readonly maxAgeMs?: number
}

/**
 * Which door it came through: a `v0` resource is one opaque file that only the v0 GET and the v1 file route return; one of
 * `webhdfs` is one file that has a name in a tree.
 */
export type Door = 'v0' | 'v1' | 'webhdfs'

/** What a record says beside owners and files. */
export type CommitNotes = Pick<ResourceRecord, 'principal' | 'maxAgeMs'>

export interface CapabilityRecord {
  readonly name: string
  readonly hash: string
  /** Null: as long as the resource. */
  readonly expiresAtMs: number | null
}

/** The one file of a v0 resource. */
export const v0FilePath = 'resources.data'

/** An upload that is not committed: invisible to every reader, kept across a restart until it is abandoned. */
export interface UploadRecord {
  readonly version: 1
  readonly id: string
  readonly secretHash: string
  readonly owners: readonly Owner[]
  readonly files: readonly StagedFile[]
  readonly createdAtMs: number
  readonly principal?: string | undefined
  /** Of a record that comes from another store: what its commit is to say instead of what is so now. */
  readonly restores?: RestoredFacts | undefined
}

export interface RestoredFacts extends Pick<ResourceRecord, 'door' | 'committedAtMs' | 'capabilities' | 'maxAgeMs'> {
  readonly fetchedAtMs: number | null
}

export interface NewUpload {
  readonly owners: readonly Owner[]
  readonly files: readonly StagedFile[]
  readonly principal?: string | undefined
}

export interface OpenedUpload {
  readonly id: string
  readonly secret: Secret
  /** Digests whose bytes the namespace does not hold, each once, in the order of the files. */
  readonly missing: readonly Digest[]
  /** When it counts as abandoned if nothing more arrives. */
  readonly expiresAtMs: number
}

/**
 * A blob being written. Invisible to every reader until `commit` resolves. One writer at a time for a digest of an upload:
 * a newer one takes over; the older one keeps what it took, and its next call rejects with kind `interrupted`.
 */
export interface BlobWriter {
  /** Bytes held already: where the next byte goes. 0 unless an earlier writer was suspended. */
  readonly offset: number
  /**
   * Takes the next bytes. Undefined means that more may come at once; a promise means wait. Rejects with kind `exhausted`
   * when space is gone, `tooLarge` past the declared size or a limit. The chunk must not be changed afterwards.
   */
  write(chunk: Uint8Array): Promise<void> | undefined
  /** Makes the bytes durable under their digest. If it rejects, they are absent or complete, never partial. */
  commit(): Promise<{ readonly digest: Digest; readonly sizeBytes: number }>
  /** Keeps the bytes so far, durably, for a later writer; resolves to their number. Only for a blob with a declared digest. */
  suspend(): Promise<number>
  /**
   * Drops everything and frees the space (of an open upload: for its next attempt). Idempotent; safe after a failed
   * `commit`, nothing after a successful one.
   */
  abort(): Promise<void>
}

/**
 * A resource that arrives in one request, whose files, digests, and even owner are found out on the way (v0, multipart,
 * tar). Nothing of it survives a restart.
 */
export interface Intake {
  readonly id: string
  readonly secret: Secret
  /** Names the namespace as soon as it is known, so that its quota counts; before that only the total does. */
  bindNamespace(namespace: string): void
  /** Opens the next file. The size may be unknown: then space is reserved in steps as bytes come. */
  file(path: string, sizeBytes: number | undefined): Promise<BlobWriter>
  /** The commit of the whole: one rename of the record. */
  commit(owners: readonly Owner[], door: Door, notes?: CommitNotes): Promise<ResourceRecord>
  abort(): Promise<void>
}

/** Bytes of a blob. Once opened, a read survives the deletion of the resource. */
export interface BlobReader {
  readonly digest: Digest
  readonly sizeBytes: number
  /** Where a file server that shares the store's blobs finds it among them; undefined where blobs are not files. */
  readonly name?: string | undefined
  /** Reads into `buffer` from `position`; resolves to the bytes read, fewer than asked only at the end. Kind `corrupt` when the blob is shorter than its record says. */
  read(buffer: Uint8Array, position: number): Promise<number>
  close(): Promise<void>
}

/**
 * The laws (DESIGN §4), each a test by name in `testing/store-contract.ts`:
 * 1. A resource is visible if and only if all its bytes and its record are durable.
 * 2. Bytes fetched equal bytes staged, or the fetch fails.
 * 3. A restart or SIGKILL at any instant loses only what was never acknowledged, and leaves nothing that a sweep does not remove.
 * 4. Memory is bounded by transfers × buffer, whatever the size of a file.
 * 5. A read that began survives deletion.
 * 6. Space is reserved before the first byte, and freed on abort.
 * 7. Client strings never become paths unchecked.
 *
 * Ids, namespaces and digests that come in are checked by the caller's schema and checked again here.
 */
export interface Store {
  /**
   * Opens an upload and reserves the bytes that are missing. Blobs that it names and that exist are pinned: they are not
   * deleted while it is open. Durable when it resolves. Kinds: `tooLarge` (a limit of one resource), `exhausted` (quota, disk).
   */
  create(upload: NewUpload): Promise<OpenedUpload>
  /** The open upload, or undefined. */
  upload(id: string): Promise<UploadRecord | undefined>
  /**
   * What of a blob an upload holds: `complete` counts blobs of the namespace too. Undefined when the upload does not name it.
   * Whoever is writing the blob ends first, so that the offset is durable and is where the next writer begins.
   */
  blobProgress(
    id: string,
    digest: Digest,
  ): Promise<{ readonly offset: number; readonly complete: boolean; readonly sizeBytes: number } | undefined>
  /**
   * Opens a blob of an upload for writing, after what an earlier writer left. Kind `invalid` when the upload does not name it.
   * `onInterrupt` is told at once, with the reason, when the writer is ended by somebody else; it must not throw.
   */
  writeBlob(id: string, digest: Digest, onInterrupt?: (reason: SupercargoError) => void): Promise<BlobWriter>
  /** Commits the upload. Kind `conflict`, code `incomplete`, context `missing` when blobs are not there (any more). Repeated, it answers the same. */
  commit(id: string): Promise<ResourceRecord>
  /** Drops an open upload. Idempotent. */
  abort(id: string): Promise<void>
  /** Begins a resource that arrives in one request; `expectedBytes` is reserved at once when known. */
  intake(expectedBytes: number | undefined): Promise<Intake>

  /** The record of a committed resource, or undefined. */
  read(id: string): Promise<ResourceRecord | undefined>
  /** Replaces owners (same namespace), their `maxAgeMs`, or capabilities of a record, atomically. Undefined when it is gone. */
  update(id: string, change: (record: ResourceRecord) => ResourceRecord): Promise<ResourceRecord | undefined>
  /** Opens a file's bytes; `range` says which of them will be read. Kind `corrupt` when the blob is not there or has another size than its record says. */
  open(
    record: ResourceRecord,
    file: StagedFile,
    range?: { readonly start: number; readonly end: number },
  ): Promise<BlobReader>
  /**
   * An address by which anybody may read the file for so many seconds, where the store can give such a right away; undefined
   * for a file that has none. It is a secret.
   */
  locate?(record: ResourceRecord, file: StagedFile, seconds: number): Promise<URL | undefined>
  /** Notes that bytes of the resource were fetched: the first-use clock starts anew. Cheap; throttled by the store. */
  touch(id: string): Promise<void>
  /** Deletes the record; false when there was none. Its blobs go when nothing else names them. */
  release(id: string): Promise<boolean>

  /** Proves that the store takes writes: creates, fsyncs and removes a small file. Kind `unavailable` or `exhausted` when not. */
  probe(): Promise<void>
  usage(): {
    readonly bytes: number
    readonly reservedBytes: number
    readonly openUploads: number
    readonly namespaces: Readonly<Record<string, number>>
  }
  /** How often requests to what the store stands on failed since the start, by code; absent where it stands on nothing. */
  failures?(): ReadonlyMap<string, number>
  close(): Promise<void>
}

/** Named limits of a store. 0 means none. */
export interface StoreLimits {
  readonly fileBytesMax: number
  readonly resourceBytesMax: number
  readonly filesPerResourceMax: number
  readonly namespaceBytesMax: number
  readonly storeBytesMax: number
  /** Free bytes of the file system that are never given away. */
  readonly freeBytesMin: number
  /** An upload to which nothing arrives for this long is dropped. */
  readonly abandonedMs: number
  /** Bytes of all uploads together that wait in memory for the disk. */
  readonly uploadBufferBytesMax: number
}
