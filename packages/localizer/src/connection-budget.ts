/** The connections of one run: every transfer has one; more are lent while there are some left. */

export class ConnectionBudget {
  readonly #max: number
  #inUse = 0

  constructor(max: number) {
    this.#max = max
  }

  /** The first of a transfer is always there: the flow bounds the transfers. */
  enter(): void {
    this.#inUse++
  }

  tryEnter(): boolean {
    if (this.#inUse >= this.#max) return false
    this.#inUse++
    return true
  }

  leave(): void {
    this.#inUse--
  }
}
