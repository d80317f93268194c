/** Makes files durable behind the transfers: a few at a time on the thread pool, all of them before anything is published. */
import { Semaphore } from '@supercargo/transfer'
import type { Disk } from './disk.ts'

/** The thread pool has four threads unless told otherwise; one is left for writes. */
const syncsMax = 3

export class SyncQueue {
  readonly #disk: Disk
  readonly #semaphore = new Semaphore(syncsMax)
  readonly #open = new Set<Promise<void>>()
  #failure: { error: unknown } | undefined

  constructor(disk: Disk) {
    this.#disk = disk
  }

  /** A complete file, not written to any more. */
  add(path: string): void {
    const sync = this.#semaphore
      .run(() => (this.#failure === undefined ? this.#disk.syncPath(path) : Promise.resolve()))
      .catch((error: unknown) => {
        this.#failure ??= { error }
      })
      .finally(() => this.#open.delete(sync))
    this.#open.add(sync)
  }

  /** Resolves when all are durable; rejects with the first failure. */
  async drain(): Promise<void> {
    while (this.#open.size > 0) await Promise.all(this.#open)
    if (this.#failure !== undefined) throw this.#failure.error
  }
}
