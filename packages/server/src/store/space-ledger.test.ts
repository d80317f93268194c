/** Space is promised before the first byte, once, and given back. */
import { describe, expect, it } from 'vitest'
import { noLimits } from '../testing/staging.ts'
import { reservationStepBytes, SpaceLedger } from './space-ledger.ts'
import type { StoreLimits } from './store.ts'

function ledger(limits: Partial<StoreLimits>, freeBytes = 1e15): SpaceLedger {
  return new SpaceLedger({ ...noLimits, ...limits }, async () => freeBytes)
}

describe('the space ledger', () => {
  it('promises no more than the file system has, less the reserve and less what is promised already', async () => {
    const space = ledger({ freeBytesMin: 100 }, 1000)
    const first = await space.reserve(600, 'a')
    await expect(space.reserve(301, 'a')).rejects.toMatchObject({
      kind: 'exhausted',
      code: 'disk-full',
      message: expect.stringContaining('301 B needed, 300 B available'),
      context: { neededBytes: 301, availableBytes: 300 },
    })
    // Bytes that have landed are in the free bytes of the file system, and are not counted twice.
    first.landed(600)
    await space.reserve(900, 'a')
  })

  it('of many that fit alone but not together, lets through what fits', async () => {
    const space = ledger({ storeBytesMax: 1000 })
    const outcomes = await Promise.allSettled(Array.from({ length: 10 }, () => space.reserve(300, 'a')))
    expect(outcomes.filter(({ status }) => status === 'fulfilled').length).toBe(3)
    expect(space.reservedBytes).toBe(900)
  })

  it('counts blobs and promises of a namespace against its quota, and nothing of the others', async () => {
    const space = ledger({ namespaceBytesMax: 1000 })
    const first = await space.reserve(600, 'a')
    first.spend(500, 500)
    expect(first.bytes).toBe(100)
    await expect(space.reserve(401, 'a')).rejects.toMatchObject({ code: 'namespace-quota' })
    await space.reserve(400, 'a')
    await space.reserve(1000, 'b')
    expect(space.namespaces()).toEqual({ a: 500 })
  })

  it('grows in steps while there is room for a step, and to the byte when there is not', async () => {
    const space = ledger({ storeBytesMax: reservationStepBytes + 1000 })
    const growing = await space.reserve(0, undefined)
    await growing.cover(1)
    expect(growing.bytes).toBe(reservationStepBytes)
    expect(growing.cover(reservationStepBytes)).toBeUndefined()
    await growing.cover(reservationStepBytes + 1)
    expect(growing.bytes).toBe(reservationStepBytes + 1000)
    await expect(growing.cover(reservationStepBytes + 1001)).rejects.toMatchObject({ code: 'store-full' })
    growing.release()
    growing.release()
    expect(space.reservedBytes).toBe(0)
  })

  it('binds a promise to a namespace only when the quota has room', async () => {
    const space = ledger({ namespaceBytesMax: 1000 })
    await space.reserve(700, 'a')
    const late = await space.reserve(400, undefined)
    expect(() => late.bind('a')).toThrow(expect.objectContaining({ code: 'namespace-quota' }))
    late.bind('b')
    late.bind('b')
    late.spend(400, 400)
    expect(space.namespaces()).toEqual({ b: 400 })
  })

  it('a scan settles what did not change meanwhile; what did keeps the larger count until a quieter scan', () => {
    const space = ledger({})
    space.add('quiet', 100)
    space.add('busy', 100)
    const mark = space.mark
    space.add('busy', 50)
    expect(space.settle({ quiet: 70, busy: 170, found: 30 }, mark)).toBe(false)
    expect(space.namespaces()).toEqual({ quiet: 70, busy: 170, found: 30 })
    expect(space.settle({ busy: 140 }, space.mark)).toBe(true)
    expect(space.namespaces()).toEqual({ busy: 140 })
    expect(space.usedBytes).toBe(140)
  })

  it('a count that is exact is not disturbed by a scan that saw half of a change', () => {
    const space = new SpaceLedger(noLimits, async () => 1e15, true)
    space.add('a', 6000)
    const mark = space.mark
    space.add('a', -5000)
    expect(space.settle({ a: 6000 }, mark)).toBe(true)
    expect(space.namespaces()).toEqual({ a: 1000 })
    const later = space.mark
    space.add('a', -1000)
    expect(space.settle({ a: 1000 }, later)).toBe(true)
    expect(space.namespaces()).toEqual({})
  })

  it('a change that spans a scan does not mislead it', async () => {
    const space = new SpaceLedger(noLimits, async () => 1e15, true)
    space.add('a', 6000)
    const deleted = Promise.withResolvers<void>()
    const change = space.changing('a', async () => {
      await deleted.promise
      space.add('a', -5000)
    })
    const mark = space.mark
    // The blob is gone from the disk already, the count does not know it yet.
    expect(space.settle({ a: 1000 }, mark)).toBe(true)
    deleted.resolve()
    await change
    expect(space.namespaces()).toEqual({ a: 1000 })
  })

  it('keeps promises of before a restart even when the limits are lower now', async () => {
    const space = ledger({ storeBytesMax: 100 })
    const adopted = space.adopt(500, 200, 'a')
    expect(space.reservedBytes).toBe(500)
    await expect(space.reserve(1, 'a')).rejects.toMatchObject({ code: 'store-full' })
    adopted.release()
    await space.reserve(100, 'a')
  })
})
