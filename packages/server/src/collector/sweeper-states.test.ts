/** From bound to missing, condemned and deleted, and every way back: sweeps over a real store with a scripted cluster. */
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { ResourceRecord } from '../store/store.ts'
import { present, unknown } from '../testing/scripted-lookup.ts'
import { content, isFetchable, podOwner, stage } from '../testing/staging.ts'
import { absentGraceMs, condemnedMs, intervalMs, needed, SweeperBench } from '../testing/sweeper-bench.ts'

/** Sweeps from the first sighting of absence to the condemnation, and from there to the deletion. */
const toCondemn = absentGraceMs / intervalMs + 1
const toDelete = condemnedMs / intervalMs

let bench: SweeperBench

beforeEach(async () => {
  bench = await SweeperBench.make()
})
afterEach(() => bench.clear())

const state = ({ id }: ResourceRecord) => bench.sweeper.explain(id)?.state
const deleted = async ({ id }: ResourceRecord) => (await bench.store.read(id)) === undefined

/** Staged, its owner seen and gone again. */
async function orphan(name = 'driver'): Promise<ResourceRecord> {
  const record = await stage(bench.store, { [name]: content(10) }, podOwner('spark', name))
  await bench.events
  bench.lookup.inSweep.set(name, present)
  await bench.sweeps(1)
  bench.lookup.inSweep.delete(name)
  return record
}

/** The next `count` sweeps, an interval after the one before. */
function next(count: number) {
  bench.clock.advance(intervalMs)
  return bench.sweeps(count)
}

async function condemned(name?: string): Promise<ResourceRecord> {
  const record = await orphan(name)
  await next(toCondemn)
  expect(state(record)).toBe('condemned')
  return record
}

describe('law 3: an owner that is gone', () => {
  it('lets its resource go after two sightings, the grace and a confirmation, not one sweep earlier', async () => {
    await bench.start()
    const record = await orphan()
    expect(state(record)).toBe('bound')
    await next(toCondemn - 1)
    expect(state(record)).toBe('missing')
    expect(bench.lookup.confirmations).toEqual([])
    expect((await next(1)).report).toMatchObject({ condemned: 1, collected: 0 })
    expect(bench.lookup.confirmations.length).toBe(1)
    expect(bench.sweeper.explain(record.id)).toMatchObject({ state: 'condemned', verdict: 'collect' })
    expect(await isFetchable(bench.store, record)).toBe(true)
    expect((await next(toDelete - 1)).report.collected).toBe(0)
    expect((await next(1)).report.collected).toBe(1)
    expect(await deleted(record)).toBe(true)
    expect(await bench.harness.leftovers(bench.store)).toEqual([])
    const lines = bench.log.filter(({ message }) => message === 'resource collected')
    expect(lines).toMatchObject([
      {
        fields: {
          resourceId: record.id,
          namespace: 'spark',
          reason: 'collect: its owner Pod spark/driver is gone',
          evidence: [
            expect.stringContaining('absent'),
            expect.stringContaining('confirmation, Pod spark/driver: absent'),
          ],
        },
      },
    ])
  })

  it('is back when any sweep or the confirmation sees it, at any point', async () => {
    await bench.start()
    const record = await orphan()
    await next(toCondemn - 1)
    bench.lookup.inConfirmation.set('driver', present)
    expect((await next(1)).report.condemned).toBe(0)
    expect(state(record)).toBe('bound')
    bench.lookup.inConfirmation.clear()
    await next(toCondemn)
    expect(state(record)).toBe('condemned')
    bench.lookup.inSweep.set('driver', present)
    await next(1)
    expect(state(record)).toBe('bound')
    expect(bench.sweeper.status().totals).toMatchObject({ revived: 1, nearMisses: 0 })
    bench.lookup.inSweep.delete('driver')
    await next(toCondemn - 1)
    expect(state(record)).toBe('missing')
  })

  it('is not gone while nobody can say so, whatever was known before', async () => {
    await bench.start()
    const record = await orphan()
    await next(toCondemn - 1)
    for (const how of [bench.lookup.inConfirmation, bench.lookup.inSweep]) {
      how.set('driver', unknown)
      await next(3 * toCondemn)
      expect(['bound', 'missing']).toContain(state(record))
      how.clear()
    }
    await next(toCondemn)
    bench.lookup.inSweep.set('driver', unknown)
    await next(2 * toDelete)
    expect(bench.sweeper.explain(record.id)).toMatchObject({ state: 'condemned', verdict: 'keep' })
    bench.lookup.inSweep.clear()
    bench.lookup.inConfirmation.set('driver', unknown)
    await next(2 * toDelete)
    expect(await deleted(record)).toBe(false)
    bench.lookup.inConfirmation.clear()
    await next(1)
    expect(await deleted(record)).toBe(true)
  })

  it('is given its grace in elapsed time that somebody looked, counted anew by each process', async () => {
    await bench.start()
    const record = await orphan()
    await next(toCondemn - 2)
    bench.clock.jump(365 * 86_400_000)
    await bench.sweeps(1)
    expect(state(record)).toBe('missing')
    await bench.restart()
    await next(toCondemn - 1)
    expect(state(record)).toBe('missing')
    await next(1)
    expect(state(record)).toBe('condemned')
  })

  it('is asked about once in a sweep, however many resources it has', async () => {
    await bench.start()
    for (let index = 0; index < 5; index++) await stage(bench.store, { a: content(10, index + 1) })
    await orphan()
    expect((await next(toCondemn)).report.condemned).toBe(6)
    expect(bench.lookup.confirmations.length).toBe(1)
  })
})

describe('law 9: a condemned resource', () => {
  it('is revived by a fetch of its bytes, which is a near miss, and lives for another grace', async () => {
    await bench.start()
    const record = await condemned()
    await next(toDelete - 1)
    await bench.store.touch(record.id)
    await bench.events
    expect(state(record)).toBe('missing')
    expect(bench.sweeper.status().totals.nearMisses).toBe(1)
    await next(toCondemn - 1)
    expect(state(record)).toBe('missing')
    await next(1)
    expect(state(record)).toBe('condemned')
    await bench.restart()
    expect(bench.sweeper.status().totals.nearMisses).toBe(1)
    await bench.sweeps(toDelete + 1)
    expect(await deleted(record)).toBe(true)
  })

  it('is never condemned while a fetch may go unnoted, however short the grace', async () => {
    const short = { absentGraceMs: 0, condemnedMs: 1, intervalMs: 1000 }
    await bench.start(short)
    const record = await orphan()
    await bench.store.touch(record.id)
    await bench.events
    for (let second = 0; second < 59; second++) {
      bench.clock.advance(1000)
      await bench.sweeper.sweepNow()
    }
    expect(state(record)).toBe('missing')
  })

  it('is kept when it is fetched while the confirmation of its deletion is under way', async () => {
    await bench.start()
    const record = await condemned()
    bench.lookup.beforeConfirmation = () => bench.store.touch(record.id)
    expect((await next(toDelete)).report.collected).toBe(0)
    await bench.events
    expect(state(record)).toBe('missing')
    expect(await isFetchable(bench.store, record)).toBe(true)
  })

  it('is still condemned after a restart, and served for its whole time again', async () => {
    await bench.start()
    const record = await condemned()
    await next(toDelete - 1)
    await bench.restart()
    expect(bench.sweeper.status().states.condemned).toBe(1)
    await bench.sweeps(toDelete)
    expect(bench.sweeper.status().states.condemned).toBe(1)
    expect(await deleted(record)).toBe(false)
    await next(1)
    expect(await deleted(record)).toBe(true)
  })
})

describe('law 4: the breaker', () => {
  async function orphans(count: number): Promise<ResourceRecord[]> {
    const records: ResourceRecord[] = []
    for (let index = 0; index < count; index++) {
      bench.lookup.inSweep.set(`d${index}`, present)
      records.push(await stage(bench.store, { a: content(10, index + 1) }, podOwner('spark', `d${index}`)))
    }
    await bench.events
    await bench.sweeps(1)
    return records
  }

  it('stops a sweep that would condemn too much, all or nothing, across restarts, until it is released once', async () => {
    await bench.start({ breakerCount: 3 })
    const records = await orphans(12)
    for (let index = 0; index < 4; index++) bench.lookup.inSweep.delete(`d${index}`)
    expect((await next(toCondemn)).report.condemned).toBe(0)
    const stopped = { pauseCode: 'breaker', paused: 'a sweep would condemn 4 of 12 bound resources, more than 3' }
    expect(bench.sweeper.status()).toMatchObject({ ...stopped, totals: { breakerTrips: 1 } })
    expect(bench.sweeper.explain(records[0]!.id)).toMatchObject({
      verdict: 'keep',
      reason: `kept: collection is stopped: ${stopped.paused}`,
    })
    await bench.restart({ breakerCount: 3 })
    expect((await bench.sweeps(3 * toCondemn)).report.condemned).toBe(0)
    expect(bench.sweeper.status()).toMatchObject({ ...stopped, states: { missing: 4, bound: 8 } })
    await bench.sweeper.release()
    expect(bench.sweeper.status()).toMatchObject({ paused: null, states: { condemned: 4 } })
    await expect(bench.sweeper.release()).rejects.toMatchObject({ code: 'not-paused' })
    for (let index = 4; index < 8; index++) bench.lookup.inSweep.delete(`d${index}`)
    await next(toCondemn)
    expect(bench.sweeper.status()).toMatchObject({ pauseCode: 'breaker', states: { condemned: 4, missing: 4 } })
  })

  it('lets go what is within its count or its share, and does not count what was never used', async () => {
    await bench.start({ breakerCount: 3, breakerFraction: 0.5 })
    await orphans(12)
    for (let index = 0; index < 6; index++) bench.lookup.inSweep.delete(`d${index}`)
    expect((await next(toCondemn)).report.condemned).toBe(6)
    for (let index = 0; index < 9; index++)
      await stage(bench.store, { a: content(10, index + 50) }, podOwner('spark', `never-${index}`))
    await bench.events
    expect((await next(needed)).report.collected).toBe(9)
    expect(bench.sweeper.status().paused).toBeNull()
  })
})

describe('law 7: what the collector remembers', () => {
  const path = () => join(bench.harness.directory, 'collector.state')

  it.each([
    ['gone', () => rm(path())],
    ['empty', () => writeFile(path(), '')],
    ['cut', () => writeFile(path(), '{"version":1')],
    ['of a newer version', () => writeFile(path(), '{"version":2}\n')],
  ])('stops everything until it is released when it is %s, and then is kept longer, not shorter', async (_, damage) => {
    await bench.start()
    const record = await orphan()
    await next(2)
    await bench.restart({}, damage)
    await bench.sweeps(2 * needed)
    expect(bench.sweeper.status()).toMatchObject({ pauseCode: 'state-lost', states: { unused: 1 } })
    await bench.restart()
    await bench.sweeps(2 * needed)
    expect(bench.sweeper.status()).toMatchObject({ pauseCode: 'state-lost' })
    await bench.sweeper.release()
    expect(state(record)).toBe('condemned')
    await next(toDelete - 1)
    expect(await deleted(record)).toBe(false)
    await next(1)
    expect(await deleted(record)).toBe(true)
  })

  it('has seen an owner for good', async () => {
    await bench.start()
    const record = await orphan()
    await bench.restart()
    await bench.sweeps(1)
    expect(state(record)).toBe('missing')
  })

  it('knows the objects that once matched labels, also after a restart', async () => {
    await bench.start()
    const owner = { namespace: 'spark', apiVersion: 'v1', kind: 'Pod', name: 'labelled', labels: { app: 'a' } }
    await stage(bench.store, { a: content(10) }, owner)
    await bench.events
    bench.lookup.inSweep.set('labelled', present)
    await bench.sweeps(1)
    await bench.restart()
    await bench.sweeps(1)
    expect(bench.lookup.sweeps.at(-1)).toEqual([{ owner, knownUids: ['uid-1'] }])
  })

  it('is written by one rename: whichever operation of the disk fails, the next sweep makes up for it', async () => {
    await bench.start()
    let failed = 0
    for (let n = 1; ; n++) {
      const record = await orphan(`d${n}`)
      await next(toCondemn - 1)
      bench.harness.disk.arm(n)
      const { report } = await next(1)
      const armed = bench.harness.disk.failed
      bench.harness.disk.arm(Number.POSITIVE_INFINITY)
      expect(report.condemned).toBe(1)
      if (report.errors.join().includes("the collector's memory")) failed++
      await next(1)
      await bench.restart()
      await bench.sweeps(1)
      expect(bench.sweeper.status().paused).toBeNull()
      expect(state(record)).toBe('condemned')
      if (!armed) break
    }
    expect(failed).toBeGreaterThan(4)
  })
})

describe('a new owner of a resource', () => {
  it('is a new question, whatever was seen of the old one', async () => {
    await bench.start()
    const record = await condemned()
    await bench.store.update(record.id, (current) => ({ ...current, owners: [podOwner('spark', 'later')] }))
    await bench.events
    await next(toCondemn)
    expect(state(record)).toBe('unused')
  })
})

describe('retention policies', () => {
  it('keep the last of a schedule, and let a fetch keep an older one for a while', async () => {
    const owner = { namespace: 'spark', apiVersion: 'batch/v1', kind: 'CronJob', name: 'nightly' }
    await bench.start({ policies: [{ kind: 'CronJob', keepLast: 2 }] })
    bench.lookup.inSweep.set('nightly', present)
    bench.lookup.inSweep.set('driver', present)
    const records: ResourceRecord[] = []
    for (let run = 0; run < 4; run++) {
      records.push(await stage(bench.store, { a: content(10, run + 1) }, owner))
      await stage(bench.store, { a: content(10, run + 1) })
      await bench.events
      await next(1)
    }
    await next(1)
    expect(records.map(state)).toEqual(['condemned', 'condemned', 'bound', 'bound'])
    await bench.store.touch(records[1]!.id)
    await bench.events
    await next(toDelete)
    expect(await Promise.all(records.map(deleted))).toEqual([true, false, false, false])
    expect(bench.sweeper.status().usage.resources).toBe(7)
  })

  it('end by age on a clock that no jump moves, and protect by age', async () => {
    const day = 86_400_000
    const policies = [
      { resource: '', minAgeMs: day },
      { namespace: 'spark', maxAgeMs: 2 * 3_600_000 },
    ]
    await bench.start({ policies })
    const record = await orphan()
    const pinned = await orphan('pinned')
    policies[0]!.resource = pinned.id
    bench.lookup.inSweep.set('driver', present)
    bench.clock.jump(1000 * day)
    await next(60)
    expect(state(record)).toBe('bound')
    await bench.restart({ policies })
    await bench.sweeps(50)
    expect(state(record)).toBe('bound')
    await next(12)
    expect(state(record)).toBe('condemned')
    await next(toDelete)
    expect(await deleted(record)).toBe(true)
    expect(bench.sweeper.explain(pinned.id)).toMatchObject({
      verdict: 'keep',
      reason: expect.stringContaining('younger than 24 h'),
    })
  })

  it('ask for owners that are not finished where they release after completion', async () => {
    await bench.start({ policies: [{ namespace: 'spark', releaseAfter: 'completion' }] })
    await stage(bench.store, { a: content(10) })
    await stage(bench.store, { a: content(10) }, podOwner('other'))
    await bench.events
    await bench.sweeps(1)
    expect(bench.lookup.sweeps.at(-1)).toEqual([
      { owner: podOwner(), keptUntil: 'completed' },
      { owner: podOwner('other') },
    ])
  })
})
