/** The digest of a file while it arrives: inline for small files, on the hasher's thread for large ones. */
import { createHash, type Hash } from 'node:crypto'
import { closeSync, openSync, readSync } from 'node:fs'
import { type Digest, digestOf } from '@supercargo/protocol'
import { type FollowedFile, fromFileSystemError, type Hasher } from '@supercargo/transfer'

/** Hashing so much inline takes about 5 ms; to start the thread takes 15. */
export const inlineBytesMax = 8 << 20

export class RunningDigest {
  readonly #hasher: Hasher
  readonly #path: string
  #inline: Hash | undefined
  #inlineBytes = 0
  #followed: FollowedFile | undefined

  private constructor(hasher: Hasher, path: string) {
    this.#hasher = hasher
    this.#path = path
  }

  /** The first `heldBytes` of the file at `path` are read again: they are hashed like all that follow. */
  static begin(hasher: Hasher, path: string, heldBytes: number, sizeBytes: number | undefined): RunningDigest {
    const digest = new RunningDigest(hasher, path)
    if (Math.max(heldBytes, sizeBytes ?? 0) > inlineBytesMax) {
      digest.#followed = hasher.follow(path)
      return digest
    }
    digest.#inline = createHash('sha256')
    if (heldBytes > 0) digest.#readHeld(heldBytes)
    return digest
  }

  /** The next chunk, and how much of the file is written by now. */
  update(chunk: Uint8Array, writtenBytes: number): void {
    if (this.#followed !== undefined) return this.#followed.advance(writtenBytes)
    this.#inline!.update(chunk)
    this.#inlineBytes += chunk.length
    if (this.#inlineBytes <= inlineBytesMax) return
    // Larger than it was known to be: from here on the thread does it, from the first byte.
    this.#inline = undefined
    this.#followed = this.#hasher.follow(this.#path)
  }

  /** All bytes are in the file. */
  async finish(sizeBytes: number): Promise<Digest> {
    return this.#followed === undefined ? digestOf(this.#inline!.digest('hex')) : await this.#followed.finish(sizeBytes)
  }

  abandon(): void {
    this.#followed?.abandon()
  }

  #readHeld(heldBytes: number): void {
    try {
      const fd = openSync(this.#path, 'r')
      try {
        const buffer = Buffer.allocUnsafe(Math.min(heldBytes, 1 << 20))
        while (this.#inlineBytes < heldBytes) {
          const read = readSync(
            fd,
            buffer,
            0,
            Math.min(buffer.length, heldBytes - this.#inlineBytes),
            this.#inlineBytes,
          )
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
