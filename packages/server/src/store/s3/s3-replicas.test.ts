/** Several servers on one bucket: each goes on where another stopped, and no deletion of one takes what another relies on. */
import { ManualClock } from '@supercargo/transfer'
import type { BucketObjects } from '@supercargo/transfer/s3'
import { beforeEach, describe, expect, it } from 'vitest'
import { MemoryBucket } from '../../testing/memory-bucket.ts'
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
} from '../../testing/staging.ts'
import { expectKind } from '../../testing/store-bench.ts'
import { S3Layout } from './s3-layout.ts'
import { createS3Store, type S3Store } from './s3-store.ts'
import { s3Survey } from './s3-survey.ts'

const partBytes = 20_000
const bytes = content(65_000)
const file = fileOf('a.jar', bytes)
let bucket: MemoryBucket
let clock: ManualClock
let one: S3Store
let other: S3Store

const open = (objects: BucketObjects = bucket): Promise<S3Store> =>
  createS3Store({ objects, prefix: 'p', limits: noLimits, clock, partBytes })

beforeEach(async () => {
  bucket = new MemoryBucket(partBytes)
  clock = new ManualClock()
  one = await open()
  other = await open()
})

describe('an upload', () => {
  it('is begun at one server, continued at another, and committed at the first', async () => {
    const upload = await one.create({ owners: [podOwner()], files: [file] })
    const writer = await other.writeBlob(upload.id, file.digest)
    await writeAll(writer, bytes.subarray(0, 50_000), 5000)
    expect(await writer.suspend()).toBe(50_000)
    expect(await one.blobProgress(upload.id, file.digest)).toMatchObject({ offset: 50_000, complete: false })
    await sendBlob(one, upload.id, bytes)
    expect(await other.blobProgress(upload.id, file.digest)).toMatchObject({ complete: true })
    const record = await other.commit(upload.id)
    expect(await one.commit(upload.id)).toEqual(record)
    expect(await one.upload(upload.id)).toBeUndefined()
    expect(await isFetchable(one, record)).toBe(true)
  })

  it('that two servers commit at once is one resource', async () => {
    const upload = await one.create({ owners: [podOwner()], files: [file] })
    await sendBlob(one, upload.id, bytes)
    const [first, second] = await Promise.all([one.commit(upload.id), other.commit(upload.id)])
    expect(second.id).toBe(first.id)
    expect(await isFetchable(other, (await other.read(first.id))!)).toBe(true)
  })

  it('of one blob that two servers write at once is never stored wrong, whoever keeps what last', async () => {
    const upload = await one.create({ owners: [podOwner()], files: [file] })
    const writers = [await one.writeBlob(upload.id, file.digest), await other.writeBlob(upload.id, file.digest)]
    await Promise.all(writers.map((writer) => writeAll(writer, bytes.subarray(0, 45_000))))
    const kept = await Promise.allSettled(writers.map((writer) => writer.suspend()))
    expect(kept.filter(({ status }) => status === 'fulfilled').length).toBe(1)
    await sendBlob(other, upload.id, bytes)
    expect(await isFetchable(one, await one.commit(upload.id))).toBe(true)
  })
})

describe('a blob that nobody names', () => {
  const { digest: name, sizeBytes } = file
  const look = (store: S3Store, second: boolean) =>
    store.maintenance.removeBlobs('spark', [name], store.maintenance.sequence(), 0, second)

  it('is doomed first, and deleted at a second look with its bytes', async () => {
    await one.release((await stage(one, { a: bytes })).id)
    expect(await look(other, false)).toMatchObject({ removed: 0, doomed: [name] })
    expect(await look(other, true)).toMatchObject({ removed: 1, freedBytes: sizeBytes })
    await look(other, false)
    expect([...bucket.objects.keys()].filter((key) => /blobs|bytes/.test(key))).toEqual([])
  })

  it('stays when another server relied on it between the looks, without sending it again', async () => {
    await one.release((await stage(one, { a: bytes })).id)
    await look(one, false)
    const upload = await other.create({ owners: [podOwner()], files: [file] })
    expect(upload.missing).toEqual([])
    expect(await look(one, true)).toMatchObject({ removed: 0, doomed: [name] })
    expect(await isFetchable(one, await other.commit(upload.id))).toBe(true)
  })

  it('is named by the commit that came too late, and taken when it is sent again', async () => {
    await one.release((await stage(one, { a: bytes })).id)
    const upload = await other.create({ owners: [podOwner()], files: [file] })
    await look(one, false)
    await look(one, true)
    await expectKind(other.commit(upload.id), 'conflict', 'incomplete')
    await sendBlob(other, upload.id, bytes)
    expect(await isFetchable(one, await other.commit(upload.id))).toBe(true)
  })

  it('is not deleted by a turn that is over', async () => {
    await one.release((await stage(one, { a: bytes })).id)
    await other.maintenance.beginEpoch(3)
    await expectKind(look(one, false), 'conflict', 'epoch-passed')
    await expectKind(one.maintenance.beginEpoch(2), 'conflict', 'epoch-passed')
    await expectKind(one.maintenance.saveState(Buffer.from('x'), 2), 'conflict', 'epoch-passed')
  })
})

describe('a resource', () => {
  it('is not collected when another server took a fetch or a change after the look', async () => {
    const survey = s3Survey(bucket, new S3Layout('p'), { clock })
    const markOf = async (id: string) => {
      for await (const listed of survey.records()) if (listed.id === id) return listed.mark
      return undefined
    }
    const record = await stage(one, { a: content(10) })
    const mark = (await markOf(record.id))!
    await other.touch(record.id)
    expect(await one.maintenance.collect(record.id, one.maintenance.sequence(), 0, mark)).toBe(false)
    const fetched = (await markOf(record.id))!
    expect((await survey.read(record.id))?.fetchedAtMs).not.toBeNull()
    await other.update(record.id, (current) => ({ ...current, owners: [podOwner('spark', 'another')] }))
    expect(await one.maintenance.collect(record.id, one.maintenance.sequence(), 0, fetched)).toBe(false)
    const now = (await markOf(record.id))!
    expect(await one.maintenance.collect(record.id, one.maintenance.sequence(), 0, now)).toBe(true)
    expect(await other.read(record.id)).toBeUndefined()
  })
})

describe('what nobody works on', () => {
  it('is dropped after the time of the limit, by any server, and not while something comes', async () => {
    const upload = await one.create({ owners: [podOwner()], files: [file] })
    const { maintenance } = other
    const wait = async (ms: number): Promise<number> => {
      clock.advance(ms)
      return maintenance.sweepAbandoned()
    }
    await maintenance.sweepAbandoned()
    expect(await wait(noLimits.abandonedMs - 1000)).toBe(0)
    const writer = await one.writeBlob(upload.id, file.digest)
    await writeAll(writer, bytes.subarray(0, 100))
    await writer.suspend()
    expect(await wait(2000)).toBe(0)
    expect(await wait(noLimits.abandonedMs)).toBe(1)
    expect(await one.upload(upload.id)).toBeUndefined()
    expect([...bucket.objects.keys()]).toEqual(['p/FORMAT'])
  })

  it('of parts is ended when none was added for so long, unless an upload goes on with them', async () => {
    const attempt = await bucket.beginParts('p/bytes/x')
    const upload = await one.create({ owners: [podOwner()], files: [file] })
    const writer = await one.writeBlob(upload.id, file.digest)
    await writeAll(writer, bytes)
    await writer.suspend()
    await other.maintenance.sweepLeftovers()
    clock.advance(noLimits.abandonedMs)
    await bucket.writePart('p/bytes/x', attempt, 1, Buffer.from('late'))
    expect(await other.maintenance.sweepLeftovers()).toBe(0)
    clock.advance(noLimits.abandonedMs)
    expect(await other.maintenance.sweepLeftovers()).toBe(1)
    expect(bucket.attempts.size).toBe(1)
    await sendBlob(one, upload.id, bytes)
    expect(await isFetchable(one, await one.commit(upload.id))).toBe(true)
  })
})

describe('a place', () => {
  it('of a newer version is refused, naming both, and left alone', async () => {
    await bucket.write('p/FORMAT', '{"version":2,"more":1}')
    await expect(open()).rejects.toMatchObject({ code: 'store-newer', message: /version 2.*version 1/ })
    expect((await bucket.readText('p/FORMAT'))?.text).toBe('{"version":2,"more":1}')
  })

  it('with foreign objects and no FORMAT is refused', async () => {
    await bucket.write('q/theirs', 'x')
    await expectKind(
      createS3Store({ objects: bucket, prefix: 'q', limits: noLimits, clock }),
      'invalid',
      'store-foreign',
    )
  })

  it('in a store that does not compare before it writes is refused at the start', async () => {
    const careless = new MemoryBucket()
    const write = careless.write.bind(careless)
    careless.write = (key, body) => write(key, body)
    await expectKind(open(careless), 'invalid', 'store-cannot-compare')
    expect([...careless.objects.keys()]).toEqual([])
  })

  it('is bound to one cluster by whoever comes first', async () => {
    expect(await one.maintenance.bindCluster('first')).toBe('first')
    expect(await other.maintenance.bindCluster('second')).toBe('first')
    expect(await other.maintenance.loadState()).toMatchObject({ clusterUid: 'first', epoch: 0 })
  })

  it('knows digests by its own bytes: what another has damaged is sent again', async () => {
    const record = await stage(one, { a: content(500) })
    const [key] = [...bucket.objects.keys()].filter((each) => each.startsWith('p/bytes/'))
    await bucket.write(key!, 'short')
    await expectKind(other.open(record, record.files[0]!), 'corrupt', 'blob-size')
    const again = await other.create({ owners: [podOwner()], files: [fileOf('a', content(500))] })
    expect(again.missing).toEqual([digest(content(500))])
    await sendBlob(other, again.id, content(500))
    expect(await isFetchable(other, await other.commit(again.id))).toBe(true)
    expect(await isFetchable(one, record)).toBe(true)
  })
})
