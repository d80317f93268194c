/** One at a time per key: whatever changes a resource or places a blob runs after the change before it. */

export class KeyedMutex {
  readonly #tails = new Map<string, Promise<void>>()

  async run<Result>(key: string, work: () => Promise<Result>): Promise<Result> {
    const before = this.#tails.get(key)
    const mine = before === undefined ? work() : before.then(work)
    const tail = mine.then(settled, settled)
    this.#tails.set(key, tail)
    try {
      return await mine
    } finally {
      if (this.#tails.get(key) === tail) this.#tails.delete(key)
    }
  }
}

function settled(): void {}
