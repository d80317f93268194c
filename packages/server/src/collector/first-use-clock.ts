/** How long a resource has been unused while somebody looked: only time between two complete looks counts. */

export class FirstUseClock {
  #elapsedMs = 0
  #coveredAtMs: number | undefined

  get elapsedMs(): number {
    return this.#elapsedMs
  }

  /**
   * A look found complete evidence that no owner is there, at this instant of elapsed time. What passed since the look
   * before counts, at most `creditMsMax`: a machine that slept has not looked.
   */
  absent(atMs: number, creditMsMax: number): void {
    if (this.#coveredAtMs !== undefined) this.#elapsedMs += Math.min(atMs - this.#coveredAtMs, creditMsMax)
    this.#coveredAtMs = atMs
  }

  /** A look found no evidence: the clock stands still until two looks in a row have some. */
  pause(): void {
    this.#coveredAtMs = undefined
  }

  /** It was fetched, or its owner is there: the clock starts anew. */
  restart(): void {
    this.#elapsedMs = 0
    this.#coveredAtMs = undefined
  }
}
