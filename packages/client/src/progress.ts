/** What a flow tells about its way, for whoever draws it. */

export interface Progress {
  /** `hashing` reads local files, `sending` is bytes to the server, `fetching` bytes from it. */
  readonly phase: 'hashing' | 'sending' | 'fetching'
  readonly bytes: number
  /** Grows while files are still being found. */
  readonly bytesTotal: number
}

export type OnProgress = (progress: Progress) => void

/** Bytes of many transfers as one number; a transfer that starts over takes its bytes back. */
export class ProgressMeter {
  readonly #phase: Progress['phase']
  readonly #onProgress: OnProgress | undefined
  #bytes = 0
  #total: number

  constructor(phase: Progress['phase'], bytesTotal: number, onProgress: OnProgress | undefined) {
    this.#phase = phase
    this.#total = bytesTotal
    this.#onProgress = onProgress
  }

  expect(bytes: number): void {
    this.#total += bytes
  }

  /** Negative when bytes have to move again. */
  add(bytes: number): void {
    this.#bytes += bytes
    this.#onProgress?.({ phase: this.#phase, bytes: this.#bytes, bytesTotal: this.#total })
  }
}
