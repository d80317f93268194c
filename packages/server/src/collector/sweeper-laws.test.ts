/** The collector's laws (DESIGN §6) that decide about one resource, over a real store with a scripted cluster. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { present, unknown } from '../testing/scripted-lookup.ts'
import { content, fileOf, isFetchable, podOwner, stage } from '../testing/staging.ts'
import { firstUseTimeoutMs, intervalMs, needed, SweeperBench } from '../testing/sweeper-bench.ts'

let bench: SweeperBench

beforeEach(async () => {
  bench = await SweeperBench.make()
})

afterEach(() => bench.clear())

describe('law 1: no evidence means keep', () => {
  it('an unknown answer keeps everything, however long it lasts', async () => {
    await bench.start()
    bench.lookup.inSweep.set('driver', unknown)
    const record = await stage(bench.store, { a: content(10) })
    expect((await bench.sweeps(needed * 3)).report).toMatchObject({ examined: 1, kept: 1, collected: 0 })
    expect(await isFetchable(bench.store, record)).toBe(true)
    expect(bench.sweeper.explain(record.id)).toMatchObject({
      state: 'unused',
      verdict: 'keep',
      reason: expect.stringContaining('403'),
    })
    expect(bench.lookup.confirmations).toEqual([])
  })

  it('a lookup that fails keeps everything and is reported', async () => {
    await bench.start()
    const record = await stage(bench.store, { a: content(10) })
    bench.lookup.failure = new Error('connection refused')
    expect((await bench.sweeps(needed * 2)).report).toMatchObject({
      collected: 0,
      errors: ['owners: connection refused'],
    })
    expect(await bench.store.read(record.id)).toEqual(record)
  })

  it('a confirmation that is not "absent" keeps', async () => {
    await bench.start()
    const record = await stage(bench.store, { a: content(10) })
    bench.lookup.inConfirmation.set('driver', unknown)
    expect((await bench.sweeps(needed)).report.collected).toBe(0)
    expect(bench.lookup.confirmations.length).toBe(1)
    bench.lookup.inConfirmation.set('driver', present)
    expect((await bench.sweeps(1)).report.collected).toBe(0)
    expect(bench.sweeper.explain(record.id)).toMatchObject({ state: 'bound' })
    expect(await bench.store.read(record.id)).toEqual(record)
  })
})

describe('law 2: before its owner was seen, only the first-use timeout applies', () => {
  it('an unused resource whose owner is confirmed absent is collected at the timeout, not before', async () => {
    await bench.start()
    const record = await stage(bench.store, { a: content(10) })
    expect((await bench.sweeps(needed - 1)).report.collected).toBe(0)
    expect(await bench.store.read(record.id)).toEqual(record)
    bench.clock.advance(intervalMs)
    expect((await bench.sweeps(1)).report).toMatchObject({ examined: 1, collected: 1, kept: 0 })
    expect(await bench.store.read(record.id)).toBeUndefined()
    expect(await bench.harness.leftovers(bench.store)).toEqual([])
    expect(bench.sweeper.status().usage).toMatchObject({ resources: 0, blobs: 0, bytes: 0 })
  })

  it('its clock runs only while sweeps bring evidence', async () => {
    await bench.start()
    const record = await stage(bench.store, { a: content(10) })
    await bench.sweeps(needed - 2)
    bench.clock.advance(intervalMs)
    bench.lookup.inSweep.set('driver', unknown)
    await bench.sweeps(needed * 2)
    bench.clock.advance(intervalMs)
    bench.lookup.inSweep.delete('driver')
    // The sweep after the gap only starts the clock again: nobody looked in between.
    expect((await bench.sweeps(2)).report.collected).toBe(0)
    bench.clock.advance(intervalMs)
    expect((await bench.sweeps(1)).report.collected).toBe(1)
    expect(await bench.store.read(record.id)).toBeUndefined()
  })

  it('a machine that slept has not looked', async () => {
    await bench.start()
    await stage(bench.store, { a: content(10) })
    await bench.sweeps(2)
    bench.clock.advance(100 * firstUseTimeoutMs)
    expect((await bench.sweeps(1)).report.collected).toBe(0)
  })

  it('every fetch starts it anew', async () => {
    await bench.start()
    const record = await stage(bench.store, { a: content(10) })
    await bench.sweeps(needed - 1)
    await bench.store.touch(record.id)
    await bench.events
    expect((await bench.sweeps(needed - 1)).report.collected).toBe(0)
    bench.clock.advance(intervalMs)
    expect((await bench.sweeps(1)).report.collected).toBe(1)
  })

  it('a fetch while the confirmation is under way keeps the resource', async () => {
    await bench.start()
    const record = await stage(bench.store, { a: content(10) })
    bench.lookup.beforeConfirmation = () => bench.store.touch(record.id)
    expect((await bench.sweeps(needed)).report.collected).toBe(0)
    expect(await isFetchable(bench.store, record)).toBe(true)
  })

  it('an owner that was seen once protects the resource from the first-use timeout', async () => {
    await bench.start()
    const record = await stage(bench.store, { a: content(10) })
    bench.lookup.inSweep.set('driver', present)
    await bench.sweeps(2)
    expect(bench.sweeper.explain(record.id)).toMatchObject({
      state: 'bound',
      reason: 'kept: its owner Pod spark/driver is there',
    })
    bench.lookup.inSweep.set('driver', unknown)
    expect((await bench.sweeps(needed * 3)).report.collected).toBe(0)
    expect(bench.sweeper.explain(record.id)).toMatchObject({
      state: 'bound',
      verdict: 'keep',
      reason: expect.stringContaining('403'),
    })
  })

  it('any of several owners keeps the resource', async () => {
    await bench.start()
    const upload = await bench.store.create({
      owners: [podOwner('spark', 'gone'), podOwner('spark', 'here')],
      files: [],
    })
    await bench.store.commit(upload.id)
    await bench.events
    bench.lookup.inSweep.set('here', present)
    expect((await bench.sweeps(needed * 2)).report.collected).toBe(0)
  })

  it('a new owner of a resource is a new question', async () => {
    await bench.start()
    const record = await stage(bench.store, { a: content(10) })
    await bench.sweeps(needed - 1)
    await bench.store.update(record.id, (current) => ({ ...current, owners: [podOwner('spark', 'other')] }))
    await bench.events
    expect((await bench.sweeps(needed - 1)).report.collected).toBe(0)
    expect(bench.lookup.sweeps.at(-1)).toEqual([{ owner: podOwner('spark', 'other') }])
  })

  it('after a restart the clock begins anew', async () => {
    await bench.start()
    const record = await stage(bench.store, { a: content(10) })
    await bench.sweeps(needed - 1)
    await bench.restart()
    expect((await bench.sweeps(needed - 1)).report.collected).toBe(0)
    expect(await bench.store.read(record.id)).toEqual(record)
  })
})

describe('law 5: the store is bound to its cluster', () => {
  it("another cluster's absence collects nothing, also after a restart", async () => {
    await bench.start()
    const record = await stage(bench.store, { a: content(10) })
    await bench.sweeps(1)
    bench.lookup.uid = 'cluster-2'
    for (const again of [false, true]) {
      if (again) await bench.restart()
      const outcome = await bench.sweeps(needed * 2)
      expect(outcome).toMatchObject({ cluster: 'cluster-1', report: { collected: 0 } })
      expect(bench.sweeper.status()).toMatchObject({
        pauseCode: 'other-cluster',
        paused: 'the store is bound to the cluster cluster-1, and this is the cluster cluster-2',
      })
      await expect(bench.sweeper.release()).rejects.toMatchObject({ kind: 'conflict', code: 'other-cluster' })
    }
    bench.lookup.uid = 'cluster-1'
    expect((await bench.sweeps(needed)).report.collected).toBe(1)
    expect(await bench.store.read(record.id)).toBeUndefined()
  })

  it('absence in a cluster that does not say which it is collects nothing', async () => {
    await bench.start()
    await stage(bench.store, { a: content(10) })
    bench.lookup.uid = undefined
    expect((await bench.sweeps(needed * 2)).report.collected).toBe(0)
  })
})

describe('law 6: one question for all', () => {
  it('a sweep asks once, and for each owner once', async () => {
    await bench.start()
    for (let index = 0; index < 20; index++)
      await stage(bench.store, { a: content(10, index + 1) }, podOwner('spark', `driver-${index % 3}`))
    await bench.sweeps(1)
    expect(bench.lookup.sweeps.length).toBe(1)
    expect(bench.lookup.sweeps[0]!.length).toBe(3)
    expect(bench.lookup.confirmations).toEqual([])
  })
})

describe('law 7: clocks may jump without consequence', () => {
  it('a wall clock that jumps ahead by years expires nothing', async () => {
    await bench.start()
    const record = await stage(bench.store, { a: content(10) })
    const upload = await bench.store.create({ owners: [podOwner()], files: [fileOf('b', content(20, 2))] })
    await bench.sweeps(2)
    bench.clock.jump(10 * 365 * 86_400_000)
    expect((await bench.sweeps(1)).report).toMatchObject({ collected: 0, abandonedUploads: 0 })
    bench.clock.jump(-20 * 365 * 86_400_000)
    expect((await bench.sweeps(1)).report).toMatchObject({ collected: 0, abandonedUploads: 0 })
    expect(await bench.store.read(record.id)).toEqual(record)
    await bench.store.abort(upload.id)
  })
})
