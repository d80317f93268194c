/** When something is tried again, how long it waits, and when it gives up. */
import { SupercargoError } from '@supercargo/protocol'
import { describe, expect, it } from 'vitest'
import { ManualClock } from './clock.ts'
import { parseRetryAfter, type RetryOptions, withRetry } from './retry.ts'

const transient = (retryAfterMs?: number) => new SupercargoError('unavailable', 'down', 'it is down', { retryAfterMs })

/** Runs to the end while time passes whenever somebody sleeps; gives back the waits. */
async function run(
  attempt: (number: number) => Promise<string>,
  options: Partial<RetryOptions> = {},
): Promise<{ result: PromiseSettledResult<string>; waitsMs: number[]; attempts: number; clock: ManualClock }> {
  const clock = (options.clock as ManualClock | undefined) ?? new ManualClock()
  const waitsMs: number[] = []
  let attempts = 0
  let done = false
  const outcome = withRetry(
    (number) => {
      attempts = number
      return attempt(number)
    },
    { attemptsMax: 5, random: () => 1, ...options, clock, onRetry: (_, __, delayMs) => waitsMs.push(delayMs) },
  )
  const settled = Promise.allSettled([outcome]).then(([result]) => {
    done = true
    return result!
  })
  while (!done) {
    await new Promise((resolve) => setImmediate(resolve))
    if (clock.sleeping > 0) clock.advance(1000)
  }
  return { result: await settled, waitsMs, attempts, clock }
}

describe('a retry', () => {
  it('does not repeat a failure that will not pass by itself', async () => {
    for (const kind of ['invalid', 'denied', 'notFound', 'conflict', 'corrupt', 'exhausted', 'internal'] as const) {
      const failure = new SupercargoError(kind, 'for-good', 'no')
      const { result, attempts, waitsMs } = await run(() => Promise.reject(failure))
      expect(result).toMatchObject({ status: 'rejected', reason: failure })
      expect([attempts, waitsMs]).toEqual([1, []])
    }
  })

  it('treats an error that is not ours as a fault of the program and does not repeat it', async () => {
    const { result, attempts } = await run(() => Promise.reject(new TypeError('x')))
    expect(result).toMatchObject({ reason: { kind: 'internal' } })
    expect(attempts).toBe(1)
  })

  it('throws the last failure as it is when tries run out', async () => {
    const failures = Array.from({ length: 5 }, transient)
    const { result, attempts } = await run((number) => Promise.reject(failures[number - 1]))
    expect(attempts).toBe(5)
    expect((result as PromiseRejectedResult).reason).toBe(failures[4])
  })

  it('doubles its waits up to ten seconds, with full jitter', async () => {
    const { waitsMs } = await run(() => Promise.reject(transient()), { attemptsMax: 9 })
    expect(waitsMs).toEqual([400, 800, 1600, 3200, 6400, 10_000, 10_000, 10_000])
    const { waitsMs: half } = await run(() => Promise.reject(transient()), { attemptsMax: 3, random: () => 0.5 })
    expect(half).toEqual([200, 400])
    const { waitsMs: none } = await run(() => Promise.reject(transient()), { attemptsMax: 3, random: () => 0 })
    expect(none).toEqual([0, 0])
  })

  it('never comes back sooner than the other side asked', async () => {
    const { waitsMs } = await run(() => Promise.reject(transient(7000)), { attemptsMax: 2, random: () => 0 })
    expect(waitsMs).toEqual([7000])
  })

  it('does not count failures between which bytes moved, and does not wait for them', async () => {
    let moved = 0
    const { result, attempts, waitsMs } = await run(
      (number) => {
        if (number === 20) return Promise.resolve('done')
        moved++
        return Promise.reject(transient())
      },
      { attemptsMax: 2, progressed: () => moved > 0 },
    )
    expect(result).toEqual({ status: 'fulfilled', value: 'done' })
    expect(attempts).toBe(20)
    expect(new Set(waitsMs)).toEqual(new Set([0]))
  })

  it('begins no try after its deadline', async () => {
    const begun: number[] = []
    const clock = new ManualClock()
    const { result } = await run(
      () => {
        begun.push(clock.monotonic())
        return Promise.reject(transient())
      },
      { attemptsMax: 100, deadlineAtMs: 12_000, clock },
    )
    expect(result.status).toBe('rejected')
    expect(begun.length).toBeGreaterThan(3)
    expect(Math.max(...begun)).toBeLessThan(12_000)
  })

  it('ends at once when it is stopped while it waits', async () => {
    const stop = new AbortController()
    const clock = new ManualClock()
    const outcome = withRetry(() => Promise.reject(transient()), {
      attemptsMax: 5,
      clock,
      random: () => 1,
      signal: stop.signal,
    })
    while (clock.sleeping === 0) await new Promise((resolve) => setImmediate(resolve))
    stop.abort(new SupercargoError('interrupted', 'stopped', 'enough'))
    await expect(outcome).rejects.toMatchObject({ code: 'stopped' })
  })

  it('does not begin again when it is stopped while it tries', async () => {
    const stop = new AbortController()
    const { attempts, result } = await run(
      () => {
        stop.abort()
        return Promise.reject(transient())
      },
      { signal: stop.signal },
    )
    expect([attempts, result.status]).toEqual([1, 'rejected'])
  })
})

describe('Retry-After', () => {
  const now = Date.UTC(2026, 0, 1)
  it.each([
    ['3', 3000],
    [' 3 ', 3000],
    ['0', undefined],
    ['-3', undefined],
    ['1.5', undefined],
    ['soon', undefined],
    ['', undefined],
    ['999999', 3_600_000],
    [new Date(now + 5000).toUTCString(), 5000],
    [new Date(now - 5000).toUTCString(), undefined],
    [undefined, undefined],
  ])('%j is %j ms', (field, expected) => {
    expect(parseRetryAfter(field, now)).toBe(expected)
  })
})
