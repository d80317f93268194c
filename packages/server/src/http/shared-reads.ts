/** Windows of blobs that many readers want at one time: read once, lent to all of them, in bounded memory. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Digest } from '@supercargo/protocol'
import type { BlobReader } from '../store/store.ts'

export interface SharedWindow {
  /** What of the blob follows the asked position in this window. */
  readonly bytes: Buffer
  /** Nobody may use the bytes any more. To be called once. */
  release(): void
}

/** One write to a socket: four times what each of 500 readers could have for itself, so a quarter of the turns. */
const windowBytes = 256 << 10
/** 16 MiB in all. */
const windowsMax = 64
/** Below this many readers of a blob, each has large buffers of its own, and they stay in the processor's cache. */
const readersMin = 8

interface Window {
  readonly key: string
  readonly buffer: Buffer
  readonly loaded: Promise<number>
  readers: number
}

/**
 * A window that somebody holds stays, and nobody waits for one: a reader who finds all of them held, because the herd
 * has drifted apart or somebody is slow, reads for itself. The bytes of a digest are the same for whoever may read them.
 */
export class SharedReads {
  /** By digest and index, the one used longest ago first. */
  readonly #windows = new Map<string, Window>()
  readonly #free: Buffer[] = []
  readonly #readers = new Map<Digest, number>()
  #allocated = 0

  /** A reader of the blob begins; the function ends it. */
  join(digest: Digest): () => void {
    this.#readers.set(digest, this.#count(digest) + 1)
    return () => {
      const left = this.#count(digest) - 1
      if (left > 0) this.#readers.set(digest, left)
      else this.#readers.delete(digest)
    }
  }

  /** Undefined: read for yourself. Rejects as the read of the blob does. The reader stays open until it has settled. */
  lend(reader: BlobReader, position: number): Promise<SharedWindow> | undefined {
    if (this.#count(reader.digest) < readersMin) return undefined
    const index = Math.floor(position / windowBytes)
    const key = `${reader.digest} ${index}`
    const window = this.#windows.get(key) ?? this.#begin(reader, key, index)
    if (window === undefined) return undefined
    this.#windows.delete(key)
    this.#windows.set(key, window)
    window.readers++
    return this.#lent(window, position - index * windowBytes)
  }

  #count(digest: Digest): number {
    return this.#readers.get(digest) ?? 0
  }

  #begin(reader: BlobReader, key: string, index: number): Window | undefined {
    const buffer = this.#takeBuffer()
    if (buffer === undefined) return undefined
    return { key, buffer, loaded: reader.read(buffer, index * windowBytes), readers: 0 }
  }

  async #lent(window: Window, offset: number): Promise<SharedWindow> {
    try {
      const loadedBytes = await window.loaded
      // Bytes in memory need no wait, and a socket takes several windows at once: who came first would be served alone.
      await nextTurn()
      const bytes = window.buffer.subarray(offset, loadedBytes)
      return { bytes, release: () => void window.readers-- }
    } catch (error) {
      window.readers--
      if (this.#windows.get(window.key) === window) this.#windows.delete(window.key)
      if (window.readers === 0) this.#free.push(window.buffer)
      throw error
    }
  }

  #takeBuffer(): Buffer | undefined {
    const free = this.#free.pop()
    if (free !== undefined) return free
    if (this.#allocated < windowsMax) {
      this.#allocated++
      return Buffer.allocUnsafeSlow(windowBytes)
    }
    const unused = this.#windows.values().find(({ readers }) => readers === 0)
    if (unused !== undefined) this.#windows.delete(unused.key)
    return unused?.buffer
  }
}
