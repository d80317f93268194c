/** Open uploads: created, filled blob by blob, committed or aborted, and taken up again after a restart. */
import { type Digest, emptyDigest, Secret, type StagedFile, SupercargoError } from '@supercargo/protocol'
import { distinctFiles, OpenUpload } from './open-upload.ts'
import { isSameUpload, recordOf, uploadOf } from './restored-upload.ts'
import type { BlobWriter, NewUpload, OpenedUpload, ResourceRecord, Store, UploadRecord } from './store.ts'
import type { ArchivedRecord } from './store-archive.ts'
import { unknownUpload, uploadEnded } from './store-error.ts'
import { checkedOwners, checkFiles, newResourceId, type StoreParts } from './store-parts.ts'
import { incomplete, UploadBlobs } from './upload-blobs.ts'
import { type FoundUpload, makeUploadDirectory, removeUploadDirectory } from './upload-directory.ts'

export class Uploads {
  readonly #parts: StoreParts
  readonly #blobs: UploadBlobs
  readonly #open = new Map<string, OpenUpload>()

  constructor(parts: StoreParts) {
    this.#parts = parts
    this.#blobs = new UploadBlobs(parts)
  }

  get open(): ReadonlyMap<string, OpenUpload> {
    return this.#open
  }

  async create(upload: NewUpload): Promise<OpenedUpload> {
    const { limits, clock, changes } = this.#parts
    checkedOwners(upload.owners)
    checkFiles(upload.files, limits)
    const secret = Secret.mint()
    const id = newResourceId()
    const createdAtMs = clock.now()
    const { owners, files, principal } = upload
    const opened = await changes.run(id, () =>
      this.#create({ version: 1, id, secretHash: secret.hash(), owners, files, createdAtMs, principal }),
    )
    return { id, secret, missing: [...opened.covered], expiresAtMs: createdAtMs + limits.abandonedMs }
  }

  /** As `StoreArchive.restore`. */
  async restore(archived: ArchivedRecord): Promise<readonly Digest[]> {
    const { limits, changes } = this.#parts
    const wanted = uploadOf(archived, limits)
    const { id } = wanted
    return changes.run(id, async () => {
      const begun = this.#open.get(id)
      if (begun !== undefined && isSameUpload(begun.record, wanted)) return [...begun.covered]
      if (begun !== undefined) await this.#end(begun).finally(() => this.#parts.events.emit({ type: 'aborted', id }))
      return [...(await this.#create(wanted)).covered]
    })
  }

  /** Takes up an upload that a restart found. */
  async adopt({ record, parts }: FoundUpload): Promise<void> {
    const { shelf, ledger, isolatedNamespaces, clock } = this.#parts
    const namespace = checkedOwners(record.owners)
    const files = distinctFiles(record.files)
    await shelf.pin(namespace, files.keys())
    const missing = await this.#blobs.lacking(record.id, namespace, files.values())
    const landedBytes = missing.reduce((bytes, digest) => bytes + (parts.get(digest) ?? 0), 0)
    const reservation = ledger.adopt(bytesOf(files, missing), landedBytes, namespace)
    const isolated = isolatedNamespaces.has(namespace)
    const upload = new OpenUpload(record, isolated, reservation, missing, clock.monotonic())
    for (const digest of parts.keys()) upload.begun.add(digest)
    this.#open.set(record.id, upload)
  }

  async progress(id: string, digest: Digest): ReturnType<Store['blobProgress']> {
    const upload = this.#open.get(id)
    const file = upload?.file(digest)
    return upload === undefined || file === undefined ? undefined : this.#blobs.progress(upload, file)
  }

  async writeBlob(id: string, digest: Digest, onInterrupt?: (reason: SupercargoError) => void): Promise<BlobWriter> {
    const upload = this.#open.get(id)
    if (upload === undefined) throw unknownUpload(id)
    const file = upload.file(digest)
    if (file === undefined) {
      throw new SupercargoError('invalid', 'blob-not-named', `the upload ${id} does not name this digest`, {
        hint: 'send the blobs that were answered as missing',
      })
    }
    return this.#blobs.open(upload, file, onInterrupt)
  }

  async commit(id: string): Promise<ResourceRecord> {
    return this.#parts.changes.run(id, async () => {
      const upload = this.#open.get(id)
      if (upload !== undefined) return this.#commit(upload)
      const record = await this.#parts.records.read(id)
      if (record === undefined) throw unknownUpload(id)
      return record
    })
  }

  async abort(id: string): Promise<boolean> {
    return this.#parts.changes.run(id, async () => {
      const upload = this.#open.get(id)
      if (upload === undefined) return false
      try {
        await this.#end(upload)
      } finally {
        this.#parts.events.emit({ type: 'aborted', id })
      }
      return true
    })
  }

  /** Stops all writers; the uploads stay on disk for the next start. */
  async interrupt(error: SupercargoError): Promise<void> {
    for (const upload of this.#open.values()) {
      upload.ended = true
      await Promise.all([...upload.writers.values()].map((writer) => writer.interrupt(error)))
    }
  }

  async #create(record: UploadRecord): Promise<OpenUpload> {
    const { system, layout, ledger, shelf, events, clock, isolatedNamespaces } = this.#parts
    const namespace = checkedOwners(record.owners)
    const files = distinctFiles(record.files)
    const pinned = shelf.pin(namespace, files.keys())
    let upload: OpenUpload | undefined
    try {
      await pinned
      const missing = await this.#blobs.lacking(record.id, namespace, files.values())
      const reservation = await ledger.reserve(bytesOf(files, missing), namespace)
      upload = new OpenUpload(record, isolatedNamespaces.has(namespace), reservation, missing, clock.monotonic())
      await makeUploadDirectory(system, layout, record)
    } catch (error) {
      upload?.reservation.release()
      shelf.unpin(namespace, files.keys())
      await removeUploadDirectory(system, layout, record.id).catch(() => undefined)
      throw error
    }
    this.#open.set(record.id, upload)
    events.emit({ type: 'created', ...upload.summary })
    return upload
  }

  async #commit(upload: OpenUpload): Promise<ResourceRecord> {
    const { shelf, records, events, clock } = this.#parts
    const { id, files } = upload.record
    upload.activeAtMs = clock.monotonic()
    const unsent = upload.isolated ? await this.#blobs.publishDone(upload) : []
    if (unsent.length > 0) throw incomplete(id, unsent)
    if (upload.file(emptyDigest) !== undefined) await this.#blobs.makeEmptyBlob(upload)
    const missing = await shelf.makeDurable(upload.namespace, files)
    for (const digest of missing) upload.received.delete(digest)
    if (missing.length > 0) throw incomplete(id, missing)
    const { record, fetchedAtMs } = recordOf(upload.record, clock.now())
    await records.publish(record, fetchedAtMs)
    // Nothing is awaited between this and the end of the pins: a deletion sees the pins or the event, never neither.
    events.emit({ type: 'committed', id, record })
    // What cannot be deleted now, a sweep or the next start deletes.
    await this.#end(upload).catch(() => undefined)
    return record
  }

  /** Frees everything that the upload holds, at once in memory, then on disk. */
  async #end(upload: OpenUpload): Promise<void> {
    const { id } = upload.record
    upload.ended = true
    this.#open.delete(id)
    upload.reservation.release()
    this.#parts.shelf.unpin(upload.namespace, upload.digests)
    await Promise.all([...upload.writers.values()].map((writer) => writer.interrupt(uploadEnded(id))))
    await removeUploadDirectory(this.#parts.system, this.#parts.layout, id)
  }
}

function bytesOf(files: ReadonlyMap<Digest, StagedFile>, digests: readonly Digest[]): number {
  return digests.reduce((bytes, digest) => bytes + files.get(digest)!.sizeBytes, 0)
}
