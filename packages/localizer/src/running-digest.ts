/** The digest of a file while it arrives: inline for small files, on the hasher's thread for large ones. */
import { createHash, type Hash } from 'node:crypto'
import { closeSync, openSync, readSync } from 'node:fs'
import { type Digest, digestOf } from '@supercargo/protocol'
import { type FollowedFile, fromFileSystemError, type Hasher } from '@supercargo/transfer'

/** Hashing so much inline takes about 5 ms; to start the thread takes 15. */
export const inlineBytesMax = 8 << 20

export class RunningDigest {
  readonly #hasher: Hasher | undefined
  readonly #path: string
  #inline: Hash | undefined
  #inlineBytes = 0
  #followed: FollowedFile | undefined

  private constructor(hasher: Hasher | undefined, path: string) {
    this.#hasher = hasher
    this.#path = path
  }

  /**
   * The first `heldBytes` of the file at `path` are read again: they are hashed like all that follow. Without a hasher, everything
   * is hashed inline, whatever its size.
   */
  static begin(
    path: string,
    heldBytes: number,
    sizeBytes: number | undefined,
    hasher: Hasher | undefined,
  ): RunningDigest {
    const digest = new RunningDigest(hasher, path)
    if (hasher !== undefined && Math.max(heldBytes, sizeBytes ?? 0) > inlineBytesMax) {
      digest.#followed = hasher.follow(path)
      return digest
    }
    digest.#inline = createHash('sha256')
    digest.#readTo(heldBytes)
    return digest
  }

  /** A chunk that was written at `position`; what is not the next one is read again later. */
  update(chunk: Uint8Array, position: number): void {
    if (this.#inline === undefined || position !== this.#inlineBytes) return
    this.#inline.update(chunk)
    this.#inlineBytes += chunk.length
    if (this.#hasher === undefined || this.#inlineBytes <= inlineBytesMax) return
    // Larger than it was known to be: from here on the thread does it, from the first byte.
    this.#inline = undefined
    this.#followed = this.#hasher.follow(this.#path)
  }

  /** So many bytes from the start are in the file. */
  advance(bytes: number): void {
    this.#followed?.advance(bytes)
  }

  /** All bytes are in the file. */
  async finish(sizeBytes: number): Promise<Digest> {
    const followed = this.#followed
    if (followed !== undefined) {
      const digest = await followed.finish(sizeBytes)
      this.#followed = undefined
      return digest
    }
    this.#readTo(sizeBytes)
    return digestOf(this.#inline!.digest('hex'))
  }

  abandon(): void {
    this.#followed?.abandon()
    this.#followed = undefined
  }

  #readTo(bytes: number): void {
    if (this.#inlineBytes >= bytes) return
    try {
      const fd = openSync(this.#path, 'r')
      try {
        const buffer = Buffer.allocUnsafe(Math.min(bytes - this.#inlineBytes, 1 << 20))
        while (this.#inlineBytes < bytes) {
          const wanted = Math.min(buffer.length, bytes - this.#inlineBytes)
          const read = readSync(fd, buffer, 0, wanted, this.#inlineBytes)
          if (read === 0) throw Object.assign(new Error('it is shorter than it was'), { code: 'ESHORT' })
          this.#inline!.update(buffer.subarray(0, read))
          this.#inlineBytes += read
        }
      } finally {
        closeSync(fd)
      }
    } catch (error) {
      throw fromFileSystemError(error, `cannot read ${this.#path}`)
    }
  }
}
