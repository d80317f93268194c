/** Runs many things, a few at a time; the first failure stops the rest and is the one reported. */
import { abortReason } from './clock.ts'

/**
 * Calls `work` for every item with at most `limit` at a time. On the first failure no further item begins, the signal
 * given to the others aborts, and when they have ended the first failure is thrown.
 */
export async function forEachLimited<T>(
  items: Iterable<T> | AsyncIterable<T>,
  limit: number,
  work: (item: T, signal: AbortSignal) => Promise<void>,
  signal?: AbortSignal,
): Promise<void> {
  const stop = new AbortController()
  const forward = () => stop.abort(signal?.reason)
  if (signal?.aborted) forward()
  signal?.addEventListener('abort', forward, { once: true })
  const iterator = Symbol.asyncIterator in items ? items[Symbol.asyncIterator]() : items[Symbol.iterator]()
  let failure: { error: unknown } | undefined
  const fail = (error: unknown): void => {
    failure ??= { error }
    stop.abort(error)
  }
  const lane = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      const next = await iterator.next()
      if (next.done === true || stop.signal.aborted) return
      await work(next.value, stop.signal)
    }
  }
  try {
    await Promise.all(Array.from({ length: Math.max(1, limit) }, () => lane().catch(fail)))
    if (signal?.aborted) throw abortReason(signal)
    if (failure !== undefined) throw failure.error
  } finally {
    signal?.removeEventListener('abort', forward)
    if (failure !== undefined || stop.signal.aborted) await iterator.return?.()
  }
}

/** At most `limit` holders at a time, first come first served. */
export class Semaphore {
  #free: number
  readonly #waiting: (() => void)[] = []

  constructor(limit: number) {
    this.#free = limit
  }

  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--
    else await new Promise<void>((resolve) => this.#waiting.push(resolve))
    try {
      return await work()
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#free++
      else next()
    }
  }
}
