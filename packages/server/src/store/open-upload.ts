/** One open upload in memory: what it still lacks, who is writing, what is promised to it. */
import { type Digest, namespaceOf, type StagedFile, type SupercargoError } from '@supercargo/protocol'
import type { UploadSummary } from './maintenance.ts'
import type { Reservation } from './space-ledger.ts'
import type { UploadRecord } from './store.ts'

/** A writer as the upload sees it: somebody who can be told to stop. */
export interface Interruptible {
  /** Resolves when it writes nothing any more. */
  interrupt(error: SupercargoError): Promise<void>
  /** Another transfer of the blob takes over: as `interrupt`, with all that came made durable. */
  giveWay(error: SupercargoError): Promise<void>
}

export class OpenUpload {
  readonly record: UploadRecord
  readonly namespace: string
  readonly isolated: boolean
  readonly reservation: Reservation
  /** The writer of a digest, at most one. */
  readonly writers = new Map<Digest, Interruptible>()
  /** Digests whose bytes the reservation covers: they were missing and have not come yet. */
  readonly covered: Set<Digest>
  /** Digests of which there may be a part on disk. */
  readonly begun = new Set<Digest>()
  /** In an isolated namespace: digests whose bytes this upload itself has put into the namespace. */
  readonly received = new Set<Digest>()
  /** Elapsed time at which something last arrived. */
  activeAtMs: number
  /** Set when it is committed or aborted; nothing is written for it any more. */
  ended = false
  readonly #files: ReadonlyMap<Digest, StagedFile>

  constructor(
    record: UploadRecord,
    isolated: boolean,
    reservation: Reservation,
    covered: Iterable<Digest>,
    activeAtMs: number,
  ) {
    this.record = record
    this.namespace = namespaceOf(record.owners)
    this.isolated = isolated
    this.reservation = reservation
    this.covered = new Set(covered)
    this.activeAtMs = activeAtMs
    this.#files = distinctFiles(record.files)
  }

  /** One file of each digest that the upload names. */
  get files(): Iterable<StagedFile> {
    return this.#files.values()
  }

  get digests(): Iterable<Digest> {
    return this.#files.keys()
  }

  get summary(): UploadSummary {
    const { id, owners, files, createdAtMs, principal } = this.record
    return {
      id,
      owners,
      files: files.length,
      sizeBytes: files.reduce((bytes, file) => bytes + file.sizeBytes, 0),
      createdAtMs,
      principal,
    }
  }

  file(digest: Digest): StagedFile | undefined {
    return this.#files.get(digest)
  }
}

/** One file of each digest, in the order in which the digests first occur. */
export function distinctFiles(files: Iterable<StagedFile>): Map<Digest, StagedFile> {
  const distinct = new Map<Digest, StagedFile>()
  for (const file of files) if (!distinct.has(file.digest)) distinct.set(file.digest, file)
  return distinct
}
