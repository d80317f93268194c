/** The one place where anything is tried again: classes of failure, jittered backoff, a total deadline. */
import { type SupercargoError, toSupercargoError } from '@supercargo/protocol'
import { type Clock, systemClock } from './clock.ts'

export interface RetryOptions {
  /** Failures in a row, without any progress between them, until the last one is the result. */
  readonly attemptsMax: number
  /** On the clock's monotonic scale. No attempt begins after it. */
  readonly deadlineAtMs?: number | undefined
  readonly signal?: AbortSignal | undefined
  readonly clock?: Clock
  /** 0 to 1; injected by tests. */
  readonly random?: () => number
  /** True when the failed attempt moved bytes that need not be moved again: then it does not count and there is no long wait. */
  readonly progressed?: () => boolean
  readonly onRetry?: (failure: SupercargoError, attempt: number, delayMs: number) => void
}

const delayBaseMs = 200
const delayMaxMs = 10_000

/**
 * Runs `attempt` until it succeeds, fails for good, or time or tries run out. Only failures whose kind says so are tried
 * again (`unavailable`, `interrupted`), after min(10 s, 200 ms · 2^n) with full jitter, never sooner than the other side's
 * Retry-After. The last failure is thrown as it is.
 */
export async function withRetry<T>(attempt: (attempt: number) => Promise<T>, options: RetryOptions): Promise<T> {
  const clock = options.clock ?? systemClock
  const random = options.random ?? Math.random
  let failures = 0
  for (let number = 1; ; number++) {
    try {
      return await attempt(number)
    } catch (error) {
      if (options.signal?.aborted) throw error
      const failure = toSupercargoError(error)
      if (!failure.retry) throw failure
      failures = options.progressed?.() === true ? 0 : failures + 1
      if (failures >= options.attemptsMax) throw failure
      const backoffMs = random() * Math.min(delayMaxMs, delayBaseMs * 2 ** Math.min(failures, 10))
      const delayMs = Math.max(failures === 0 ? 0 : backoffMs, failure.retryAfterMs ?? 0)
      if (options.deadlineAtMs !== undefined && clock.monotonic() + delayMs >= options.deadlineAtMs) throw failure
      options.onRetry?.(failure, number, delayMs)
      if (delayMs > 0) await clock.sleep(delayMs, options.signal)
    }
  }
}

/**
 * `Retry-After` (RFC 9110 section 10.2.3), seconds or an HTTP date, as milliseconds from now; undefined when absent,
 * malformed or in the past. At most an hour: a farther date means "not today", and the caller's deadline decides.
 */
export function parseRetryAfter(field: string | undefined, nowMs: number): number | undefined {
  if (field === undefined) return undefined
  const ms = /^\d+$/.test(field.trim()) ? Number(field) * 1000 : Date.parse(field) - nowMs
  return ms > 0 ? Math.min(ms, 3_600_000) : undefined
}
