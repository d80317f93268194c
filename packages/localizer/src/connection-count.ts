/** How many connections one file is worth: one as long as it is quick, several where they bring more than one does. Pure. */

/** One connection that brings as much is not what holds a transfer up. */
export const quickBytesPerSecond = 100 * 2 ** 20
const windowMs = 150
/** New connections need a few round trips before they say anything. */
const trialMs = 600
/** More than this by several connections together, and each of them was a limit. */
const gainMin = 1.3
const againMs = 10_000

export class ConnectionCount {
  #state: 'one' | 'trial' | 'many' = 'one'
  #sinceMs: number | undefined
  #sinceBytes = 0
  #rateOfOne = 0
  #wasQuick = false
  #notBeforeMs = 0

  /** Call it every now and then with all the bytes so far. True: as many as there may be; false: one. */
  observe(bytes: number, nowMs: number): boolean {
    if (this.#sinceMs === undefined) {
      if (bytes === 0) return false
      this.#mark(bytes, nowMs)
    }
    const elapsedMs = nowMs - this.#sinceMs!
    const rate = ((bytes - this.#sinceBytes) / Math.max(1, elapsedMs)) * 1000
    if (this.#state === 'one' && elapsedMs >= windowMs) {
      // A window in which it became slow says too much of what one brings.
      if (rate < quickBytesPerSecond && !this.#wasQuick && nowMs >= this.#notBeforeMs) {
        this.#state = 'trial'
        this.#rateOfOne = rate
      }
      this.#wasQuick = rate >= quickBytesPerSecond
      this.#mark(bytes, nowMs)
    } else if (this.#state === 'trial' && elapsedMs >= trialMs) {
      this.#state = rate >= gainMin * this.#rateOfOne ? 'many' : 'one'
      this.#notBeforeMs = nowMs + againMs
      this.#mark(bytes, nowMs)
    }
    return this.#state !== 'one'
  }

  #mark(bytes: number, nowMs: number): void {
    this.#sinceMs = nowMs
    this.#sinceBytes = bytes
  }
}
