/** A sweeper of a store that other servers write too: it sees what they do, and deletes nothing that they rely on. */
import { ManualClock } from '@supercargo/transfer'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { doomMs } from '../store/maintenance.ts'
import { S3Layout } from '../store/s3/s3-layout.ts'
import { createS3Store, type S3Store } from '../store/s3/s3-store.ts'
import { s3Survey } from '../store/s3/s3-survey.ts'
import { MemoryBucket } from '../testing/memory-bucket.ts'
import { ScriptedLookup } from '../testing/scripted-lookup.ts'
import { content, fileOf, isFetchable, noLimits, podOwner, stage } from '../testing/staging.ts'
import { remote, settings } from '../testing/sweeper-bench.ts'
import { Sweeper } from './sweeper.ts'
import { turnOfEverybody } from './turn.ts'

let bucket: MemoryBucket
let clock: ManualClock
let own: S3Store
let other: S3Store
let sweeper: Sweeper

beforeEach(async () => {
  bucket = new MemoryBucket()
  clock = new ManualClock(Date.now())
  const open = (): Promise<S3Store> => createS3Store({ objects: bucket, prefix: '', limits: noLimits, clock })
  own = await open()
  other = await open()
  sweeper = new Sweeper({
    ...settings,
    stored: s3Survey(bucket, new S3Layout(''), { clock }),
    maintenance: remote(own),
    lookup: new ScriptedLookup(),
    hasCluster: true,
    clock,
    takeTurn: turnOfEverybody,
    log: () => undefined,
  })
  await sweeper.index.build(0, [])
  await sweeper.begin()
})

afterEach(() => sweeper.stop())

const bytesLeft = (): string[] => [...bucket.objects.keys()].filter((key) => key.startsWith('bytes/'))

describe('a sweep of a shared store', () => {
  it('knows what another server staged, changed, and released', async () => {
    const record = await stage(other, { a: content(10) })
    await sweeper.sweepNow()
    expect(sweeper.explain(record.id)).toBeDefined()
    await other.update(record.id, (current) => ({ ...current, owners: [podOwner('spark', 'renamed')] }))
    const upload = await other.create({ owners: [podOwner()], files: [fileOf('b', content(11))] })
    await sweeper.sweepNow()
    expect(sweeper.index.get(record.id)?.owners).toEqual([podOwner('spark', 'renamed')])
    expect(sweeper.explain(upload.id)).toMatchObject({ state: 'uploading' })
    await other.touch(record.id)
    await sweeper.sweepNow()
    expect(sweeper.index.get(record.id)?.lastFetchedAtMs).not.toBeNull()
    await other.release(record.id)
    await sweeper.sweepNow()
    expect(sweeper.explain(record.id)).toBeUndefined()
  })

  it('frees the bytes of a released resource at a look after they were doomed, not before', async () => {
    const record = await stage(other, { a: content(10) })
    await sweeper.sweepNow()
    await other.release(record.id)
    await sweeper.sweepNow()
    clock.advance(doomMs - 1000)
    await sweeper.sweepNow()
    expect(bytesLeft().length).toBe(1)
    clock.advance(2000)
    await sweeper.sweepNow()
    expect(bytesLeft()).toEqual([])
  })

  it('keeps a doomed blob that another server commits before the next look', async () => {
    const first = await stage(other, { a: content(10) })
    await sweeper.sweepNow()
    await other.release(first.id)
    await sweeper.sweepNow()
    const second = await stage(other, { b: content(10) })
    clock.advance(2 * doomMs)
    await sweeper.sweepNow()
    await sweeper.sweepNow()
    expect(await isFetchable(own, second)).toBe(true)
  })

  it('deletes nothing when a listing fails', async () => {
    const record = await stage(other, { a: content(10) })
    await sweeper.sweepNow()
    const list = bucket.list.bind(bucket)
    bucket.list = (prefix) => {
      if (prefix.startsWith('resources/')) throw new Error('the listing is cut')
      return list(prefix)
    }
    clock.advance(10 * doomMs)
    const { report } = await sweeper.sweepNow()
    expect(report.errors.join()).toContain('the listing is cut')
    bucket.list = list
    expect(await isFetchable(own, record)).toBe(true)
    await sweeper.sweepNow()
    expect(sweeper.explain(record.id)).toBeDefined()
  })
})
