/** The disk backend: one directory, one server, the laws of the port by fsync and rename. */
import { type Digest, namespaceOf, type StagedFile, type SupercargoError } from '@supercargo/protocol'
import { type Clock, isErrno } from '@supercargo/transfer'
import { BlobShelf } from './blob-shelf.ts'
import { createDiskArchive } from './disk-archive.ts'
import { DiskLayout } from './disk-layout.ts'
import { DiskMaintenance } from './disk-maintenance.ts'
import { type FileSystem, nodeFileSystem, writeFileDurably } from './file-system.ts'
import { Intakes } from './intakes.ts'
import { KeyedMutex } from './keyed-mutex.ts'
import type { StoreMaintenance } from './maintenance.ts'
import { ResourceRecords } from './resource-records.ts'
import { freeBytes, SpaceLedger } from './space-ledger.ts'
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
} from './store.ts'
import type { StoreArchive } from './store-archive.ts'
import { fromStorageError, noStoreThere, storeClosed } from './store-error.ts'
import { type StoreEvent, StoreEvents } from './store-events.ts'
import { makeDirectories, makeStore, readFormat } from './store-format.ts'
import { lockStore, type StoreLock } from './store-lock.ts'
import { newResourceId, type StoreParts } from './store-parts.ts'
import { Uploads } from './uploads.ts'
import { WriteBudget } from './write-budget.ts'

export interface DiskStoreOptions {
  readonly directory: string
  readonly limits: StoreLimits
  readonly clock: Clock
  /** Namespaces in which to know a digest gives nothing: every upload sends all its bytes. */
  readonly isolatedNamespaces?: readonly string[]
  /** Told of every change, in order. Must not throw. */
  readonly onEvent?: (event: StoreEvent) => void
  readonly fs?: FileSystem
  /** A store that is not there is not made: kind `notFound`. */
  readonly mustExist?: boolean
}

export interface DiskStore extends Store {
  readonly maintenance: StoreMaintenance
  readonly archive: StoreArchive
}

/**
 * Opens the store in a directory, which is made when it is not there. Ready without reading the records: only what was
 * being written is looked at. Kinds: `conflict` (another server has it), `invalid` (no store, or a newer one), `corrupt`.
 */
export async function createDiskStore(options: DiskStoreOptions): Promise<DiskStore> {
  const { directory, limits, clock } = options
  const system = options.fs ?? nodeFileSystem
  const layout = new DiskLayout(directory)
  if ((await readFormat(system, layout)) === undefined && options.mustExist === true) throw noStoreThere(directory)
  let lock: StoreLock | undefined
  try {
    await makeDirectories(system, directory)
    lock = lockStore(layout.lock, directory)
    // Read again: between the first look and the lock another server may have made the store.
    const found = await readFormat(system, layout)
    const format = found ?? (await makeStore(system, layout))
    const parts: StoreParts = {
      system,
      layout,
      limits,
      clock,
      budget: new WriteBudget(limits.uploadBufferBytesMax),
      ledger: new SpaceLedger(limits, () => freeBytes(system, directory), found === undefined),
      shelf: new BlobShelf(system, layout),
      records: new ResourceRecords(system, layout, clock),
      events: new StoreEvents(options.onEvent),
      changes: new KeyedMutex(),
      isolatedNamespaces: new Set(options.isolatedNamespaces),
    }
    const uploads = new Uploads(parts)
    const intakes = new Intakes(parts)
    const maintenance = new DiskMaintenance(parts, uploads, intakes, format)
    await maintenance.recover()
    return new OpenDiskStore(parts, uploads, intakes, maintenance, lock)
  } catch (error) {
    lock?.release()
    throw fromStorageError(error, `cannot open the store ${directory}`)
  }
}

class OpenDiskStore implements DiskStore {
  readonly maintenance: StoreMaintenance
  readonly archive: StoreArchive
  readonly #parts: StoreParts
  readonly #uploads: Uploads
  readonly #intakes: Intakes
  readonly #upkeep: DiskMaintenance
  readonly #lock: StoreLock
  readonly #running = new Set<Promise<unknown>>()
  #closing: Promise<void> | undefined

  constructor(parts: StoreParts, uploads: Uploads, intakes: Intakes, upkeep: DiskMaintenance, lock: StoreLock) {
    this.#parts = parts
    this.#uploads = uploads
    this.#intakes = intakes
    this.#upkeep = upkeep
    this.#lock = lock
    this.maintenance = this.#lend(upkeep)
    this.archive = createDiskArchive(parts, uploads, (action, work) => this.#run(action, work))
  }

  create(upload: NewUpload): Promise<OpenedUpload> {
    return this.#run('cannot open an upload', () => this.#uploads.create(upload))
  }

  async upload(id: string): Promise<UploadRecord | undefined> {
    return this.#uploads.open.get(id)?.record
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

  open(record: ResourceRecord, file: StagedFile): Promise<BlobReader> {
    const { shelf } = this.#parts
    return this.#run(`cannot open ${file.digest}`, () =>
      shelf.open(namespaceOf(record.owners), file.digest, file.sizeBytes),
    )
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
    const { system, layout, changes } = this.#parts
    const id = newResourceId()
    const path = layout.scratch('probe', id)
    return this.#run('the store takes no writes', () =>
      changes.run(id, async () => {
        try {
          await writeFileDurably(system, path, 'probe\n')
        } finally {
          await system.unlink(path).catch((error: unknown) => {
            if (!isErrno(error, 'ENOENT')) throw error
          })
        }
      }),
    )
  }

  usage(): ReturnType<Store['usage']> {
    const { ledger } = this.#parts
    return {
      bytes: ledger.usedBytes,
      reservedBytes: ledger.reservedBytes,
      openUploads: this.#uploads.open.size + this.#intakes.open.size,
      namespaces: ledger.namespaces(),
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    try {
      await this.#uploads.interrupt(storeClosed())
      await this.#intakes.abortAll()
      await Promise.allSettled(this.#running)
      // Nobody waits for it: without it the next start counts anew.
      await this.#upkeep.checkpoint().catch(() => undefined)
    } finally {
      this.#lock.release()
    }
  }

  /** The upkeep under the same rules as the rest of the store. */
  #lend(upkeep: DiskMaintenance): StoreMaintenance {
    return {
      sequence: () => upkeep.sequence(),
      acknowledge: (sequence) => upkeep.acknowledge(sequence),
      uploads: () => upkeep.uploads(),
      usageMark: () => upkeep.usageMark(),
      setUsage: (namespaces, mark) => upkeep.setUsage(namespaces, mark),
      removeBlobs: (namespace, digests, sequence, epoch) =>
        this.#run('cannot delete blobs', () => upkeep.removeBlobs(namespace, digests, sequence, epoch)),
      removeObjects: () => upkeep.removeObjects(),
      collect: (id, sequence, epoch) =>
        this.#run('cannot collect a resource', () => upkeep.collect(id, sequence, epoch)),
      sweepAbandoned: () => this.#run('cannot drop abandoned uploads', () => upkeep.sweepAbandoned()),
      sweepLeftovers: () => this.#run('cannot delete leftovers', () => upkeep.sweepLeftovers()),
      bindCluster: (uid) => this.#run('cannot bind the store to its cluster', () => upkeep.bindCluster(uid)),
      beginEpoch: (epoch) => this.#run('cannot begin to sweep', () => upkeep.beginEpoch(epoch)),
      loadState: () => this.#run("cannot read the collector's memory", () => upkeep.loadState()),
      saveState: (...parameters) =>
        this.#run("cannot write the collector's memory", () => upkeep.saveState(...parameters)),
      checkpoint: () => this.#run('cannot write the count of bytes down', () => upkeep.checkpoint()),
    }
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
