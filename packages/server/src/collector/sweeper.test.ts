/** Sweeps over a real store with a scripted cluster: what they delete and count, and what is told about it. */
import { utimes } from 'node:fs/promises'
import type { Owner } from '@supercargo/protocol'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { diskSurvey } from '../store/disk-survey.ts'
import type { ResourceRecord } from '../store/store.ts'
import { blobPath } from '../testing/disk-harness.ts'
import { present } from '../testing/scripted-lookup.ts'
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
import { intervalMs, needed, remote, SweeperBench, settings } from '../testing/sweeper-bench.ts'
import { recentSweepsMax, Sweeper } from './sweeper.ts'
import { type Turn, turnByLock } from './turn.ts'

let bench: SweeperBench

beforeEach(async () => {
  bench = await SweeperBench.make()
})

afterEach(() => bench.clear())

describe('the status', () => {
  it('keeps the latest sweeps, the newest first, and no more than a bounded number', async () => {
    await bench.start()
    await bench.sweeps(recentSweepsMax + 2)
    const { recentSweeps, lastSweep } = bench.sweeper.status()
    expect(recentSweeps).toHaveLength(recentSweepsMax)
    expect(recentSweeps[0]).toEqual(lastSweep)
    const began = recentSweeps.map(({ startedAt }) => startedAt)
    expect(began).toEqual(began.toSorted().reverse())
  })

  it('says who staged how much, and how the resources of each kind of owner are', async () => {
    await bench.start()
    const job = { namespace: 'other', apiVersion: 'batch/v1', kind: 'Job', name: 'nightly' }
    const staged = async (principal: string | undefined, owner: Owner, bytes: number) => {
      const files = [fileOf('a', content(bytes))]
      const { id } = await bench.store.create({ owners: [owner], files, principal })
      await sendBlob(bench.store, id, content(bytes))
      await bench.store.commit(id)
    }
    await staged('ann', podOwner(), 100)
    await staged('ann', podOwner('spark', 'second'), 300)
    await staged(undefined, job, 1000)
    await bench.store.create({ owners: [job], files: [fileOf('b', content(50))] })
    await bench.events
    const { stagers, kinds, states } = bench.sweeper.status()
    expect(stagers).toEqual([
      { namespace: 'other', principal: null, resources: 1, sizeBytes: 1000 },
      { namespace: 'spark', principal: 'ann', resources: 2, sizeBytes: 400 },
    ])
    const none = { uploading: 0, unused: 0, bound: 0, missing: 0, condemned: 0 }
    expect(kinds).toEqual({ Pod: { ...none, unused: 2 }, Job: { ...none, unused: 1, uploading: 1 } })
    expect(states).toEqual({ ...none, unused: 3, uploading: 1 })
  })
})

describe('a sweep', () => {
  it('drops uploads to which nothing arrives for the time of the limit', async () => {
    await bench.start()
    const bytes = content(100_000)
    const idle = await bench.store.create({ owners: [podOwner()], files: [fileOf('a', bytes)] })
    const active = await bench.store.create({ owners: [podOwner()], files: [fileOf('b', content(100_000, 2))] })
    const writer = await bench.store.writeBlob(idle.id, digest(bytes))
    await writeAll(writer, bytes.subarray(0, 10))
    bench.clock.advance(noLimits.abandonedMs - 1)
    expect((await bench.sweeps(1)).report.abandonedUploads).toBe(0)
    await sendBlob(bench.store, active.id, content(100_000, 2))
    bench.clock.advance(1)
    expect((await bench.sweeps(1)).report.abandonedUploads).toBe(1)
    expect(await bench.store.upload(idle.id)).toBeUndefined()
    await expect(Promise.resolve(writer.write(bytes))).rejects.toMatchObject({ kind: 'interrupted' })
    await bench.store.commit(active.id)
  })

  it('deletes blobs that no record names, once they are old enough, and none that an upload relies on', async () => {
    await bench.start()
    const kept = content(1000, 1)
    const [orphan, young, pinned] = [content(2000, 2), content(3000, 3), content(4000, 4)]
    await stage(bench.store, { kept })
    const aborted = await bench.store.create({ owners: [podOwner()], files: [fileOf('a', orphan), fileOf('b', young)] })
    for (const bytes of [orphan, young]) await sendBlob(bench.store, aborted.id, bytes)
    await bench.store.abort(aborted.id)
    const open = await bench.store.create({ owners: [podOwner()], files: [fileOf('p', pinned)] })
    await sendBlob(bench.store, open.id, pinned)
    const old = Date.now() / 1000 - 3600
    for (const bytes of [orphan, pinned, kept])
      await utimes(blobPath(bench.harness.directory, 'spark', digest(bytes)), old, old)
    expect((await bench.sweeps(1)).report).toMatchObject({ orphanBlobs: 1, freedBytes: 2000 })
    expect(bench.store.usage()).toMatchObject({ bytes: 8000, namespaces: { spark: 8000 } })
    expect(await isFetchable(bench.store, await bench.store.commit(open.id))).toBe(true)
    await bench.events
    bench.clock.advance(400_000)
    expect((await bench.sweeps(1)).report).toMatchObject({ orphanBlobs: 1, freedBytes: 3000 })
    expect(bench.store.usage()).toMatchObject({ bytes: 5000 })
  })

  it('frees the blobs of a released resource right away, unless another one names them', async () => {
    await bench.start()
    const shared = content(1000, 1)
    const first = await stage(bench.store, { shared, own: content(500, 2) })
    const second = await stage(bench.store, { shared })
    await bench.store.release(first.id)
    await bench.events
    expect(bench.store.usage().bytes).toBe(1000)
    expect(await isFetchable(bench.store, second)).toBe(true)
    await bench.store.release(second.id)
    await bench.events
    expect(bench.store.usage().bytes).toBe(0)
    expect(await bench.harness.leftovers(bench.store)).toEqual([])
  })

  it('deletes no blob at all while a record is damaged', async () => {
    await bench.start()
    const damaged = await stage(bench.store, { a: content(1000) })
    await bench.store.close()
    await bench.harness.damageRecord(damaged.id)
    await bench.start()
    const old = Date.now() / 1000 - 3600
    await utimes(blobPath(bench.harness.directory, 'spark', damaged.files[0]!.digest), old, old)
    const { report } = await bench.sweeps(1)
    expect(report).toMatchObject({ orphanBlobs: 0, errors: [expect.stringContaining(damaged.id)] })
    expect(bench.store.usage().bytes).toBe(1000)
    await bench.store.release(damaged.id)
    await bench.events
    expect((await bench.sweeps(1)).report).toMatchObject({ orphanBlobs: 1, errors: [] })
  })

  it('counts the bytes of a store whose count was lost', async () => {
    await bench.start()
    await stage(bench.store, { a: content(1000) })
    await stage(bench.store, { b: content(500, 2) }, podOwner('other'))
    await bench.harness.crash(bench.store)
    await bench.start()
    expect(bench.store.usage().bytes).toBe(0)
    await bench.sweeps(1)
    expect(bench.store.usage()).toMatchObject({ bytes: 1500, namespaces: { spark: 1000, other: 500 } })
    await bench.restart()
    expect(bench.store.usage().bytes).toBe(1500)
  })

  it('never throws: what fails is reported, and the other steps are done', async () => {
    await bench.start()
    const record = await stage(bench.store, { a: content(10) })
    await bench.events
    bench.harness.disk.die()
    const { report } = await bench.sweeper.sweepNow()
    expect(report.errors.length).toBeGreaterThan(0)
    expect(report.examined).toBe(1)
    expect(bench.log.at(-1)).toMatchObject({ level: 'warn', message: 'sweep done' })
    expect(bench.sweeper.explain(record.id)).toBeDefined()
  })

  it('never overlaps, and who asks meanwhile shares the next', async () => {
    await bench.start()
    await stage(bench.store, { a: content(10) })
    const first = bench.sweeper.sweepNow()
    const [second, third] = [bench.sweeper.sweepNow(), bench.sweeper.sweepNow()]
    expect(await second).toBe(await third)
    await first
    expect(bench.lookup.sweeps.length).toBeLessThanOrEqual(2)
  })

  it('in a dry run says what it would collect, and collects nothing', async () => {
    await bench.start({ dryRun: true })
    const record = await stage(bench.store, { a: content(10) })
    expect((await bench.sweeps(needed * 2)).report).toMatchObject({ collected: 0, kept: 1 })
    expect(await bench.store.read(record.id)).toEqual(record)
    expect(bench.sweeper.explain(record.id)).toMatchObject({
      verdict: 'collect',
      reason: 'collect: it was not used within 30 m, and its owner Pod spark/driver is absent',
    })
    await bench.store.touch(record.id)
    await bench.events
    expect(bench.sweeper.explain(record.id)).toMatchObject({ verdict: 'keep' })
  })

  it('runs at once and after every interval, until it is stopped', async () => {
    await bench.start()
    const scheduled = new Sweeper({
      stored: diskSurvey(bench.harness.directory),
      lookup: bench.lookup,
      maintenance: remote(bench.store),
      clock: bench.clock,
      hasCluster: true,
      ...settings,
      log: () => undefined,
    })
    await scheduled.start(0, [])
    for (let expected = 1; expected <= 3; expected++) {
      while (bench.clock.sleeping === 0) await new Promise((resolve) => setImmediate(resolve))
      expect(bench.lookup.sweeps.length).toBe(expected)
      bench.clock.advance(intervalMs)
    }
    await scheduled.stop()
    expect(bench.clock.sleeping).toBe(0)
  })
})

describe('a sweeper that waits for its turn', () => {
  it('sweeps nothing, says so, and begins when the turn comes, whoever asked it before', async () => {
    await bench.start()
    const { promise: turn, resolve } = Promise.withResolvers<Turn>()
    const waiting = new Sweeper({
      ...settings,
      ...{ stored: diskSurvey(bench.harness.directory), lookup: bench.lookup, hasCluster: true },
      ...{ maintenance: remote(bench.store), clock: bench.clock, takeTurn: () => turn, log: () => undefined },
    })
    await waiting.start(0, [])
    for (const ask of [() => waiting.sweepNow(), () => waiting.release()])
      await expect(ask()).rejects.toMatchObject({ kind: 'unavailable', code: 'not-the-sweeper' })
    expect(waiting.status().sweeping).toBe(false)
    resolve({ ...turnByLock(), epoch: 7 })
    while (waiting.status().lastSweep === null) await new Promise((next) => setImmediate(next))
    expect(waiting.status()).toMatchObject({ sweeping: true, lastSweep: { epoch: 7 } })
    // The one before is refused by the store from now on.
    await stage(bench.store, { a: content(10) })
    await bench.events
    await expect(bench.store.maintenance.collect('0'.repeat(26), 0, 0)).rejects.toMatchObject({ code: 'epoch-passed' })
    await waiting.stop()
  })
})

describe('the listing', () => {
  it('pages through uploads and resources by namespace and state, and names no secret', async () => {
    await bench.start()
    const records: ResourceRecord[] = []
    for (let index = 0; index < 5; index++)
      records.push(await stage(bench.store, { a: content(10, index + 1) }, podOwner('spark', `d${index}`)))
    await stage(bench.store, { a: content(10) }, podOwner('other'))
    const upload = await bench.store.create({ owners: [podOwner()], files: [fileOf('b', content(20, 9))] })
    await bench.store.touch(records[0]!.id)
    await bench.events
    bench.lookup.inSweep.set('d1', present)
    await bench.sweeps(1)
    const rows = []
    let next: string | undefined
    do {
      const page = bench.sweeper.list({ namespace: 'spark', limit: 2, continue: next })
      expect(page.resources.length).toBeLessThanOrEqual(2)
      rows.push(...page.resources)
      next = page.continue
    } while (next !== undefined)
    expect(rows.map(({ resourceId }) => resourceId).sort()).toEqual([...records.map(({ id }) => id), upload.id].sort())
    expect(rows.find(({ resourceId }) => resourceId === records[0]!.id)).toMatchObject({
      files: 1,
      sizeBytes: 10,
      state: 'unused',
      lastFetchedAt: new Date(bench.clock.now()).toISOString(),
    })
    expect(bench.sweeper.list({ state: 'bound', limit: 10 }).resources.map(({ resourceId }) => resourceId)).toEqual([
      records[1]!.id,
    ])
    expect(bench.sweeper.list({ state: 'uploading', limit: 10 }).resources).toMatchObject([
      { resourceId: upload.id, lastFetchedAt: null },
    ])
    expect(JSON.stringify(bench.sweeper.list({ limit: 100 }))).not.toContain(records[0]!.secretHash.slice(7))
    expect(bench.sweeper.explain('0'.repeat(26))).toBeUndefined()
    await bench.store.abort(upload.id)
  })

  it('is the same after a restart, with the last fetch', async () => {
    await bench.start()
    const fetched = await stage(bench.store, { a: content(10) })
    const unfetched = await stage(bench.store, { b: content(10, 2) })
    const upload = await bench.store.create({ owners: [podOwner()], files: [fileOf('b', content(20, 9))] })
    bench.clock.advance(5000)
    await bench.store.touch(fetched.id)
    await bench.store.update(fetched.id, (record) => ({
      ...record,
      capabilities: [{ name: 'c', hash: record.secretHash, expiresAtMs: null }],
    }))
    await bench.events
    const before = bench.sweeper.list({ limit: 10 })
    await bench.restart()
    expect(bench.sweeper.list({ limit: 10 })).toEqual(before)
    expect(before.resources.find(({ resourceId }) => resourceId === unfetched.id)?.lastFetchedAt).toBeNull()
    await bench.store.abort(upload.id)
  })
})
