/** A file that is not a blob yet: its bytes are hashed as they come, and it ends durable, kept for later, or deleted. */
import { createHash, type Hash } from 'node:crypto'
import { constants } from 'node:fs'
import { type Digest, digestOf, SupercargoError } from '@supercargo/protocol'
import { isErrno } from '@supercargo/transfer'
import type { FileSystem } from './file-system.ts'
import type { WriteBudget } from './write-budget.ts'
import { WriteQueue } from './write-queue.ts'

/** Bytes that are not a blob yet, wherever they are written. Only one of the methods that end it runs at a time. */
export interface Part {
  /** Bytes taken so far, durable or not. */
  readonly sizeBytes: number
  write(chunk: Uint8Array): Promise<void> | undefined
  /** Makes all bytes durable. `check` sees their digest, and throws when it is not the promised one: then they are discarded. */
  finish(check: (digest: Digest, sizeBytes: number) => void): Promise<Digest>
  /** Makes the bytes so far durable for a later writer; resolves to their number. */
  suspend(): Promise<number>
  /** Drops everything. Safe in every state, also after a failure. */
  discard(): Promise<void>
  /** Stops: every later call rejects with `error`. */
  interrupt(error: SupercargoError): Promise<void>
}

export interface PartOptions {
  readonly system: FileSystem
  readonly budget: WriteBudget
  readonly path: string
  /** Bytes that the file may have at most. */
  readonly bytesMax: number
  /** What the writer answers to more than that. */
  readonly tooLarge: () => SupercargoError
  /** Asked before the part grows to `bytes`; a promise means wait for space. */
  readonly cover?: (bytes: number) => Promise<void> | undefined
  /** Told how many bytes the file system has taken, or with a negative number given back. */
  readonly landed: (bytes: number) => void
}

/** Read at a time when an earlier part is hashed again. */
const readBytes = 2 ** 20
/** Blobs are never changed; the group may read them, so that a web server beside us can. */
const blobMode = 0o440

/**
 * `write` is the hot path of an upload: it makes no promise per chunk and hashes 64 KiB while they are in the cache. The
 * caller sees that only one of `finish`, `suspend`, `discard` and `interrupt` runs at a time.
 */
export class PartWriter implements Part {
  readonly #options: PartOptions
  readonly #hash: Hash
  readonly #queue: WriteQueue
  #accepted: number

  private constructor(options: PartOptions, hash: Hash, prefixBytes: number) {
    this.#options = options
    this.#hash = hash
    this.#queue = new WriteQueue(options.system, options.budget, options.path, prefixBytes, options.landed)
    this.#accepted = prefixBytes
  }

  static begin(options: PartOptions): PartWriter {
    return new PartWriter(options, createHash('sha256'), 0)
  }

  /** Continues after the bytes that the file has; they are read once to hash them. */
  static async resume(options: PartOptions, prefixBytes: number): Promise<PartWriter> {
    const hash = createHash('sha256')
    const fd = await options.system.open(options.path, constants.O_RDONLY | constants.O_NOFOLLOW)
    try {
      const buffer = Buffer.allocUnsafeSlow(Math.min(readBytes, prefixBytes))
      for (let position = 0; position < prefixBytes; ) {
        const read = await options.system.read(fd, buffer, 0, Math.min(buffer.length, prefixBytes - position), position)
        if (read === 0) throw new Error('the part became shorter')
        hash.update(buffer.subarray(0, read))
        position += read
      }
    } finally {
      await options.system.close(fd)
    }
    return new PartWriter(options, hash, prefixBytes)
  }

  /** Bytes taken so far, on disk or not. */
  get sizeBytes(): number {
    return this.#accepted
  }

  write(chunk: Uint8Array): Promise<void> | undefined {
    if (this.#queue.failure !== undefined) return Promise.reject(this.#queue.failure)
    const sizeBytes = this.#accepted + chunk.length
    if (sizeBytes > this.#options.bytesMax) return Promise.reject(this.#options.tooLarge())
    const covering = this.#options.cover?.(sizeBytes)
    return covering === undefined ? this.#take(chunk) : this.#takeWhenCovered(chunk, covering)
  }

  /** Makes all bytes durable. `check` sees the digest before the file is synced, and throws when it is not the promised one. */
  async finish(check: (digest: Digest, sizeBytes: number) => void): Promise<Digest> {
    const digest = digestOf(this.#hash.digest('hex'))
    if (this.#queue.failure === undefined) check(digest, this.#accepted)
    await this.#queue.flush()
    await this.#queue.sync(blobMode)
    await this.#queue.close()
    return digest
  }

  /** Makes the bytes so far durable and closes the file. */
  async suspend(): Promise<number> {
    await this.#queue.flush()
    if (this.#accepted > 0) await this.#queue.sync()
    await this.#queue.close()
    return this.#accepted
  }

  /** Deletes the file. Safe in every state, also after a failure. */
  async discard(): Promise<void> {
    await this.interrupt(new SupercargoError('interrupted', 'transfer-aborted', 'the transfer was aborted'))
    await this.#options.system.unlink(this.#options.path).catch((error: unknown) => {
      if (!isErrno(error, 'ENOENT')) throw error
    })
    this.#options.landed(-this.#queue.writtenBytes)
  }

  /** Stops: every later call rejects with `error`. What was written stays; resolves when nothing more will be. */
  async interrupt(error: SupercargoError): Promise<void> {
    await this.#queue.stop(error)
  }

  #take(chunk: Uint8Array): Promise<void> | undefined {
    if (chunk.length === 0) return undefined
    this.#hash.update(chunk)
    this.#accepted += chunk.length
    return this.#queue.push(chunk)
  }

  async #takeWhenCovered(chunk: Uint8Array, covering: Promise<void>): Promise<void> {
    await covering
    if (this.#queue.failure !== undefined) throw this.#queue.failure
    await this.#take(chunk)
  }
}
