/** How long evidence has covered a resource: only time between two looks that both had some counts. */

export class EvidenceClock {
  #elapsedMs = 0
  #coveredAtMs: number | undefined

  get elapsedMs(): number {
    return this.#elapsedMs
  }

  /** The latest look had evidence. */
  get running(): boolean {
    return this.#coveredAtMs !== undefined
  }

  /**
   * A look found complete evidence that nothing needs the resource, at this instant of elapsed time. What passed since the
   * look before counts, at most `creditMsMax`: a machine that slept has not looked.
   */
  covered(atMs: number, creditMsMax: number): void {
    if (this.#coveredAtMs !== undefined) this.#elapsedMs += Math.min(atMs - this.#coveredAtMs, creditMsMax)
    this.#coveredAtMs = atMs
  }

  /** A look found no evidence: the clock stands still until two looks in a row have some. */
  pause(): void {
    this.#coveredAtMs = undefined
  }

  /** It was fetched, its owner is there, or it came into another state: the clock starts anew. */
  restart(): void {
    this.#elapsedMs = 0
    this.#coveredAtMs = undefined
  }
}
