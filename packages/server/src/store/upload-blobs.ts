/** The blobs of one open upload: which it lacks, how far each has come, and the one writer that each may have. */
import { type Digest, emptyDigest, type StagedFile, SupercargoError } from '@supercargo/protocol'
import { forEachLimited, isErrno } from '@supercargo/transfer'
import { checkedDigest } from './disk-layout.ts'
import { KeyedMutex } from './keyed-mutex.ts'
import type { OpenUpload } from './open-upload.ts'
import { PartWriter } from './part-writer.ts'
import type { BlobWriter } from './store.ts'
import { fromStorageError, superseded, uploadEnded } from './store-error.ts'
import type { StoreParts } from './store-parts.ts'
import { blobTooLong, completeWriter, UploadBlobWriter } from './upload-blob-writer.ts'

/** Blobs published at a time when an isolated namespace is committed. */
const parallelOperations = 8

export class UploadBlobs {
  readonly #parts: StoreParts
  readonly #openings = new KeyedMutex()

  constructor(parts: StoreParts) {
    this.#parts = parts
  }

  /** Digests whose bytes an upload has to send, each once. The store makes the empty blob itself. */
  async lacking(id: string, namespace: string, files: Iterable<StagedFile>): Promise<Digest[]> {
    const { shelf, isolatedNamespaces } = this.#parts
    if (!isolatedNamespaces.has(namespace))
      return (await shelf.missing(namespace, files)).filter((digest) => digest !== emptyDigest)
    const lacking: Digest[] = []
    for (const file of files) if (file.sizeBytes > 0 && !(await this.#isDone(id, file))) lacking.push(file.digest)
    return lacking
  }

  /** An older writer ends first: only then the offset is one that stays true. */
  async progress(
    upload: OpenUpload,
    file: StagedFile,
  ): Promise<{ offset: number; complete: boolean; sizeBytes: number }> {
    const { sizeBytes } = file
    return this.#openings.run(keyOf(upload, file), async () => {
      await upload.writers.get(file.digest)?.giveWay(superseded(file.digest))
      if (await this.#isComplete(upload, file)) return { offset: sizeBytes, complete: true, sizeBytes }
      return { offset: Math.min(sizeBytes, await this.#partBytes(upload, file)), complete: false, sizeBytes }
    })
  }

  /** Opens a blob for writing. An older writer of it ends first, so that two never mix their bytes. */
  open(upload: OpenUpload, file: StagedFile, onInterrupt?: (reason: SupercargoError) => void): Promise<BlobWriter> {
    const { id } = upload.record
    return this.#openings.run(keyOf(upload, file), async () => {
      await upload.writers.get(file.digest)?.giveWay(superseded(file.digest))
      if (upload.ended) throw uploadEnded(id)
      if (await this.#isComplete(upload, file)) return completeWriter(file)
      await this.#cover(upload, file)
      const part = await this.#openPart(upload, file)
      const publish = () => this.#publish(upload, file)
      const now = () => this.#parts.clock.monotonic()
      const writer = new UploadBlobWriter({ upload, file, part, publish, now, onInterrupt })
      if (upload.ended) throw uploadEnded(id)
      upload.writers.set(file.digest, writer)
      upload.activeAtMs = this.#parts.clock.monotonic()
      return writer
    })
  }

  /** In an isolated namespace: publishes what the upload itself has sent; resolves to the digests that it has not sent. */
  async publishDone(upload: OpenUpload): Promise<Digest[]> {
    const { layout } = this.#parts
    const { id } = upload.record
    const lacking = (await this.lacking(id, upload.namespace, upload.files)).filter(
      (digest) => !upload.received.has(digest),
    )
    if (lacking.length > 0) return lacking
    await forEachLimited(upload.files, parallelOperations, async (file) => {
      if (file.sizeBytes === 0 || upload.received.has(file.digest)) return
      await this.#publishPart(upload, file, layout.done(id, file.digest))
      upload.received.add(file.digest)
    })
    return []
  }

  async makeEmptyBlob(upload: OpenUpload): Promise<void> {
    const { system, budget, layout, shelf } = this.#parts
    if (await shelf.has(upload.namespace, emptyDigest, 0)) return
    const path = layout.part(upload.record.id, emptyDigest)
    const part = PartWriter.begin({
      system,
      budget,
      path,
      bytesMax: 0,
      tooLarge: () => uploadEnded(upload.record.id),
      landed: () => undefined,
    })
    try {
      await part.finish(() => undefined)
      await shelf.publish(path, upload.namespace, emptyDigest, 0)
    } catch (error) {
      await part.discard().catch(() => undefined)
      throw error
    }
  }

  async #publish(upload: OpenUpload, file: StagedFile): Promise<void> {
    const { system, layout } = this.#parts
    const { id } = upload.record
    if (upload.ended) throw uploadEnded(id)
    const part = layout.part(id, file.digest)
    if (upload.isolated) await system.rename(part, layout.done(id, file.digest))
    else await this.#publishPart(upload, file, part)
  }

  async #publishPart(upload: OpenUpload, file: StagedFile, part: string): Promise<void> {
    const { shelf, ledger } = this.#parts
    await ledger.changing(upload.namespace, async () => {
      const addedBytes = await shelf.publish(part, upload.namespace, file.digest, file.sizeBytes)
      upload.reservation.spend(file.sizeBytes, addedBytes)
    })
    upload.covered.delete(file.digest)
  }

  async #isComplete(upload: OpenUpload, file: StagedFile): Promise<boolean> {
    if (file.sizeBytes === 0 || upload.received.has(file.digest)) return true
    if (upload.isolated) return this.#isDone(upload.record.id, file)
    return this.#parts.shelf.has(upload.namespace, file.digest, file.sizeBytes)
  }

  async #isDone(id: string, file: StagedFile): Promise<boolean> {
    return (await this.#sizeOf(this.#parts.layout.done(id, file.digest))) === file.sizeBytes
  }

  /** A blob that was there and has gone needs space again. */
  async #cover(upload: OpenUpload, file: StagedFile): Promise<void> {
    if (upload.covered.has(file.digest)) return
    await upload.reservation.add(file.sizeBytes)
    upload.covered.add(file.digest)
  }

  async #openPart(upload: OpenUpload, file: StagedFile): Promise<PartWriter> {
    const { system, budget, layout } = this.#parts
    const path = layout.part(upload.record.id, file.digest)
    const { landed } = upload.reservation
    const options = { system, budget, path, bytesMax: file.sizeBytes, tooLarge: () => blobTooLong(file), landed }
    const prefixBytes = await this.#partBytes(upload, file)
    upload.begun.add(file.digest)
    if (prefixBytes === 0) return PartWriter.begin(options)
    let failure: unknown
    try {
      if (prefixBytes <= file.sizeBytes) return await PartWriter.resume(options, prefixBytes)
    } catch (error) {
      failure = error
    }
    // What cannot be read back or is too long cannot be continued.
    await system.unlink(path)
    landed(-prefixBytes)
    if (failure !== undefined) throw fromStorageError(failure, `cannot continue ${file.digest}`)
    return PartWriter.begin(options)
  }

  async #partBytes(upload: OpenUpload, file: StagedFile): Promise<number> {
    if (!upload.begun.has(file.digest)) return 0
    return (await this.#sizeOf(this.#parts.layout.part(upload.record.id, file.digest))) ?? 0
  }

  async #sizeOf(path: string): Promise<number | undefined> {
    try {
      return (await this.#parts.system.stat(path)).sizeBytes
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return undefined
      throw error
    }
  }
}

function keyOf(upload: OpenUpload, file: StagedFile): string {
  return `${upload.record.id} ${checkedDigest(file.digest)}`
}

export function incomplete(id: string, missing: readonly Digest[]): SupercargoError {
  return new SupercargoError(
    'conflict',
    'incomplete',
    `${missing.length} ${missing.length === 1 ? 'blob is' : 'blobs are'} missing of the upload ${id}`,
    {
      hint: 'send them, then commit again',
      context: { missing },
    },
  )
}
