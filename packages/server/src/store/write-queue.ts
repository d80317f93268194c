/** Bytes on their way into one file: collected to 1 MiB, written in order, synced now and then, in memory never more than a share of the budget. */
import { constants } from 'node:fs'
import type { SupercargoError } from '@supercargo/protocol'
import { type FileSystem, writeAll, writeAllNow } from './file-system.ts'
import { fromStorageError } from './store-error.ts'
import { blockBytes, type WriteBudget } from './write-budget.ts'

/** One write takes about this much: smaller costs system calls, larger gains nothing. */
const batchBytes = 2 ** 20
/** Below the limit of one vectored write (IOV_MAX, 1024). */
const batchBlocksMax = 512
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
  readonly #budget: WriteBudget
  readonly #landed: (bytes: number) => void
  #fd: number | undefined
  /** Blocks of the budget; all but the last are full. */
  #batch: Buffer[] = []
  #batched = 0
  #inFlight = 0
  #written: number
  #unsynced = 0
  #flushing = false
  #holds = false
  #writing: Promise<void> | undefined
  #syncing: Promise<void> | undefined
  #room: PromiseWithResolvers<void> | undefined
  #failure: SupercargoError | undefined

  /** Continues after `position` bytes of the file. `landed` is told how many bytes the file system has taken. */
  constructor(
    system: FileSystem,
    budget: WriteBudget,
    path: string,
    position: number,
    landed: (bytes: number) => void,
  ) {
    this.#system = system
    this.#budget = budget
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

  /** Undefined: more may come at once. The chunk is the caller's again in any case. */
  push(chunk: Uint8Array): Promise<void> | undefined {
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    if (!this.#holds) this.#budget.join()
    this.#holds = true
    this.#copy(chunk)
    if (this.#due) this.#start()
    return this.#batched + this.#inFlight < this.#budget.shareBytes ? undefined : this.#waitForRoom()
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
    this.#letGo()
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
    return this.#flushing || this.#batched >= Math.min(batchBytes, this.#budget.shareBytes)
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
        const blocks = this.#takeBatch()
        try {
          const chunks = withoutRest(blocks, this.#inFlight)
          await writeAll(this.#system, this.#openNow(), chunks, this.#written, (bytes) => this.#advance(bytes))
        } finally {
          this.#budget.giveBack(blocks)
        }
        this.#inFlight = 0
        this.#room?.resolve()
        this.#room = undefined
        await this.#syncNowAndThen()
      }
    }).catch(() => undefined)
  }

  /** A file that is small enough for one batch is written in place: cheaper than the way through the thread pool. */
  #writeBatchNow(): void {
    const blocks = this.#takeBatch()
    try {
      const fd = this.#openNow()
      for (const chunk of withoutRest(blocks, this.#inFlight)) {
        writeAllNow(this.#system, fd, chunk, this.#written)
        this.#advance(chunk.length)
      }
      this.#inFlight = 0
    } catch (error) {
      this.#fail(fromStorageError(error, `cannot write ${this.#path}`))
    } finally {
      this.#budget.giveBack(blocks)
    }
  }

  #copy(chunk: Uint8Array): void {
    for (let at = 0; at < chunk.length; ) {
      const filled = this.#batched % blockBytes
      if (filled === 0) this.#batch.push(this.#budget.take())
      const piece = chunk.subarray(at, at + blockBytes - filled)
      this.#batch.at(-1)!.set(piece, filled)
      this.#batched += piece.length
      at += piece.length
    }
  }

  #takeBatch(): Buffer[] {
    const blocks = this.#batch.splice(0, batchBlocksMax)
    this.#inFlight = Math.min(this.#batched, blocks.length * blockBytes)
    this.#batched -= this.#inFlight
    return blocks
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
    this.#budget.giveBack(this.#batch.splice(0))
    this.#batched = 0
    this.#letGo()
    this.#room?.reject(this.#failure)
    this.#room = undefined
    return this.#failure
  }

  #letGo(): void {
    if (this.#holds) this.#budget.leave()
    this.#holds = false
  }
}

/** The first `bytes` bytes of full blocks. */
function withoutRest(blocks: readonly Buffer[], bytes: number): Buffer[] {
  return blocks.map((block, index) => block.subarray(0, Math.min(blockBytes, bytes - index * blockBytes)))
}
