/** Answers kept for seconds, by key: bounded, as are the questions under way; asked once however many wait. Failures are never kept. */
import { SupercargoError } from '@supercargo/protocol'
import { abortReason } from './api-error.ts'

export interface ShortCache<T> {
  /**
   * `ask` is shared by all who wait for the key: its signal aborts only when none of them waits any more. Kind `unavailable`,
   * code `too-many-questions`, when too many others are asked already: who floods us must not flood the API server.
   */
  get(key: string, ask: (shared: AbortSignal) => Promise<T>, signal: AbortSignal): Promise<T>
}

export interface ShortCacheOptions<T> {
  /** Milliseconds on a monotonic scale. */
  readonly now: () => number
  readonly entriesMax: number
  readonly keptForMs: (value: T) => number
  /** Questions under way at one time. */
  readonly askingMax?: number
}

/** Far above what the connections to the API server can carry at a time, and what a deadline lets through. */
const askingMaxDefault = 256
const retryAfterMs = 1000

interface Asking<T> {
  readonly answer: Promise<T>
  readonly stop: AbortController
  waiting: number
}

export function fromShortCache<T>(options: ShortCacheOptions<T>): ShortCache<T> {
  const { now, entriesMax, keptForMs, askingMax = askingMaxDefault } = options
  const kept = new Map<string, { readonly value: T; readonly untilMs: number }>()
  const asked = new Map<string, Asking<T>>()

  function keep(key: string, value: T, askedAtMs: number): void {
    kept.delete(key)
    if (kept.size >= entriesMax) for (const [old, { untilMs }] of kept) if (untilMs <= now()) kept.delete(old)
    if (kept.size >= entriesMax) kept.delete(kept.keys().next().value!)
    // From when it was asked: the answer may be as old as that.
    kept.set(key, { value, untilMs: askedAtMs + keptForMs(value) })
  }

  function begin(key: string, ask: (shared: AbortSignal) => Promise<T>): Asking<T> {
    const stop = new AbortController()
    const askedAtMs = now()
    const answer = ask(stop.signal).then(
      (value) => {
        if (asked.get(key)?.stop === stop) asked.delete(key)
        keep(key, value, askedAtMs)
        return value
      },
      (error: unknown) => {
        if (asked.get(key)?.stop === stop) asked.delete(key)
        throw error
      },
    )
    const asking = { answer, stop, waiting: 0 }
    asked.set(key, asking)
    return asking
  }

  return {
    get: (key, ask, signal) => {
      const entry = kept.get(key)
      if (entry !== undefined && now() < entry.untilMs) return Promise.resolve(entry.value)
      if (signal.aborted) return Promise.reject(abortReason(signal))
      if (!asked.has(key) && asked.size >= askingMax) return Promise.reject(tooManyQuestions(askingMax))
      const asking = asked.get(key) ?? begin(key, ask)
      asking.waiting++
      return new Promise((resolve, reject) => {
        const leave = (): void => {
          signal.removeEventListener('abort', stopped)
          if (--asking.waiting > 0) return
          if (asked.get(key) === asking) asked.delete(key)
          asking.stop.abort()
        }
        const stopped = (): void => {
          leave()
          reject(abortReason(signal))
        }
        signal.addEventListener('abort', stopped, { once: true })
        asking.answer.then(resolve, reject).finally(() => {
          if (!signal.aborted) leave()
        })
      })
    },
  }
}

function tooManyQuestions(askingMax: number): SupercargoError {
  const says = `the cluster is being asked ${askingMax} questions already`
  return new SupercargoError('unavailable', 'too-many-questions', says, { retryAfterMs })
}
