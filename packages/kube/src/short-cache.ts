/** Answers kept for seconds, by key: bounded, and asked for once however many wait. Failures are never kept. */
import { abortReason } from './api-error.ts'

export interface ShortCache<T> {
  /** `ask` is shared by all who wait for the key: its signal aborts only when none of them waits any more. */
  get(key: string, ask: (shared: AbortSignal) => Promise<T>, signal: AbortSignal): Promise<T>
}

export interface ShortCacheOptions<T> {
  /** Milliseconds on a monotonic scale. */
  readonly now: () => number
  readonly entriesMax: number
  readonly keptForMs: (value: T) => number
}

interface Asking<T> {
  readonly answer: Promise<T>
  readonly stop: AbortController
  waiting: number
}

export function fromShortCache<T>({ now, entriesMax, keptForMs }: ShortCacheOptions<T>): ShortCache<T> {
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
