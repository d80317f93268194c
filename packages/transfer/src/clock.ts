/** Time as a dependency: wall time for records, monotonic time for durations, and a sleep that a signal ends. */
import { SupercargoError } from '@supercargo/protocol'

export interface Clock {
  /** Wall time, milliseconds since 1970 UTC. May jump; only for what is written down. */
  now(): number
  /** Milliseconds since some start; never goes back. For every duration, deadline and timeout. */
  monotonic(): number
  /** Resolves after `ms`; rejects with the signal's reason when it aborts first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  sleep: (ms, signal) =>
    new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(abortReason(signal))
      const timer = setTimeout(done, ms)
      signal?.addEventListener('abort', stop, { once: true })
      function done(): void {
        signal?.removeEventListener('abort', stop)
        resolve()
      }
      function stop(): void {
        clearTimeout(timer)
        reject(abortReason(signal!))
      }
    }),
}

/** A clock that moves only when told: for tests. Sleepers wake in order as `advance` passes them. */
export class ManualClock implements Clock {
  #now: number
  #elapsed = 0
  readonly #sleepers = new Set<{ at: number; wake: () => void }>()

  constructor(nowMs = Date.UTC(2026, 0, 1)) {
    this.#now = nowMs
  }

  now(): number {
    return this.#now
  }

  monotonic(): number {
    return this.#elapsed
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return Promise.reject(abortReason(signal))
    return new Promise((resolve, reject) => {
      const sleeper = { at: this.#elapsed + ms, wake: resolve }
      this.#sleepers.add(sleeper)
      signal?.addEventListener('abort', () => this.#sleepers.delete(sleeper) && reject(abortReason(signal)), {
        once: true,
      })
    })
  }

  /** Both clocks go forward, and due sleepers wake. */
  advance(ms: number): void {
    this.#now += ms
    this.#elapsed += ms
    for (const sleeper of [...this.#sleepers].sort((a, b) => a.at - b.at)) {
      if (sleeper.at > this.#elapsed) continue
      this.#sleepers.delete(sleeper)
      sleeper.wake()
    }
  }

  /** Only the wall clock moves, either way, as after a correction by NTP. */
  jump(ms: number): void {
    this.#now += ms
  }

  get sleeping(): number {
    return this.#sleepers.size
  }
}

/** What an aborted signal means for us: our own error when it carries one, else `interrupted`. */
export function abortReason(signal: AbortSignal): SupercargoError {
  const reason: unknown = signal.reason
  if (SupercargoError.is(reason)) return reason
  return new SupercargoError('interrupted', 'aborted', 'the operation was stopped', { cause: reason })
}
