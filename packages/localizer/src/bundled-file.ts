/** One file of a bundle on its way to the disk: written and hashed chunk by chunk, kept only when it is what it should be. */
import { createHash } from 'node:crypto'
import { digestOf } from '@supercargo/protocol'
import type { LentSink } from '@supercargo/transfer'
import { fileMode } from './disk.ts'
import type { Fetch, FetchContext, Fetched } from './fetch-context.ts'

export class BundledFile implements LentSink {
  readonly #fetch: Fetch
  readonly #context: FetchContext
  readonly #kept: (fetched: Fetched) => void
  readonly #hash = createHash('sha256')
  readonly #began: number
  #fd: number | undefined
  #bytes = 0

  /** `kept` is told when all bytes are there and have the known digest. Throws what opening throws. */
  constructor(fetch: Fetch, context: FetchContext, kept: (fetched: Fetched) => void) {
    this.#fetch = fetch
    this.#context = context
    this.#kept = kept
    this.#began = context.clock.monotonic()
    this.#fd = context.disk.open(fetch.path, true)
    try {
      context.disk.setMode(this.#fd, fileMode)
    } catch (error) {
      this.abandon()
      throw error
    }
  }

  write(chunk: Uint8Array): void {
    this.#context.disk.writeAt(this.#fd!, chunk, this.#bytes, this.#fetch.path)
    this.#hash.update(chunk)
    this.#bytes += chunk.length
  }

  end(): void {
    this.#close()
    const digest = digestOf(this.#hash.digest('hex'))
    if (digest !== this.#fetch.digest) return this.#context.disk.removeFile(this.#fetch.path)
    this.#kept({
      sizeBytes: this.#bytes,
      digest,
      attempts: 1,
      waitingMs: 0,
      receivingMs: Math.round(this.#context.clock.monotonic() - this.#began),
      hashingMs: 0,
      writingMs: 0,
    })
  }

  /** The rest will not come: nothing is left of it. A file that had its end stays. */
  abandon(): void {
    if (this.#fd === undefined) return
    try {
      this.#close()
    } finally {
      this.#context.disk.removeFile(this.#fetch.path)
    }
  }

  #close(): void {
    const fd = this.#fd
    this.#fd = undefined
    if (fd !== undefined) this.#context.disk.closeAtOnce(fd)
  }
}
