/** Where the bytes of one exchange go: streamed and hashed behind the writer, or written at once when they are few. */
import { createHash } from 'node:crypto'
import { type Digest, digestOf } from '@supercargo/protocol'
import { FileSink } from '@supercargo/transfer'
import { fileMode } from './disk.ts'
import type { FetchContext } from './fetch-context.ts'
import type { PartialFile } from './partial.ts'
import { RunningDigest } from './running-digest.ts'

/** Files up to this size are gathered and are one synchronous write: most are one chunk. */
export const gatheredBytesMax = 64 << 10
/**
 * Files up to this size are written synchronously too, chunk by chunk: it takes a third of a millisecond, where the way over
 * the thread pool waits behind the syncs of other files.
 */
export const directBytesMax = 1 << 20

export interface Finished {
  readonly digest: Digest
  /** On the clock's monotonic scale. */
  readonly writtenAt: number
  readonly hashedAt: number
}

export interface ReceiveTarget {
  /** Bytes taken, from the start of the file. */
  readonly position: number
  /** Undefined: go on; a promise: wait for it. */
  write(chunk: Buffer): Promise<void> | undefined
  /** Everything was taken. */
  finish(): Promise<Finished>
  /** After a failure: writes what can be continued, and resolves with how much of the file that is. Never rejects. */
  keep(): Promise<number>
  close(): Promise<void>
}

export class GatheredTarget implements ReceiveTarget {
  readonly #partial: PartialFile
  readonly #context: FetchContext
  readonly #chunks: Buffer[] = []
  position = 0

  constructor(partial: PartialFile, context: FetchContext) {
    this.#partial = partial
    this.#context = context
  }

  write(chunk: Buffer): undefined {
    this.#chunks.push(chunk)
    this.position += chunk.length
  }

  async finish(): Promise<Finished> {
    this.#write()
    const writtenAt = this.#context.clock.monotonic()
    const hash = createHash('sha256')
    for (const chunk of this.#chunks) hash.update(chunk)
    return { digest: digestOf(hash.digest('hex')), writtenAt, hashedAt: this.#context.clock.monotonic() }
  }

  async keep(): Promise<number> {
    if (!this.#partial.continuable || this.position === 0) return 0
    try {
      this.#write()
      return this.position
    } catch {
      // The failure that brought us here is the one reported.
      return 0
    }
  }

  async close(): Promise<void> {}

  #write(): void {
    this.#context.disk.writeSmall(this.#partial.path, this.#chunks, fileMode)
  }
}

/**
 * Each chunk is written and hashed while the processor's cache has it, and nothing gathers. Measured over 200 files of 1 MiB
 * against gathering each: 22 MiB less at the peak, and a tenth less CPU.
 */
export class DirectTarget implements ReceiveTarget {
  readonly #partial: PartialFile
  readonly #context: FetchContext
  readonly #fd: number
  readonly #hash = createHash('sha256')
  position = 0

  constructor(partial: PartialFile, context: FetchContext) {
    this.#partial = partial
    this.#context = context
    this.#fd = context.disk.open(partial.path, true)
    try {
      context.disk.setMode(this.#fd, fileMode)
    } catch (error) {
      context.disk.closeAtOnce(this.#fd)
      throw error
    }
  }

  write(chunk: Buffer): undefined {
    this.#context.disk.writeAt(this.#fd, chunk, this.position, this.#partial.path)
    this.position += chunk.length
    this.#hash.update(chunk)
  }

  async finish(): Promise<Finished> {
    const now = this.#context.clock.monotonic()
    return { digest: digestOf(this.#hash.digest('hex')), writtenAt: now, hashedAt: now }
  }

  /** What was written before a failed chunk counts. */
  async keep(): Promise<number> {
    return this.#partial.continuable ? this.position : 0
  }

  async close(): Promise<void> {
    this.#context.disk.closeAtOnce(this.#fd)
  }
}

export class StreamedTarget implements ReceiveTarget {
  readonly #partial: PartialFile
  readonly #context: FetchContext
  readonly #fd: number
  readonly #sink: FileSink
  readonly #digest: RunningDigest

  constructor(partial: PartialFile, context: FetchContext, start: number, sizeBytes: number | undefined) {
    this.#partial = partial
    this.#context = context
    this.#fd = context.disk.open(partial.path, start === 0)
    try {
      context.disk.setMode(this.#fd, fileMode)
      this.#sink = new FileSink(this.#fd, partial.path, start)
      this.#digest = RunningDigest.begin(context.hasher, partial.path, start, sizeBytes)
    } catch (error) {
      void context.disk.close(this.#fd).catch(() => {
        // The failure before it is the one reported.
      })
      throw error
    }
  }

  get position(): number {
    return this.#sink.position
  }

  write(chunk: Buffer): Promise<void> | undefined {
    const wait = this.#sink.write(chunk)
    this.#digest.update(chunk, this.#sink.written)
    return wait
  }

  async finish(): Promise<Finished> {
    await this.#sink.flush()
    const writtenAt = this.#context.clock.monotonic()
    const digest = await this.#digest.finish(this.#sink.position)
    return { digest, writtenAt, hashedAt: this.#context.clock.monotonic() }
  }

  async keep(): Promise<number> {
    this.#digest.abandon()
    try {
      await this.#sink.flush()
    } catch {
      // The failure that brought us here is the one reported; what was written before it counts.
    }
    return this.#partial.continuable ? this.#sink.written : 0
  }

  close(): Promise<void> {
    return this.#context.disk.close(this.#fd)
  }
}
