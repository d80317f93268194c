/** Chunks on their way into one file: collected to 1 MiB, written in order, synced now and then, never more than 2 MiB in memory. */
import { constants } from 'node:fs'
import type { SupercargoError } from '@supercargo/protocol'
import { type FileSystem, writeAllNow } from './file-system.ts'
import { fromStorageError } from './store-error.ts'

/** One write takes about this much: smaller costs system calls, larger gains nothing. */
const batchBytes = 2 ** 20
/** Below the limit of one vectored write (IOV_MAX, 1024), and a bound on what tiny chunks cost in memory. */
const batchChunksMax = 512
/** Bytes of one queue that wait in memory at most. */
const outstandingBytesMax = 2 * 2 ** 20
/** Synced this often on the way, so that little is left to do after the last byte. */
const syncEveryBytes = 64 * 2 ** 20

/**
 * One write is under way at a time, so the file has no holes: its size is the number of bytes that are right. The first
 * failure stays; every later call rejects with it. After a failed sync nothing is synced again, because a second sync of
 * the same file may succeed without having written anything.
 */
export class WriteQueue {
  readonly #system: FileSystem
  readonly #path: string
  readonly #landed: (bytes: number) => void
  #fd: number | undefined
  #batch: Uint8Array[] = []
  #batched = 0
  #inFlight = 0
  #written: number
  #unsynced = 0
  #flushing = false
  #writing: Promise<void> | undefined
  #syncing: Promise<void> | undefined
  #room: PromiseWithResolvers<void> | undefined
  #failure: SupercargoError | undefined

  /** Continues after `position` bytes of the file. `landed` is told how many bytes the file system has taken. */
  constructor(system: FileSystem, path: string, position: number, landed: (bytes: number) => void) {
    this.#system = system
    this.#path = path
    this.#written = position
    this.#landed = landed
  }

  get failure(): SupercargoError | undefined {
    return this.#failure
  }

  /** Bytes in the file. */
  get writtenBytes(): number {
    return this.#written
  }

  /** Undefined: more may come at once. */
  push(chunk: Uint8Array): Promise<void> | undefined {
    this.#batch.push(chunk)
    this.#batched += chunk.length
    if (this.#due) this.#start()
    if (this.#batched + this.#inFlight < outstandingBytesMax && this.#batch.length < batchChunksMax) return undefined
    return this.#waitForRoom()
  }

  /** Resolves when the file has all bytes. */
  async flush(): Promise<void> {
    const small = this.#batched > 0 && this.#batched < batchBytes
    if (small && this.#written === 0 && this.#inFlight === 0) this.#writeBatchNow()
    this.#flushing = true
    while (this.#writing !== undefined || this.#due) {
      this.#start()
      await this.#writing
    }
    await this.#syncing
    if (this.#failure !== undefined) throw this.#failure
  }

  /** Makes the bytes durable, after `flush`. `mode` is the file's from now on. */
  async sync(mode?: number): Promise<void> {
    await this.#attempt(async () => {
      const fd = this.#openNow()
      await this.#system.fsync(fd)
      this.#unsynced = 0
      if (mode !== undefined) this.#system.chmodNow(fd, mode)
    })
  }

  async close(): Promise<void> {
    const fd = this.#fd
    this.#fd = undefined
    if (fd === undefined) return
    await this.#attempt(async () => {
      // After a sync a close has nothing to wait for.
      if (this.#unsynced === 0) this.#system.closeNow(fd)
      else await this.#system.close(fd)
    })
  }

  /** Drops what waits in memory; resolves when nothing more will be written. */
  async stop(error: SupercargoError): Promise<void> {
    this.#fail(error)
    await this.#writing
    await this.#syncing
    // Whether the close succeeds says nothing any more: nobody relies on bytes that were not synced.
    await this.close().catch(() => undefined)
  }

  get #due(): boolean {
    if (this.#failure !== undefined || this.#batched === 0) return false
    return this.#flushing || this.#batched >= batchBytes || this.#batch.length >= batchChunksMax
  }

  #waitForRoom(): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    if (this.#room === undefined) {
      this.#room = Promise.withResolvers<void>()
      // A caller that went away must not turn a failed write into a crash of the process.
      this.#room.promise.catch(() => undefined)
    }
    return this.#room.promise
  }

  /** Starts to write unless a write is under way; that one then goes on with what has come. */
  #start(): void {
    this.#writing ??= this.#writeBatches().finally(() => {
      this.#writing = undefined
      // A chunk may have come after the loop looked for the last time.
      if (this.#due) this.#start()
    })
  }

  async #writeBatches(): Promise<void> {
    await this.#attempt(async () => {
      while (this.#due) {
        const batch = this.#takeBatch()
        await this.#writeAll(batch)
        this.#inFlight = 0
        this.#room?.resolve()
        this.#room = undefined
        await this.#syncNowAndThen()
      }
    }).catch(() => undefined)
  }

  /** A short write is no failure yet: a file system that fills up takes a part first and fails at the next call. */
  async #writeAll(batch: Uint8Array[]): Promise<void> {
    const fd = this.#openNow()
    let chunks = batch
    while (chunks.length > 0) {
      const written = await this.#system.writev(fd, chunks, this.#written)
      if (written === 0) throw Object.assign(new Error('the file system took no bytes'), { code: 'ENOSPC' })
      this.#advance(written)
      chunks = rest(chunks, written)
    }
  }

  /** A file that is small enough for one batch is written in place: cheaper than the way through the thread pool. */
  #writeBatchNow(): void {
    try {
      const fd = this.#openNow()
      for (const chunk of this.#takeBatch()) {
        writeAllNow(this.#system, fd, chunk, this.#written)
        this.#advance(chunk.length)
      }
      this.#inFlight = 0
    } catch (error) {
      this.#fail(fromStorageError(error, `cannot write ${this.#path}`))
    }
  }

  #takeBatch(): Uint8Array[] {
    const batch = this.#batch
    this.#inFlight = this.#batched
    this.#batch = []
    this.#batched = 0
    return batch
  }

  #advance(bytes: number): void {
    this.#written += bytes
    this.#unsynced += bytes
    this.#landed(bytes)
  }

  /** One sync at a time runs beside the writes; they wait for it only when the disk is a whole step behind. */
  async #syncNowAndThen(): Promise<void> {
    if (this.#unsynced < syncEveryBytes) return
    await this.#syncing
    if (this.#failure !== undefined) return
    this.#unsynced = 0
    const fd = this.#openNow()
    this.#syncing = this.#attempt(() => this.#system.fdatasync(fd))
      .catch(() => undefined)
      .finally(() => {
        this.#syncing = undefined
      })
  }

  #openNow(): number {
    this.#fd ??= this.#system.openNow(this.#path, constants.O_WRONLY | constants.O_CREAT | constants.O_NOFOLLOW, 0o600)
    return this.#fd
  }

  async #attempt(work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      throw this.#fail(fromStorageError(error, `cannot write ${this.#path}`))
    }
  }

  /** What waits in memory is dropped, whoever waits is told. */
  #fail(error: SupercargoError): SupercargoError {
    this.#failure ??= error
    this.#inFlight = 0
    this.#batch = []
    this.#batched = 0
    this.#room?.reject(this.#failure)
    this.#room = undefined
    return this.#failure
  }
}

/** The chunks without their first `written` bytes. */
function rest(chunks: readonly Uint8Array[], written: number): Uint8Array[] {
  let left = written
  for (const [index, chunk] of chunks.entries()) {
    if (left < chunk.length) return [chunk.subarray(left), ...chunks.slice(index + 1)]
    left -= chunk.length
  }
  return []
}
