import { utimes } from 'node:fs/promises'
import { ManualClock } from '@supercargo/transfer'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { DiskStore } from '../store/disk-store.ts'
import type { ResourceRecord } from '../store/store.ts'
import type { StoreEvent } from '../store/store-events.ts'
import { blobPath, type DiskHarness, diskHarness } from '../testing/disk-harness.ts'
import { present, ScriptedLookup, unknown } from '../testing/scripted-lookup.ts'
import {
  content,
  digest,
  fileOf,
  isFetchable,
  noLimits,
  podOwner,
  sendBlob,
  stage,
  writeAll,
} from '../testing/staging.ts'
import type { RemoteMaintenance } from './sweep.ts'
import { Sweeper } from './sweeper.ts'

const intervalMs = 60_000
const firstUseTimeoutMs = 1_800_000

let harness: DiskHarness
let store: DiskStore
let clock: ManualClock
let lookup: ScriptedLookup
let sweeper: Sweeper
let events: Promise<unknown>
let log: { level: string; message: string; fields: Readonly<Record<string, unknown>> }[]

beforeEach(async () => {
  harness = await diskHarness()
  clock = new ManualClock(Date.now())
  lookup = new ScriptedLookup()
  log = []
  events = Promise.resolve()
})

afterEach(async () => {
  await sweeper.stop()
  await store.close()
  await harness.remove()
})

async function start(options: { dryRun?: boolean } = {}): Promise<void> {
  const onEvent = (event: StoreEvent) => {
    events = events.then(() => sweeper.apply([event]))
  }
  store = await harness.openDisk({ limits: noLimits, clock, onEvent })
  sweeper = new Sweeper({
    directory: harness.directory,
    lookup,
    maintenance: remote(store),
    clock,
    intervalMs,
    firstUseTimeoutMs,
    dryRun: options.dryRun ?? false,
    log: (level, message, fields) => log.push({ level, message, fields }),
  })
  // Sweeps are asked for by the tests; the schedule has its own.
  await sweeper.index.build(store.maintenance.sequence(), store.maintenance.uploads())
}

async function restart(): Promise<void> {
  await sweeper.stop()
  await events
  await store.close()
  await start()
}

/** `count` sweeps, one interval apart. */
async function sweeps(count: number) {
  let outcome = await sweepAndSettle()
  for (let done = 1; done < count; done++) {
    clock.advance(intervalMs)
    outcome = await sweepAndSettle()
  }
  return outcome
}

async function sweepAndSettle() {
  const outcome = await sweeper.sweepNow()
  await events
  return outcome
}

/** As from another thread: every answer a promise. */
function remote({ maintenance }: DiskStore): RemoteMaintenance {
  return new Proxy(
    {},
    {
      get:
        (_, method: keyof typeof maintenance) =>
        async (...parameters: never[]) =>
          (maintenance[method] as (...all: never[]) => unknown)(...parameters),
    },
  ) as RemoteMaintenance
}

const needed = firstUseTimeoutMs / intervalMs + 1

describe('law 1: no evidence means keep', () => {
  it('an unknown answer keeps everything, however long it lasts', async () => {
    await start()
    lookup.inSweep.set('driver', unknown)
    const record = await stage(store, { a: content(10) })
    expect((await sweeps(needed * 3)).report).toMatchObject({ examined: 1, kept: 1, collected: 0 })
    expect(await isFetchable(store, record)).toBe(true)
    expect(sweeper.explain(record.id)).toMatchObject({
      state: 'unused',
      verdict: 'keep',
      reason: expect.stringContaining('403'),
    })
    expect(lookup.confirmations).toEqual([])
  })

  it('a lookup that fails keeps everything and is reported', async () => {
    await start()
    const record = await stage(store, { a: content(10) })
    lookup.failure = new Error('connection refused')
    expect((await sweeps(needed * 2)).report).toMatchObject({ collected: 0, errors: ['owners: connection refused'] })
    expect(await store.read(record.id)).toEqual(record)
  })

  it('a confirmation that is not "absent" keeps', async () => {
    await start()
    const record = await stage(store, { a: content(10) })
    lookup.inConfirmation.set('driver', unknown)
    expect((await sweeps(needed)).report.collected).toBe(0)
    expect(lookup.confirmations.length).toBe(1)
    lookup.inConfirmation.set('driver', present)
    expect((await sweeps(1)).report.collected).toBe(0)
    expect(sweeper.explain(record.id)).toMatchObject({ state: 'bound' })
    expect(await store.read(record.id)).toEqual(record)
  })
})

describe('law 2: before its owner was seen, only the first-use timeout applies', () => {
  it('an unused resource whose owner is confirmed absent is collected at the timeout, not before', async () => {
    await start()
    const record = await stage(store, { a: content(10) })
    expect((await sweeps(needed - 1)).report.collected).toBe(0)
    expect(await store.read(record.id)).toEqual(record)
    clock.advance(intervalMs)
    expect((await sweepAndSettle()).report).toMatchObject({ examined: 1, collected: 1, kept: 0 })
    expect(await store.read(record.id)).toBeUndefined()
    expect(await harness.leftovers(store)).toEqual([])
    expect(sweeper.status().usage).toMatchObject({ resources: 0, blobs: 0, bytes: 0 })
  })

  it('its clock runs only while sweeps bring evidence', async () => {
    await start()
    const record = await stage(store, { a: content(10) })
    await sweeps(needed - 2)
    clock.advance(intervalMs)
    lookup.inSweep.set('driver', unknown)
    await sweeps(needed * 2)
    clock.advance(intervalMs)
    lookup.inSweep.delete('driver')
    // The sweep after the gap only starts the clock again: nobody looked in between.
    expect((await sweeps(2)).report.collected).toBe(0)
    clock.advance(intervalMs)
    expect((await sweeps(1)).report.collected).toBe(1)
    expect(await store.read(record.id)).toBeUndefined()
  })

  it('a machine that slept has not looked', async () => {
    await start()
    await stage(store, { a: content(10) })
    await sweeps(2)
    clock.advance(100 * firstUseTimeoutMs)
    expect((await sweepAndSettle()).report.collected).toBe(0)
  })

  it('every fetch starts it anew', async () => {
    await start()
    const record = await stage(store, { a: content(10) })
    await sweeps(needed - 1)
    await store.touch(record.id)
    await events
    expect((await sweeps(needed - 1)).report.collected).toBe(0)
    clock.advance(intervalMs)
    expect((await sweepAndSettle()).report.collected).toBe(1)
  })

  it('a fetch while the confirmation is under way keeps the resource', async () => {
    await start()
    const record = await stage(store, { a: content(10) })
    lookup.beforeConfirmation = () => store.touch(record.id)
    expect((await sweeps(needed)).report.collected).toBe(0)
    expect(await isFetchable(store, record)).toBe(true)
  })

  it('an owner that was seen once protects the resource from the first-use timeout', async () => {
    await start()
    const record = await stage(store, { a: content(10) })
    lookup.inSweep.set('driver', present)
    await sweeps(2)
    expect(sweeper.explain(record.id)).toMatchObject({
      state: 'bound',
      reason: 'kept: its owner Pod spark/driver is there',
    })
    lookup.inSweep.delete('driver')
    expect((await sweeps(needed * 3)).report.collected).toBe(0)
    expect(sweeper.explain(record.id)).toMatchObject({
      state: 'bound',
      verdict: 'keep',
      reason: expect.stringContaining('is not at the moment'),
    })
  })

  it('any of several owners keeps the resource', async () => {
    await start()
    const upload = await store.create({ owners: [podOwner('spark', 'gone'), podOwner('spark', 'here')], files: [] })
    await store.commit(upload.id)
    await events
    lookup.inSweep.set('here', present)
    expect((await sweeps(needed * 2)).report.collected).toBe(0)
  })

  it('a new owner of a resource is a new question', async () => {
    await start()
    const record = await stage(store, { a: content(10) })
    await sweeps(needed - 1)
    await store.update(record.id, (current) => ({ ...current, owners: [podOwner('spark', 'other')] }))
    await events
    expect((await sweeps(needed - 1)).report.collected).toBe(0)
    expect(lookup.sweeps.at(-1)).toEqual([{ owner: podOwner('spark', 'other') }])
  })

  it('after a restart the clock begins anew', async () => {
    await start()
    const record = await stage(store, { a: content(10) })
    await sweeps(needed - 1)
    await restart()
    expect((await sweeps(needed - 1)).report.collected).toBe(0)
    expect(await store.read(record.id)).toEqual(record)
  })
})

describe('law 5: the store is bound to its cluster', () => {
  it("another cluster's absence collects nothing, also after a restart", async () => {
    await start()
    const record = await stage(store, { a: content(10) })
    await sweeps(1)
    lookup.uid = 'cluster-2'
    for (const again of [false, true]) {
      if (again) await restart()
      const outcome = await sweeps(needed * 2)
      expect(outcome).toMatchObject({
        cluster: 'cluster-1',
        paused: 'the store is bound to the cluster cluster-1, and this is the cluster cluster-2',
      })
      expect(outcome.report.collected).toBe(0)
      expect(sweeper.status().paused).toContain('cluster-2')
    }
    lookup.uid = 'cluster-1'
    expect((await sweeps(needed)).report.collected).toBe(1)
    expect(await store.read(record.id)).toBeUndefined()
  })

  it('absence in a cluster that does not say which it is collects nothing', async () => {
    await start()
    await stage(store, { a: content(10) })
    lookup.uid = undefined
    expect((await sweeps(needed * 2)).report.collected).toBe(0)
  })
})

describe('law 6: one question for all', () => {
  it('a sweep asks once, and for each owner once', async () => {
    await start()
    for (let index = 0; index < 20; index++)
      await stage(store, { a: content(10, index + 1) }, podOwner('spark', `driver-${index % 3}`))
    await sweeps(1)
    expect(lookup.sweeps.length).toBe(1)
    expect(lookup.sweeps[0]!.length).toBe(3)
    expect(lookup.confirmations).toEqual([])
  })
})

describe('law 7: clocks may jump without consequence', () => {
  it('a wall clock that jumps ahead by years expires nothing', async () => {
    await start()
    const record = await stage(store, { a: content(10) })
    const upload = await store.create({ owners: [podOwner()], files: [fileOf('b', content(20, 2))] })
    await sweeps(2)
    clock.jump(10 * 365 * 86_400_000)
    expect((await sweepAndSettle()).report).toMatchObject({ collected: 0, abandonedUploads: 0 })
    clock.jump(-20 * 365 * 86_400_000)
    expect((await sweepAndSettle()).report).toMatchObject({ collected: 0, abandonedUploads: 0 })
    expect(await store.read(record.id)).toEqual(record)
    await store.abort(upload.id)
  })
})

describe('a sweep', () => {
  it('drops uploads to which nothing arrives for the time of the limit', async () => {
    await start()
    const bytes = content(100_000)
    const idle = await store.create({ owners: [podOwner()], files: [fileOf('a', bytes)] })
    const active = await store.create({ owners: [podOwner()], files: [fileOf('b', content(100_000, 2))] })
    const writer = await store.writeBlob(idle.id, digest(bytes))
    await writeAll(writer, bytes.subarray(0, 10))
    clock.advance(noLimits.abandonedMs - 1)
    expect((await sweepAndSettle()).report.abandonedUploads).toBe(0)
    await sendBlob(store, active.id, content(100_000, 2))
    clock.advance(1)
    expect((await sweepAndSettle()).report.abandonedUploads).toBe(1)
    expect(await store.upload(idle.id)).toBeUndefined()
    await expect(Promise.resolve(writer.write(bytes))).rejects.toMatchObject({ kind: 'interrupted' })
    await store.commit(active.id)
  })

  it('deletes blobs that no record names, once they are old enough, and none that an upload relies on', async () => {
    await start()
    const kept = content(1000, 1)
    const [orphan, young, pinned] = [content(2000, 2), content(3000, 3), content(4000, 4)]
    await stage(store, { kept })
    const aborted = await store.create({ owners: [podOwner()], files: [fileOf('a', orphan), fileOf('b', young)] })
    for (const bytes of [orphan, young]) await sendBlob(store, aborted.id, bytes)
    await store.abort(aborted.id)
    const open = await store.create({ owners: [podOwner()], files: [fileOf('p', pinned)] })
    await sendBlob(store, open.id, pinned)
    const old = Date.now() / 1000 - 3600
    for (const bytes of [orphan, pinned, kept])
      await utimes(blobPath(harness.directory, 'spark', digest(bytes)), old, old)
    expect((await sweepAndSettle()).report).toMatchObject({ orphanBlobs: 1, freedBytes: 2000 })
    expect(store.usage()).toMatchObject({ bytes: 8000, namespaces: { spark: 8000 } })
    expect(await isFetchable(store, await store.commit(open.id))).toBe(true)
    await events
    clock.advance(400_000)
    expect((await sweepAndSettle()).report).toMatchObject({ orphanBlobs: 1, freedBytes: 3000 })
    expect(store.usage()).toMatchObject({ bytes: 5000 })
  })

  it('frees the blobs of a released resource right away, unless another one names them', async () => {
    await start()
    const shared = content(1000, 1)
    const first = await stage(store, { shared, own: content(500, 2) })
    const second = await stage(store, { shared })
    await store.release(first.id)
    await events
    expect(store.usage().bytes).toBe(1000)
    expect(await isFetchable(store, second)).toBe(true)
    await store.release(second.id)
    await events
    expect(store.usage().bytes).toBe(0)
    expect(await harness.leftovers(store)).toEqual([])
  })

  it('deletes no blob at all while a record is damaged', async () => {
    await start()
    const damaged = await stage(store, { a: content(1000) })
    await store.close()
    await harness.damageRecord(damaged.id)
    await start()
    const old = Date.now() / 1000 - 3600
    await utimes(blobPath(harness.directory, 'spark', damaged.files[0]!.digest), old, old)
    const { report } = await sweepAndSettle()
    expect(report).toMatchObject({ orphanBlobs: 0, errors: [expect.stringContaining(damaged.id)] })
    expect(store.usage().bytes).toBe(1000)
    await store.release(damaged.id)
    await events
    expect((await sweepAndSettle()).report).toMatchObject({ orphanBlobs: 1, errors: [] })
  })

  it('counts the bytes of a store whose count was lost', async () => {
    await start()
    await stage(store, { a: content(1000) })
    await stage(store, { b: content(500, 2) }, podOwner('other'))
    await harness.crash(store)
    await start()
    expect(store.usage().bytes).toBe(0)
    await sweepAndSettle()
    expect(store.usage()).toMatchObject({ bytes: 1500, namespaces: { spark: 1000, other: 500 } })
    await restart()
    expect(store.usage().bytes).toBe(1500)
  })

  it('never throws: what fails is reported, and the other steps are done', async () => {
    await start()
    const record = await stage(store, { a: content(10) })
    await events
    harness.disk.die()
    const { report } = await sweeper.sweepNow()
    expect(report.errors.length).toBeGreaterThan(0)
    expect(report.examined).toBe(1)
    expect(log.at(-1)).toMatchObject({ level: 'warn', message: 'sweep done' })
    expect(sweeper.explain(record.id)).toBeDefined()
  })

  it('never overlaps, and who asks meanwhile shares the next', async () => {
    await start()
    await stage(store, { a: content(10) })
    const first = sweeper.sweepNow()
    const [second, third] = [sweeper.sweepNow(), sweeper.sweepNow()]
    expect(await second).toBe(await third)
    await first
    expect(lookup.sweeps.length).toBeLessThanOrEqual(2)
  })

  it('in a dry run says what it would collect, and collects nothing', async () => {
    await start({ dryRun: true })
    const record = await stage(store, { a: content(10) })
    expect((await sweeps(needed * 2)).report).toMatchObject({ collected: 0, kept: 1 })
    expect(await store.read(record.id)).toEqual(record)
    expect(sweeper.explain(record.id)).toMatchObject({
      verdict: 'collect',
      reason: 'collect: not used within 30 m, and its owner Pod spark/driver is absent',
    })
    await store.touch(record.id)
    await events
    expect(sweeper.explain(record.id)).toMatchObject({ verdict: 'keep' })
  })

  it('runs at once and after every interval, until it is stopped', async () => {
    await start()
    const scheduled = new Sweeper({
      directory: harness.directory,
      lookup,
      maintenance: remote(store),
      clock,
      intervalMs,
      firstUseTimeoutMs,
      dryRun: false,
      log: () => undefined,
    })
    await scheduled.start(0, [])
    for (let expected = 1; expected <= 3; expected++) {
      while (clock.sleeping === 0) await new Promise((resolve) => setImmediate(resolve))
      expect(lookup.sweeps.length).toBe(expected)
      clock.advance(intervalMs)
    }
    await scheduled.stop()
    expect(clock.sleeping).toBe(0)
  })
})

describe('the listing', () => {
  it('pages through uploads and resources by namespace and state, and names no secret', async () => {
    await start()
    const records: ResourceRecord[] = []
    for (let index = 0; index < 5; index++)
      records.push(await stage(store, { a: content(10, index + 1) }, podOwner('spark', `d${index}`)))
    await stage(store, { a: content(10) }, podOwner('other'))
    const upload = await store.create({ owners: [podOwner()], files: [fileOf('b', content(20, 9))] })
    await store.touch(records[0]!.id)
    await events
    lookup.inSweep.set('d1', present)
    await sweeps(1)
    const rows = []
    let next: string | undefined
    do {
      const page = sweeper.list({ namespace: 'spark', limit: 2, continue: next })
      expect(page.resources.length).toBeLessThanOrEqual(2)
      rows.push(...page.resources)
      next = page.continue
    } while (next !== undefined)
    expect(rows.map(({ resourceId }) => resourceId).sort()).toEqual([...records.map(({ id }) => id), upload.id].sort())
    expect(rows.find(({ resourceId }) => resourceId === records[0]!.id)).toMatchObject({
      files: 1,
      sizeBytes: 10,
      state: 'unused',
      lastFetchedAt: new Date(clock.now()).toISOString(),
    })
    expect(sweeper.list({ state: 'bound', limit: 10 }).resources.map(({ resourceId }) => resourceId)).toEqual([
      records[1]!.id,
    ])
    expect(sweeper.list({ state: 'uploading', limit: 10 }).resources).toMatchObject([
      { resourceId: upload.id, lastFetchedAt: null },
    ])
    expect(JSON.stringify(sweeper.list({ limit: 100 }))).not.toContain(records[0]!.secretHash.slice(7))
    expect(sweeper.explain('0'.repeat(26))).toBeUndefined()
    await store.abort(upload.id)
  })

  it('is the same after a restart, with the last fetch', async () => {
    await start()
    const fetched = await stage(store, { a: content(10) })
    const unfetched = await stage(store, { b: content(10, 2) })
    const upload = await store.create({ owners: [podOwner()], files: [fileOf('b', content(20, 9))] })
    clock.advance(5000)
    await store.touch(fetched.id)
    await store.update(fetched.id, (record) => ({
      ...record,
      capabilities: [{ name: 'c', hash: record.secretHash, expiresAtMs: null }],
    }))
    await events
    const before = sweeper.list({ limit: 10 })
    await restart()
    expect(sweeper.list({ limit: 10 })).toEqual(before)
    expect(before.resources.find(({ resourceId }) => resourceId === unfetched.id)?.lastFetchedAt).toBeNull()
    await store.abort(upload.id)
  })
})
