/** The memory of uploads on their way to a bucket: every transfer has one buffer, and a second one while there are few. */

/** Above the 5 MiB that S3 wants of a part. */
export const partBytesDefault = 8 * 2 ** 20
/** Whole buffers that are kept for the next part. */
const keptFree = 8

export class PartBudget {
  /** The smallest part but the last. */
  readonly partBytes: number
  readonly #bytesMax: number
  readonly #free: Buffer[] = []
  #takenBytes = 0

  constructor(bytesMax: number, partBytes = partBytesDefault) {
    this.#bytesMax = bytesMax
    this.partBytes = partBytes
  }

  get takenBytes(): number {
    return this.#takenBytes
  }

  /** The first buffer of a transfer: never refused, because without one it could not end. */
  take(bytes: number): Buffer {
    this.#takenBytes += bytes
    const at = this.#free.findIndex((buffer) => buffer.length === bytes)
    return at < 0 ? Buffer.allocUnsafeSlow(bytes) : this.#free.splice(at, 1)[0]!
  }

  /** A further one, or undefined: then the transfer waits for its own. */
  takeMore(bytes: number): Buffer | undefined {
    return this.#takenBytes + bytes > this.#bytesMax ? undefined : this.take(bytes)
  }

  give(buffer: Buffer): void {
    this.#takenBytes -= buffer.length
    if (this.#free.length < keptFree && buffer.length >= 1 << 20) this.#free.push(buffer)
  }
}
