/** Notices a transfer that has come to a halt: too few bytes in a whole window, not only none at all. */
import { SupercargoError } from '@supercargo/protocol'
import { abortReason } from '@supercargo/transfer'

/** Slower than this for a whole window is a stall, whatever trickles. */
export const bytesPerSecondMin = 1024

export class StallWatch {
  readonly #stop = new AbortController()
  readonly #windowMs: number
  readonly #name: string
  readonly #outer: AbortSignal
  readonly #forward: () => void
  #timer: NodeJS.Timeout | undefined
  #bytes = 0

  /** Aborts its own `signal` on a stall, and when `outer` aborts. Call `stop` in the end. */
  constructor(windowMs: number, name: string, outer: AbortSignal) {
    this.#windowMs = windowMs
    this.#name = name
    this.#outer = outer
    this.#forward = () => this.#stop.abort(abortReason(outer))
    if (outer.aborted) this.#forward()
    else outer.addEventListener('abort', this.#forward, { once: true })
  }

  get signal(): AbortSignal {
    return this.#stop.signal
  }

  saw(bytes: number): void {
    this.#bytes += bytes
    this.#timer ??= setInterval(() => this.#check(), this.#windowMs).unref()
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#outer.removeEventListener('abort', this.#forward)
  }

  #check(): void {
    const bytes = this.#bytes
    this.#bytes = 0
    if (bytes >= (bytesPerSecondMin * this.#windowMs) / 1000) return
    this.#stop.abort(
      new SupercargoError('interrupted', 'stalled', `${this.#name}: ${bytes} bytes in ${this.#windowMs} ms`),
    )
  }
}
