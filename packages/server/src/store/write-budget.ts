/** The memory that all write queues of a store share: blocks that are used again, divided evenly among the queues that hold some. */

/** As large as the chunks that a socket gives. */
export const blockBytes = 64 * 2 ** 10
/** What one queue may hold at most: one batch that fills while another is written. */
const shareMax = 2 * 2 ** 20

/**
 * Nobody waits for another's bytes: a queue that holds its share waits for its own write. So no transfer can starve or
 * block the others, and the sum stays below the budget (or, where there are more transfers than blocks, one for each).
 *
 * Bytes are copied into the blocks because the buffers they come in are garbage, which is freed late when it has
 * lived for long: 32 uploads at once took 100 MiB for the 64 MiB that they held.
 */
export class WriteBudget {
  readonly #bytesMax: number
  readonly #free: Buffer[] = []
  #takenBytes = 0
  #queues = 0

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  /** Bytes that each queue may hold now. */
  get shareBytes(): number {
    return Math.max(blockBytes, Math.min(shareMax, Math.floor(this.#bytesMax / Math.max(1, this.#queues))))
  }

  /** Bytes of all blocks that are out. */
  get takenBytes(): number {
    return this.#takenBytes
  }

  /** A queue begins to hold bytes: the others' shares become smaller at once. */
  join(): void {
    this.#queues++
  }

  leave(): void {
    this.#queues--
  }

  take(): Buffer {
    this.#takenBytes += blockBytes
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(blockBytes)
  }

  /** Nobody may use the blocks any more. */
  giveBack(blocks: readonly Buffer[]): void {
    this.#takenBytes -= blocks.length * blockBytes
    for (const block of blocks) if (this.#free.length * blockBytes < this.#bytesMax) this.#free.push(block)
  }
}
