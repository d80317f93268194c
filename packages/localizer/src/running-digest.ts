/** The digest of a file while it arrives: by the thread that receives it, or behind it by the hasher's when that has no time to spare. */
import { createHash, type Hash } from 'node:crypto'
import { closeSync, openSync, readSync } from 'node:fs'
import { type Digest, digestOf } from '@supercargo/protocol'
import { type FollowedFile, fromFileSystemError, type Hasher } from '@supercargo/transfer'

/** What is there already is read again without letting others have their turn: about 7 ms of work. */
const rereadBytesMax = 8 << 20
/** How often it is looked whether there is time to spare. */
const lookBytes = 8 << 20
/** To start the other thread, and to read the file again there, costs as much as hashing so much. */
const handedBytesMin = 64 << 20
/** Of this thread's time. What a network of 1 Gbit/s brings takes a quarter of it, hashing included. */
const busyMin = 0.6

export class RunningDigest {
  readonly #hasher: Hasher | undefined
  readonly #path: string
  readonly #sizeBytes: number
  readonly #isBusy: () => boolean
  #lookAt = lookBytes
  #inline: Hash | undefined
  #inlineBytes = 0
  #followed: FollowedFile | undefined

  private constructor(path: string, sizeBytes: number, hasher: Hasher | undefined, isBusy: () => boolean) {
    this.#path = path
    this.#sizeBytes = sizeBytes
    this.#hasher = hasher
    this.#isBusy = isBusy
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
    isBusy: () => boolean = busyMeter(),
  ): RunningDigest {
    const digest = new RunningDigest(path, sizeBytes ?? Number.POSITIVE_INFINITY, hasher, isBusy)
    if (heldBytes > rereadBytesMax && digest.#handOver()) return digest
    digest.#inline = createHash('sha256')
    digest.#readTo(heldBytes)
    return digest
  }

  /** A chunk that was written at `position`; what is not the next one is read again later. */
  update(chunk: Uint8Array, position: number): void {
    if (this.#inline === undefined) return
    if (position !== this.#inlineBytes) {
      if (this.#sizeBytes > rereadBytesMax) this.#handOver()
      return
    }
    this.#inline.update(chunk)
    this.#inlineBytes += chunk.length
    if (this.#inlineBytes < this.#lookAt) return
    this.#lookAt += lookBytes
    const isBusy = this.#isBusy()
    if (isBusy && this.#sizeBytes - this.#inlineBytes >= handedBytesMin) this.#handOver()
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

  /** From here on the thread does it, from the first byte. */
  #handOver(): boolean {
    if (this.#hasher === undefined) return false
    this.#inline = undefined
    this.#followed = this.#hasher.follow(this.#path)
    return true
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

/** Whether this thread was at work most of the time since it was last asked. */
function busyMeter(): () => boolean {
  let last = performance.eventLoopUtilization()
  return () => {
    const now = performance.eventLoopUtilization()
    const { utilization } = performance.eventLoopUtilization(now, last)
    last = now
    return utilization >= busyMin
  }
}
