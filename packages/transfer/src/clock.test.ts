/** Time that is told, and time that passes. */
import { describe, expect, it } from 'vitest'
import { abortReason, ManualClock, systemClock } from './clock.ts'

describe('the manual clock', () => {
  it('wakes sleepers in the order of their time, and only those that are due', async () => {
    const clock = new ManualClock()
    const woken: string[] = []
    void clock.sleep(20).then(() => woken.push('late'))
    void clock.sleep(10).then(() => woken.push('early'))
    void clock.sleep(31).then(() => woken.push('never'))
    clock.advance(30)
    await Promise.resolve()
    expect(woken).toEqual(['early', 'late'])
    expect(clock.sleeping).toBe(1)
  })

  it('keeps monotonic time when the wall clock jumps', () => {
    const clock = new ManualClock()
    const wall = clock.now()
    clock.jump(-3_600_000)
    expect(clock.monotonic()).toBe(0)
    expect(clock.now()).toBe(wall - 3_600_000)
  })
})

describe.each([
  ['the system clock', () => systemClock],
  ['the manual clock', () => new ManualClock()],
])('%s', (_, make) => {
  it('ends a sleep with the reason of the signal, before or while it sleeps', async () => {
    const clock = make()
    const before = AbortSignal.abort()
    await expect(clock.sleep(60_000, before)).rejects.toMatchObject({ kind: 'interrupted', code: 'aborted' })
    const stop = new AbortController()
    const sleep = clock.sleep(60_000, stop.signal)
    stop.abort(new Error('enough'))
    await expect(sleep).rejects.toMatchObject({ kind: 'interrupted', cause: new Error('enough') })
  })
})

describe('the reason of an abort', () => {
  it('is our own error unchanged, and anything else as its cause', () => {
    const own = abortReason(AbortSignal.abort())
    expect(own.code).toBe('aborted')
    expect(abortReason(AbortSignal.abort(own))).toBe(own)
  })
})
