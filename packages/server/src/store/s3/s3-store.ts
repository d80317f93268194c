/** The S3 backend: one prefix of a bucket, any number of servers, the laws of the port by comparing writes. */
import { type Digest, emptyDigest, namespaceOf, type StagedFile, type SupercargoError } from '@supercargo/protocol'
import { type Clock, forEachLimited } from '@supercargo/transfer'
import type { BucketObjects } from '@supercargo/transfer/s3'
import { KeyedMutex } from '../keyed-mutex.ts'
import type { StoreMaintenance } from '../maintenance.ts'
import { SpaceLedger } from '../space-ledger.ts'
import type {
  BlobReader,
  BlobWriter,
  Intake,
  NewUpload,
  OpenedUpload,
  ResourceRecord,
  Store,
  StoreLimits,
  UploadRecord,
} from '../store.ts'
import type { StoreArchive } from '../store-archive.ts'
import { fromStorageError, storeClosed } from '../store-error.ts'
import { type StoreEvent, StoreEvents } from '../store-events.ts'
import { newResourceId } from '../store-parts.ts'
import { PartBudget } from './part-budget.ts'
import { createS3Archive } from './s3-archive.ts'
import { guarded } from './s3-border.ts'
import { openFormat } from './s3-format.ts'
import { S3Intakes } from './s3-intakes.ts'
import { S3Layout } from './s3-layout.ts'
import { S3Links } from './s3-links.ts'
import { S3Maintenance } from './s3-maintenance.ts'
import { blobMissing, emptyReader, openObject } from './s3-reader.ts'
import { S3Records } from './s3-records.ts'
import type { S3StoreParts } from './s3-store-parts.ts'
import { S3Uploads } from './s3-uploads.ts'

export interface S3StoreOptions {
  readonly objects: BucketObjects
  readonly prefix: string
  readonly limits: StoreLimits
  readonly clock: Clock
  readonly isolatedNamespaces?: readonly string[]
  /** Told of every change that is made here, in order. Must not throw. */
  readonly onEvent?: (event: StoreEvent) => void
  /** How often the bucket failed, by code; whoever opened it counts. */
  readonly failures?: ReadonlyMap<string, number>
  /** Memory for bytes on their way to the bucket; every upload has one buffer of 8 MiB all the same. */
  readonly bufferBytesMax?: number
  /** The smallest part but the last, for stores that take less than S3. */
  readonly partBytes?: number
  /** What looks left over is looked at again after this long before it goes. */
  readonly quietMs?: number
  /** Kind `notFound` instead of a new store where there is none. */
  readonly mustExist?: boolean
  /** Ends what still asks the bucket, at the end of `close`. */
  readonly onClose?: () => void
}

export interface S3Store extends Store {
  readonly archive: StoreArchive
  readonly maintenance: StoreMaintenance
}

const bufferBytesMaxDefault = 64 * 2 ** 20
/** Longer than the slowest upload that is not cut off needs for a part. */
const quietMsDefault = 20 * 60_000
const parallelAdoptions = 8

/** Opens the store below a prefix, which is made when nothing is there. */
export async function createS3Store(options: S3StoreOptions): Promise<S3Store> {
  const { limits, clock } = options
  const objects = guarded(options.objects)
  const layout = new S3Layout(options.prefix)
  await openFormat(objects, layout, options.mustExist)
  const parts: S3StoreParts = {
    ...{ objects, layout, limits, clock },
    ledger: new SpaceLedger(limits, async () => Number.POSITIVE_INFINITY),
    links: new S3Links(objects, layout),
    records: new S3Records(objects, layout, clock),
    events: new StoreEvents(options.onEvent),
    budget: new PartBudget(options.bufferBytesMax ?? bufferBytesMaxDefault, options.partBytes),
    changes: new KeyedMutex(),
    isolatedNamespaces: new Set(options.isolatedNamespaces),
  }
  const uploads = new S3Uploads(parts)
  const maintenance = new S3Maintenance({ ...parts, uploads, quietMs: options.quietMs ?? quietMsDefault })
  await maintenance.readUsage()
  await adoptUploads(parts, uploads)
  return new OpenS3Store(parts, uploads, maintenance, options)
}

/** Their space was promised; whoever made them. */
async function adoptUploads({ objects, layout }: S3StoreParts, uploads: S3Uploads): Promise<void> {
  const ids = new Set<string>()
  for await (const { key } of objects.list(layout.uploads)) {
    const id = layout.uploadId(key)
    if (id !== undefined) ids.add(id)
  }
  await forEachLimited(ids, parallelAdoptions, (id) => uploads.adopt(id))
}

class OpenS3Store implements S3Store {
  readonly maintenance: StoreMaintenance
  readonly archive: StoreArchive
  readonly #parts: S3StoreParts
  readonly #uploads: S3Uploads
  readonly #intakes: S3Intakes
  readonly #upkeep: S3Maintenance
  readonly #options: S3StoreOptions
  /** Of the count of bytes. */
  readonly #markAtStart: number
  readonly #running = new Set<Promise<unknown>>()
  #closing: Promise<void> | undefined

  constructor(parts: S3StoreParts, uploads: S3Uploads, upkeep: S3Maintenance, options: S3StoreOptions) {
    this.#parts = parts
    this.#uploads = uploads
    this.#intakes = new S3Intakes(parts)
    this.#upkeep = upkeep
    this.#options = options
    this.maintenance = upkeep
    this.#markAtStart = parts.ledger.mark
    this.archive = createS3Archive(parts, uploads, (action, work) => this.#run(action, work))
  }

  create(upload: NewUpload): Promise<OpenedUpload> {
    return this.#run('cannot open an upload', () => this.#uploads.create(upload))
  }

  upload(id: string): Promise<UploadRecord | undefined> {
    return this.#run(`cannot look at the upload ${id}`, () => this.#uploads.find(id))
  }

  blobProgress(id: string, digest: Digest): ReturnType<Store['blobProgress']> {
    return this.#run(`cannot look at a blob of ${id}`, () => this.#uploads.progress(id, digest))
  }

  writeBlob(id: string, digest: Digest, onInterrupt?: (reason: SupercargoError) => void): Promise<BlobWriter> {
    return this.#run(`cannot open a blob of ${id}`, () => this.#uploads.writeBlob(id, digest, onInterrupt))
  }

  commit(id: string): Promise<ResourceRecord> {
    return this.#run(`cannot commit ${id}`, () => this.#uploads.commit(id))
  }

  abort(id: string): Promise<void> {
    return this.#run(`cannot abort ${id}`, async () => void (await this.#uploads.abort(id)))
  }

  intake(expectedBytes: number | undefined): Promise<Intake> {
    return this.#run('cannot open an upload', () => this.#intakes.create(expectedBytes ?? 0))
  }

  read(id: string): Promise<ResourceRecord | undefined> {
    return this.#run(`cannot read the record of ${id}`, () => this.#parts.records.read(id))
  }

  update(id: string, change: (record: ResourceRecord) => ResourceRecord): Promise<ResourceRecord | undefined> {
    return this.#run(`cannot change ${id}`, () =>
      this.#parts.changes.run(id, async () => {
        const record = await this.#parts.records.update(id, change)
        if (record !== undefined) this.#parts.events.emit({ type: 'updated', id, record })
        return record
      }),
    )
  }

  open(record: ResourceRecord, file: StagedFile, range = { start: 0, end: file.sizeBytes }): Promise<BlobReader> {
    return this.#run(`cannot open ${file.digest}`, async () => {
      if (file.digest === emptyDigest) return emptyReader()
      const at = await this.#placeOf(record, file)
      return openObject(this.#parts.objects, at, file.digest, file.sizeBytes, range)
    })
  }

  locate(record: ResourceRecord, file: StagedFile, seconds: number): Promise<URL | undefined> {
    return this.#run(`cannot find ${file.digest}`, async () => {
      if (file.digest === emptyDigest) return undefined
      return this.#parts.objects.presignedUrl(await this.#placeOf(record, file), seconds)
    })
  }

  touch(id: string): Promise<void> {
    return this.#run(`cannot note a fetch of ${id}`, async () => {
      const atMs = await this.#parts.records.touch(id)
      if (atMs !== undefined) this.#parts.events.emit({ type: 'touched', id, atMs })
    })
  }

  release(id: string): Promise<boolean> {
    return this.#run(`cannot release ${id}`, () => this.#upkeep.release(id))
  }

  probe(): Promise<void> {
    const { objects, layout } = this.#parts
    const key = layout.probe(newResourceId())
    return this.#run('the store takes no writes', async () => {
      await objects.write(key, 'probe\n')
      await objects.remove(key)
    })
  }

  usage(): ReturnType<Store['usage']> {
    const { ledger } = this.#parts
    return {
      bytes: ledger.usedBytes,
      reservedBytes: ledger.reservedBytes,
      openUploads: this.#uploads.open.length + this.#intakes.size,
      namespaces: ledger.namespaces(),
    }
  }

  failures(): ReadonlyMap<string, number> {
    return this.#options.failures ?? new Map()
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    try {
      await this.#uploads.giveWay(storeClosed())
      await this.#intakes.abortAll()
      await Promise.allSettled(this.#running)
      // Where nothing was stored or deleted here, what others wrote down is newer. Nobody waits for it: without it the next start counts anew.
      if (this.#parts.ledger.mark !== this.#markAtStart) await this.#upkeep.checkpoint().catch(() => undefined)
    } finally {
      this.#options.onClose?.()
    }
  }

  async #placeOf(record: ResourceRecord, file: StagedFile): Promise<string> {
    const found = await this.#parts.links.find(namespaceOf(record.owners), file.digest)
    if (found === undefined || found.link.state === 'gone') throw blobMissing(file.digest)
    return found.link.at
  }

  /** Every failure leaves as our own error; a closing store begins nothing new and waits for what runs. */
  async #run<Result>(action: string, work: () => Promise<Result>): Promise<Result> {
    if (this.#closing !== undefined) throw storeClosed()
    const running = work()
    this.#running.add(running)
    try {
      return await running
    } catch (error) {
      throw fromStorageError(error, action)
    } finally {
      this.#running.delete(running)
    }
  }
}
