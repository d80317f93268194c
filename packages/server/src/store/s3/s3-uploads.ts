/** Open uploads in a bucket: whichever replica is asked finds them there; who writes one blob here is known here alone. */
import { type Digest, emptyDigest, namespaceOf, Secret, type StagedFile, SupercargoError } from '@supercargo/protocol'
import { forEachLimited } from '@supercargo/transfer'
import { isId } from '../disk-layout.ts'
import { KeyedMutex } from '../keyed-mutex.ts'
import { distinctFiles, OpenUpload } from '../open-upload.ts'
import { parseUpload } from '../record-file.ts'
import { isSameUpload, recordOf, uploadOf } from '../restored-upload.ts'
import type { BlobWriter, NewUpload, OpenedUpload, ResourceRecord, Store, UploadRecord } from '../store.ts'
import type { ArchivedRecord } from '../store-archive.ts'
import { superseded, unknownUpload, uploadEnded } from '../store-error.ts'
import { checkedOwners, checkFiles, newResourceId } from '../store-parts.ts'
import { blobTooLong, completeWriter, UploadBlobWriter } from '../upload-blob-writer.ts'
import { incomplete } from '../upload-blobs.ts'
import { trustMs } from './s3-links.ts'
import { S3Part } from './s3-part.ts'
import type { S3StoreParts } from './s3-store-parts.ts'
import { keptBytes, ProgressKeeper, parseProgress, readProgress, type UploadProgress } from './upload-progress.ts'

/** Who writes a blob asks for its upload again after this long: what another replica did is known by then. */
const knownMs = 2000
const parallelOperations = 8

/** An upload as this process knows it. */
interface KnownUpload {
  readonly open: OpenUpload
  /** Bytes that are on their way here. */
  readonly parts: Map<Digest, S3Part>
  seenAtMs: number
}

export class S3Uploads {
  readonly #parts: S3StoreParts
  readonly #known = new Map<string, KnownUpload>()
  readonly #openings = new KeyedMutex()

  constructor(parts: S3StoreParts) {
    this.#parts = parts
  }

  /** Those that this process knows. */
  get open(): readonly OpenUpload[] {
    return [...this.#known.values()].map(({ open }) => open)
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
    const { limits, changes, events } = this.#parts
    const wanted = uploadOf(archived, limits)
    const { id } = wanted
    return changes.run(id, async () => {
      const begun = await this.#find(id)
      if (begun !== undefined && isSameUpload(begun.open.record, wanted))
        return this.#lacking(begun.open.namespace, distinctFiles(wanted.files))
      if (begun !== undefined) await this.#end(begun).finally(() => events.emit({ type: 'aborted', id }))
      return [...(await this.#create(wanted)).covered]
    })
  }

  async find(id: string): Promise<UploadRecord | undefined> {
    return (await this.#find(id))?.open.record
  }

  /** Takes up what was open before this process: its space is promised. */
  async adopt(id: string): Promise<void> {
    const { objects, layout, records } = this.#parts
    const text = (await objects.readText(layout.uploadRecord(id)))?.text
    if (text === undefined || (await records.has(id))) return
    const record = parseUpload(id, text)
    this.#adopt(record, await this.#lacking(namespaceOf(record.owners), distinctFiles(record.files)))
  }

  async progress(id: string, digest: Digest): ReturnType<Store['blobProgress']> {
    const { open } = (await this.#lookUp(id)) ?? {}
    const file = open?.file(digest)
    if (open === undefined || file === undefined) return undefined
    const { sizeBytes } = file
    return this.#openings.run(`${id} ${digest}`, async () => {
      await open.writers.get(digest)?.giveWay(superseded(digest))
      const [progress, isShared] = await Promise.all([this.#readProgress(id, digest), this.#isShared(open, file)])
      if (isShared || progress?.done === true) return { offset: sizeBytes, complete: true, sizeBytes }
      const offset = progress === undefined ? 0 : Math.min(sizeBytes, keptBytes(progress))
      return { offset, complete: false, sizeBytes }
    })
  }

  async writeBlob(id: string, digest: Digest, onInterrupt?: (reason: SupercargoError) => void): Promise<BlobWriter> {
    const known = await this.#lookUp(id)
    if (known === undefined) throw unknownUpload(id)
    const { open } = known
    const file = open.file(digest)
    if (file === undefined) {
      throw new SupercargoError('invalid', 'blob-not-named', `the upload ${id} does not name this digest`, {
        hint: 'send the blobs that were answered as missing',
      })
    }
    return this.#openings.run(`${id} ${digest}`, async () => {
      await open.writers.get(digest)?.giveWay(superseded(digest))
      if (open.ended) throw uploadEnded(id)
      const now = () => this.#parts.clock.monotonic()
      const [{ keeper, progress }, isShared] = await Promise.all([
        ProgressKeeper.open(this.#parts, id, digest, now),
        this.#isShared(open, file),
      ])
      if (isShared || progress?.done === true) return completeWriter(file)
      await this.#cover(open, file)
      const part = await this.#openPart(file, keeper, progress)
      known.parts.set(digest, part)
      const publish = () => this.#publish(known, file, part, keeper)
      const writer = new UploadBlobWriter({ upload: open, file, part, publish, now, onInterrupt })
      if (open.ended) throw uploadEnded(id)
      open.writers.set(digest, writer)
      open.activeAtMs = now()
      return writer
    })
  }

  async commit(id: string): Promise<ResourceRecord> {
    return this.#parts.changes.run(id, async () => {
      const known = await this.#find(id)
      if (known !== undefined) return this.#commit(known)
      const record = await this.#parts.records.read(id)
      if (record === undefined) throw unknownUpload(id)
      return record
    })
  }

  async abort(id: string): Promise<boolean> {
    return this.#parts.changes.run(id, async () => {
      const known = await this.#find(id)
      if (known === undefined) return false
      try {
        await this.#end(known)
      } finally {
        this.#parts.events.emit({ type: 'aborted', id })
      }
      return true
    })
  }

  /** Keeps what all writers have, and stops them: the next process goes on. */
  async giveWay(reason: SupercargoError): Promise<void> {
    for (const { open } of this.#known.values()) {
      open.ended = true
      await Promise.all([...open.writers.values()].map((writer) => writer.giveWay(reason)))
    }
  }

  /** Attempts to write objects in parts that open uploads go on with, whichever replica began them. */
  async attempts(): Promise<Set<string>> {
    const { objects, layout } = this.#parts
    const attempts = new Set<string>()
    for (const { parts } of this.#known.values())
      for (const { attempt } of parts.values()) if (attempt !== undefined) attempts.add(attempt)
    for await (const { key } of objects.list(layout.uploads)) {
      const id = layout.uploadId(key)
      if (id === undefined || !key.endsWith('.json') || key === layout.uploadRecord(id)) continue
      const attempt = (await readProgress(objects, key))?.attempt
      if (attempt != null) attempts.add(attempt)
    }
    return attempts
  }

  /** Removes all that is kept of an upload, its record last: while that is there, a failed removal is found again. */
  async clear(id: string): Promise<number> {
    const { objects, layout } = this.#parts
    const record = layout.uploadRecord(id)
    let removed = 0
    for await (const { key } of objects.list(layout.upload(id))) {
      if (key === record) continue
      if (key.endsWith('.json')) await this.#dropProgress(key)
      await objects.remove(key)
      removed++
    }
    await objects.remove(record)
    return removed
  }

  /** Of an unfinished blob. The bytes of a finished one may be linked already; when they are not, a sweep finds them by that. */
  async #dropProgress(key: string): Promise<void> {
    const { objects } = this.#parts
    const text = (await objects.readText(key))?.text
    if (text === undefined) return
    let progress: UploadProgress
    try {
      progress = parseProgress(text)
    } catch {
      // What it was of cannot be known; a sweep finds the bytes by their age.
      return
    }
    if (progress.attempt !== null) await objects.abortParts(progress.at, progress.attempt)
  }

  async #create(record: UploadRecord): Promise<OpenUpload> {
    const { objects, layout, ledger, events, clock, isolatedNamespaces } = this.#parts
    const namespace = checkedOwners(record.owners)
    const missing = await this.#lacking(namespace, distinctFiles(record.files))
    const reservation = await ledger.reserve(bytesOf(record.files, missing), namespace)
    const open = new OpenUpload(record, isolatedNamespaces.has(namespace), reservation, missing, clock.monotonic())
    try {
      await objects.write(layout.uploadRecord(record.id), JSON.stringify(record))
    } catch (error) {
      reservation.release()
      await objects.remove(layout.uploadRecord(record.id)).catch(() => undefined)
      throw error
    }
    this.#known.set(record.id, { open, parts: new Map(), seenAtMs: clock.monotonic() })
    events.emit({ type: 'created', ...open.summary })
    return open
  }

  /** Digests whose bytes an upload has to send, each once. */
  async #lacking(namespace: string, files: ReadonlyMap<Digest, StagedFile>): Promise<Digest[]> {
    const { links, isolatedNamespaces } = this.#parts
    if (isolatedNamespaces.has(namespace)) return [...files.keys()].filter((digest) => digest !== emptyDigest)
    return links.missing(namespace, files.values())
  }

  /** What was seen a moment ago, else as it is in the bucket. */
  async #lookUp(id: string): Promise<KnownUpload | undefined> {
    const known = this.#known.get(id)
    if (known !== undefined && this.#parts.clock.monotonic() - known.seenAtMs < knownMs) return known
    return this.#find(id)
  }

  /** As it is in the bucket. One whose record is there was committed, whatever is left of it. */
  async #find(id: string): Promise<KnownUpload | undefined> {
    const { objects, layout, records, clock } = this.#parts
    if (!isId(id)) return undefined
    const found = await objects.readText(layout.uploadRecord(id))
    const isOpen = found !== undefined && !(await records.has(id))
    const known = this.#known.get(id)
    if (!isOpen) {
      if (known !== undefined) await this.#forget(known)
      return undefined
    }
    if (known !== undefined) {
      known.seenAtMs = clock.monotonic()
      return known
    }
    // Another replica made it and promised its space; here space is promised blob by blob.
    return this.#adopt(parseUpload(id, found.text), [])
  }

  #adopt(record: UploadRecord, missing: readonly Digest[]): KnownUpload {
    const { ledger, isolatedNamespaces, clock } = this.#parts
    const namespace = namespaceOf(record.owners)
    const reservation = ledger.adopt(bytesOf(record.files, missing), 0, namespace)
    const now = clock.monotonic()
    const open = new OpenUpload(record, isolatedNamespaces.has(namespace), reservation, missing, now)
    const known: KnownUpload = { open, parts: new Map(), seenAtMs: now }
    this.#known.set(record.id, known)
    return known
  }

  async #readProgress(id: string, digest: Digest): Promise<UploadProgress | undefined> {
    return readProgress(this.#parts.objects, this.#parts.layout.progress(id, digest))
  }

  /** Whether nothing of it is to be sent, because the namespace has it or there is nothing of it. */
  async #isShared(open: OpenUpload, file: StagedFile): Promise<boolean> {
    if (file.sizeBytes === 0 || open.received.has(file.digest)) return true
    if (open.isolated) return false
    return this.#parts.links.has(open.namespace, file.digest, file.sizeBytes)
  }

  /** A blob that was there and has gone needs space again. */
  async #cover(open: OpenUpload, file: StagedFile): Promise<void> {
    if (open.covered.has(file.digest)) return
    await open.reservation.add(file.sizeBytes)
    open.covered.add(file.digest)
  }

  async #openPart(file: StagedFile, keeper: ProgressKeeper, progress: UploadProgress | undefined): Promise<S3Part> {
    const { objects, budget, layout } = this.#parts
    const { sizeBytes } = file
    const at = layout.bytes(newResourceId())
    const options = { objects, budget, at, bytesMax: sizeBytes, sizeBytes, tooLarge: () => blobTooLong(file), keeper }
    if (progress === undefined) return S3Part.begin(options)
    try {
      if (keptBytes(progress) <= sizeBytes) return await S3Part.resume(options, progress)
    } catch (error) {
      if (!SupercargoError.is(error) || error.kind !== 'corrupt') throw error
      await keeper.drop()
      throw error
    }
    await keeper.drop()
    return S3Part.begin(options)
  }

  async #publish(known: KnownUpload, file: StagedFile, part: S3Part, keeper: ProgressKeeper): Promise<void> {
    const { open } = known
    if (open.ended) throw uploadEnded(open.record.id)
    const { at } = part
    part.letGo()
    if (open.isolated) await keeper.save({ at, attempt: null, etags: [], partsBytes: file.sizeBytes, tail: null }, true)
    else {
      await this.#link(open, file, at)
      // What stays when this fails goes with the upload.
      await keeper.drop().catch(() => undefined)
    }
    known.parts.delete(file.digest)
  }

  async #link(open: OpenUpload, file: StagedFile, at: string): Promise<void> {
    const { links, ledger } = this.#parts
    await ledger.changing(open.namespace, async () => {
      const addedBytes = await links.put(open.namespace, file.digest, at, file.sizeBytes)
      open.reservation.spend(file.sizeBytes, addedBytes)
    })
    open.covered.delete(file.digest)
  }

  async #commit(known: KnownUpload): Promise<ResourceRecord> {
    const { records, events, clock } = this.#parts
    const { open } = known
    const { id } = open.record
    open.activeAtMs = clock.monotonic()
    if (open.isolated) await this.#linkDone(open)
    const lookedAtMs = clock.monotonic()
    await this.#assertComplete(open)
    const { record, fetchedAtMs } = recordOf(open.record, clock.now())
    const published = await records.publish(record, fetchedAtMs)
    if (clock.monotonic() - lookedAtMs > trustMs) {
      // Nobody has heard of it yet: without its blobs it never was.
      await this.#assertComplete(open).catch(async (error: unknown) => {
        await records.remove(id)
        throw error
      })
    }
    events.emit({ type: 'committed', id, record: published })
    // What cannot be deleted, a sweep deletes.
    await this.#end(known).catch(() => undefined)
    return published
  }

  async #assertComplete(open: OpenUpload): Promise<void> {
    const missing = await this.#parts.links.missing(open.namespace, open.files)
    if (missing.length > 0) throw incomplete(open.record.id, missing)
  }

  /** In an isolated namespace: what the upload itself has sent becomes blobs. */
  async #linkDone(open: OpenUpload): Promise<void> {
    const { id } = open.record
    const done = new Map<StagedFile, string>()
    const unsent: Digest[] = []
    await forEachLimited(open.files, parallelOperations, async (file) => {
      if (file.sizeBytes === 0 || open.received.has(file.digest)) return
      const progress = await this.#readProgress(id, file.digest)
      if (progress?.done === true) done.set(file, progress.at)
      else unsent.push(file.digest)
    })
    if (unsent.length > 0) throw incomplete(id, unsent)
    await forEachLimited(done, parallelOperations, async ([file, at]) => {
      await this.#link(open, file, at)
      open.received.add(file.digest)
      await this.#parts.objects.remove(this.#parts.layout.progress(id, file.digest))
    })
  }

  /** Frees everything that the upload holds, at once in memory, then in the bucket. */
  async #end(known: KnownUpload): Promise<void> {
    await this.#forget(known)
    await this.clear(known.open.record.id)
  }

  async #forget(known: KnownUpload): Promise<void> {
    const { open, parts } = known
    open.ended = true
    this.#known.delete(open.record.id)
    open.reservation.release()
    await Promise.all([...open.writers.values()].map((writer) => writer.interrupt(uploadEnded(open.record.id))))
    await Promise.all([...parts.values()].map((part) => part.discard()))
  }
}

function bytesOf(files: readonly StagedFile[], digests: readonly Digest[]): number {
  const distinct = distinctFiles(files)
  return digests.reduce((bytes, digest) => bytes + distinct.get(digest)!.sizeBytes, 0)
}
