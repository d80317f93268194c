/** The check of a store in a bucket: what is damaged is named with whom it concerns, what is whole is not, and nothing is lost by a repair. */
import { digestHex } from '@supercargo/protocol'
import { ManualClock } from '@supercargo/transfer'
import type { BucketObjects } from '@supercargo/transfer/s3'
import { beforeEach, describe, expect, it } from 'vitest'
import { faultyBucket } from '../../testing/faulty-bucket.ts'
import { fillStore, sharedBytes, unfinishedBytes } from '../../testing/filled-store.ts'
import { MemoryBucket } from '../../testing/memory-bucket.ts'
import { content, digest, isFetchable, noLimits, stage } from '../../testing/staging.ts'
import type { ResourceRecord } from '../store.ts'
import type { StoreLeftover } from '../store-fault.ts'
import type { VerifyReport } from '../verify-store.ts'
import { type BucketStore, createBucketStore } from './open-bucket-store.ts'
import { S3Layout } from './s3-layout.ts'
import { S3Links } from './s3-links.ts'
import { type VerifyBucketOptions, verifyBucket } from './verify-bucket.ts'

const layout = new S3Layout('team')
const alone = content(2000, 2)

let bucket: MemoryBucket
let opened: BucketStore
let one: ResourceRecord
let two: ResourceRecord

beforeEach(fillBucket)

async function fillBucket(): Promise<void> {
  bucket = new MemoryBucket()
  const clock = new ManualClock()
  opened = await createBucketStore({ objects: bucket, prefix: 'team', limits: noLimits, clock, quietMs: 0 })
  ;[one, two] = (await fillStore(opened, clock)) as [ResourceRecord, ResourceRecord]
}

function verify(objects: BucketObjects = bucket, more: Partial<VerifyBucketOptions> = {}): Promise<VerifyReport> {
  const signal = new AbortController().signal
  return verifyBucket({ objects, prefix: 'team', store: 's3://cargo/team', repair: false, signal, ...more })
}

async function placeOf(namespace: string, bytes: Buffer): Promise<string> {
  return (await new S3Links(bucket, layout).find(namespace, digest(bytes)))!.link.at
}

/** The bucket, which does something before the call of this number. */
function interrupted(call: number, act: () => Promise<unknown>): { objects: BucketObjects; readonly acted: boolean } {
  let countdown = call
  const objects = new Proxy<BucketObjects>(bucket, {
    get(target, name) {
      const method = Reflect.get(target, name, target) as (...parameters: unknown[]) => unknown
      return (...parameters: unknown[]) => {
        const first = --countdown === 0 ? act() : Promise.resolve()
        if (!String(name).startsWith('list')) return first.then(() => method.apply(target, parameters))
        return (async function* () {
          await first
          yield* method.apply(target, parameters) as AsyncIterable<unknown>
        })()
      }
    },
  })
  return {
    objects,
    get acted() {
      return countdown <= 0
    },
  }
}

describe('a whole store', () => {
  it('has no fault and nothing left over, is read to the last byte, and is not changed', async () => {
    const before = new Map(bucket.objects)
    const seen: number[] = []
    const onProgress = ({ bytes, bytesTotal }: { bytes: number; bytesTotal: number }) => seen.push(bytes / bytesTotal)
    expect(await verify(bucket, { onProgress })).toEqual({
      ...{ store: 's3://cargo/team', resources: 2, openUploads: 1, blobs: 3, bytes: 5050, names: 1 },
      ...{ faults: [], leftovers: [], leftoversTotal: 0 },
    })
    expect(seen.at(-1)).toBe(1)
    expect(bucket.objects).toEqual(before)
  })

  it('is looked for where one is, and made nowhere', async () => {
    await expect(verify(bucket, { prefix: 'elsewhere' })).rejects.toMatchObject({ code: 'no-store-there' })
    expect([...bucket.objects.keys()].filter((key) => !key.startsWith('team/'))).toEqual([])
  })

  it('is not said to be whole when any call fails', async () => {
    for (let n = 1; ; n++) {
      const faulty = faultyBucket(bucket)
      faulty.failAt(n, 'before')
      const outcome = await verify(faulty.objects).catch((error: unknown) => error)
      if (!faulty.failed) {
        expect(n).toBeGreaterThan(15)
        break
      }
      expect(outcome, `call ${n}`).toMatchObject({ kind: 'unavailable', code: 'store-s3-busy' })
    }
  })

  it('has no fault when servers stage, release and delete while it is read, whichever call they come before', async () => {
    const passing = content(400, 10)
    for (let n = 1; ; n++) {
      await fillBucket()
      const { id } = await stage(opened.store, { 'n.jar': passing, 'a.jar': sharedBytes })
      const between = interrupted(n, async () => {
        await stage(opened.store, { 'new.jar': content(300, 11) })
        await opened.store.release(id)
        const { maintenance } = opened.store
        for (const isSecondLook of [false, true, false])
          await maintenance.removeBlobs('spark', [digest(passing)], maintenance.sequence(), 0, isSecondLook)
      })
      const { faults } = await verify(between.objects)
      expect(faults, `call ${n}`).toEqual([])
      if (!between.acted) break
      expect(n).toBeLessThan(200)
    }
  })
})

describe('damage', () => {
  it.each([
    ['a changed byte', 'corrupt-blob', (bytes: Buffer) => Buffer.concat([Buffer.from('x'), bytes.subarray(1)])],
    ['a lost byte', 'corrupt-blob', (bytes: Buffer) => bytes.subarray(1)],
    ['a byte too many', 'corrupt-blob', (bytes: Buffer) => Buffer.concat([bytes, Buffer.from('x')])],
    ['lost bytes', 'missing-blob', () => undefined],
  ])('of bytes is named, once, with the resources that need them: %s', async (_, code, change) => {
    const third = await stage(opened.store, { 'third.jar': sharedBytes })
    const at = await placeOf('spark', sharedBytes)
    const changed = change(sharedBytes)
    if (changed === undefined) await bucket.remove(at)
    else await bucket.write(at, changed)
    const { faults } = await verify()
    expect(faults).toMatchObject([{ code, at: layout.link('spark', digest(sharedBytes)).slice('team/'.length) }])
    expect(faults[0]!.resourceIds.toSorted()).toEqual([one.id, third.id].sort())
  })

  it('of a link, a record and a tree of names is named, and says nothing of what they held', async () => {
    await bucket.write(layout.link('spark', digest(sharedBytes)), '{')
    await bucket.write(layout.record(two.id), '{"secretHash":"sha256:0123"')
    await bucket.write('team/names/other/tree.json', '[]')
    const report = await verify()
    expect(report.faults.map(({ code, resourceIds }) => [code, resourceIds]).sort()).toEqual([
      ['damaged-name', []],
      ['damaged-record', [two.id]],
      ['unreadable-blob', [one.id]],
    ])
    expect(JSON.stringify(report)).not.toContain('0123')
  })

  it('of a link that has gone, and of a size that is not that of the bytes', async () => {
    await bucket.remove(layout.link('spark', digest(sharedBytes)))
    const files = two.files.map((file) => ({ ...file, sizeBytes: 1999 }))
    await bucket.write(layout.record(two.id), JSON.stringify({ ...two, files }))
    expect((await verify()).faults.map(({ code, resourceIds }) => [code, resourceIds]).sort()).toEqual([
      ['missing-blob', [one.id]],
      ['wrong-size', [two.id]],
    ])
  })

  it('that is repaired is out of use and kept, until the same bytes are staged again', async () => {
    const at = await placeOf('spark', sharedBytes)
    const wrong = content(sharedBytes.length, 77)
    await bucket.write(at, wrong)
    const { faults } = await verify(bucket, { repair: true })
    expect(faults).toMatchObject([{ code: 'corrupt-blob', quarantine: at.slice('team/'.length) }])
    expect((await bucket.readText(at))!.text).toBe(wrong.toString())
    expect((await verify()).faults).toMatchObject([{ code: 'missing-blob', resourceIds: [one.id] }])
    expect(await isFetchable(opened.store, one).catch((error: unknown) => error)).toMatchObject({ kind: 'corrupt' })
    const again = await stage(opened.store, { 'again.jar': sharedBytes })
    expect([await isFetchable(opened.store, one), await isFetchable(opened.store, again)]).toEqual([true, true])
    expect((await verify()).faults).toEqual([])
  })
})

it('what only takes room is named and no fault', async () => {
  const strayBytes = layout.bytes('0'.repeat(26))
  await bucket.write(strayBytes, 'of a server that died')
  const remains = `${layout.upload('1'.repeat(26))}${digestHex(digest(alone))}.json`
  await bucket.write(remains, '{}')
  const note = layout.fetched('2'.repeat(26))
  await bucket.write(note, '')
  const foreign = ['bytes/x', 'blobs/x', 'resources/x', 'uploads/x', 'fetched/x'].map((name) => `team/${name}`)
  for (const key of foreign) await bucket.write(key, 'x')
  await opened.store.release(two.id)
  const { faults, leftovers, leftoversTotal, openUploads } = await verify()
  const left = (code: StoreLeftover['code'], key: string) => ({ code, at: key.slice('team/'.length) })
  const expected = [
    ...foreign.map((key) => left('foreign-file', key)),
    ...[strayBytes, remains, note].map((key) => left('leftover', key)),
    left('orphan-blob', layout.link('other', digest(alone))),
    left('stale-name', 'team/names/other/tree.json folder/b.jar'),
  ]
  expect([faults, openUploads, leftoversTotal]).toEqual([[], 1, expected.length])
  expect(leftovers.toSorted((a, b) => (a.at < b.at ? -1 : 1))).toEqual(
    expected.toSorted((a, b) => (a.at < b.at ? -1 : 1)),
  )
  expect(await placeOf('spark', unfinishedBytes)).toMatch(/^team\/bytes\//)
})
