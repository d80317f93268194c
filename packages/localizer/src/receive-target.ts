/**
 * Where the bytes of one file go: written at their place and hashed while the processor's cache has them, or behind the writer on
 * a thread. Writes are synchronous: a chunk takes a hundredth of a millisecond into the page cache, where the way over the
 * thread pool takes longer than that, waits behind the syncs of other files, and needs a copy of what was lent.
 */
import type { Digest } from '@supercargo/protocol'
import { fileMode } from './disk.ts'
import type { FetchContext } from './fetch-context.ts'
import type { PartialFile } from './partial.ts'
import { RunningDigest } from './running-digest.ts'

export class ReceiveTarget {
  readonly #partial: PartialFile
  readonly #context: FetchContext
  readonly #fd: number
  readonly #digest: RunningDigest
  writingMs = 0

  /** `heldBytes` from the start are there already. Throws what opening throws. */
  constructor(partial: PartialFile, context: FetchContext, heldBytes: number, sizeBytes: number | undefined) {
    this.#partial = partial
    this.#context = context
    this.#fd = context.disk.open(partial.path, heldBytes === 0 && !partial.isInParts)
    try {
      context.disk.setMode(this.#fd, fileMode)
      this.#digest = RunningDigest.begin(partial.path, heldBytes, sizeBytes, context.hasher)
    } catch (error) {
      context.disk.closeAtOnce(this.#fd)
      throw error
    }
  }

  /** Takes a chunk, which may be used for something else afterwards. */
  write(chunk: Buffer, position: number): void {
    const { clock, disk } = this.#context
    const began = clock.monotonic()
    disk.writeAt(this.#fd, chunk, position, this.#partial.path)
    this.writingMs += clock.monotonic() - began
    this.#digest.update(chunk, position)
  }

  /** So many bytes from the start are there without a gap. */
  complete(bytes: number): void {
    this.#digest.advance(bytes)
  }

  /** The digest of all bytes, which are there. */
  finish(sizeBytes: number): Promise<Digest> {
    return this.#digest.finish(sizeBytes)
  }

  close(): void {
    this.#digest.abandon()
    this.#context.disk.closeAtOnce(this.#fd)
  }
}
