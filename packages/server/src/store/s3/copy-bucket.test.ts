/** Copies from and into a bucket: equal to their source whatever stopped them on the way, and never with bytes that were not staged. */
import { mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { ManualClock, systemClock } from '@supercargo/transfer'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { memoryDirectory } from '../../testing/disk-harness.ts'
import { faultyBucket } from '../../testing/faulty-bucket.ts'
import { contentsOf, fillStore, sharedBytes } from '../../testing/filled-store.ts'
import { MemoryBucket } from '../../testing/memory-bucket.ts'
import { content, digest, noLimits, podOwner, stage } from '../../testing/staging.ts'
import { type CopyOptions, type CopyReport, copyStore } from '../copy-store.ts'
import { copyStoreAt } from '../copy-store-at.ts'
import { type OpenedStore, openStore } from '../open-store.ts'
import type { ResourceRecord } from '../store.ts'
import { createBucketStore } from './open-bucket-store.ts'
import { S3Layout } from './s3-layout.ts'
import { S3Links } from './s3-links.ts'
import { s3Survey } from './s3-survey.ts'

const signal = new AbortController().signal
const partBytes = 20_000

/** A store that outlives its process, and who opens it: over a disk or bucket that fails, if one is given. */
interface Place {
  open(options?: { clock?: ManualClock; objects?: MemoryBucket; mustExist?: boolean }): Promise<OpenedStore>
}

let root: string

beforeEach(() => {
  root = mkdtempSync(join(memoryDirectory, 'supercargo-copy-bucket-'))
})

afterEach(() => rm(root, { recursive: true, force: true }))

function bucketPlace(bucket = new MemoryBucket(partBytes)): Place & { readonly bucket: MemoryBucket } {
  return {
    bucket,
    open: ({ clock = systemClock, objects = bucket, mustExist = false } = {}) =>
      createBucketStore({ objects, prefix: 'team', limits: noLimits, clock, partBytes, mustExist, quietMs: 0 }),
  }
}

function diskPlace(name = 'disk'): Place {
  return { open: ({ clock = systemClock } = {}) => openStore(join(root, name), { limits: noLimits, clock }) }
}

async function filled<Kind extends Place>(place: Kind): Promise<Kind & { readonly records: ResourceRecord[] }> {
  const clock = new ManualClock()
  const opened = await place.open({ clock })
  const records = await fillStore(opened, clock)
  await opened.store.close()
  return { ...place, records }
}

async function contents(place: Place): Promise<Record<string, unknown>> {
  const opened = await place.open()
  try {
    return await contentsOf(opened)
  } finally {
    await opened.store.close()
  }
}

async function copy(from: Place, to: Place, options: Partial<CopyOptions> = {}): Promise<CopyReport> {
  const source = await from.open({ mustExist: true })
  try {
    const target = await to.open()
    try {
      return await copyStore({ source, target, signal, ...options })
    } finally {
      await target.store.close()
    }
  } finally {
    await source.store.close()
  }
}

describe.each([
  ['a directory', 'a bucket', diskPlace, bucketPlace],
  ['a bucket', 'a directory', bucketPlace, diskPlace],
  ['a bucket', 'a bucket', bucketPlace, bucketPlace],
] as const)('a copy of %s in %s', (_, __, placeOfSource, placeOfTarget) => {
  it('has everything, changes nothing at its source, and is not changed by another copy', async () => {
    const [from, to] = [await filled<Place>(placeOfSource()), placeOfTarget(undefined)]
    const before = await contents(from)
    const report = { copied: 2, present: 0, sentBytes: 5000, names: 1, tokens: 1, openUploads: 1, faults: [] }
    expect(await copy(from, to)).toEqual(report)
    expect(await contents(to)).toEqual(before)
    expect(await contents(from)).toEqual(before)
    expect(Object.keys(before).length).toBeGreaterThan(10)
    expect(before[`fetched ${from.records[0]!.id}`]).toBeGreaterThan(0)
    expect(await copy(from, to)).toEqual({ ...report, copied: 0, present: 2, sentBytes: 0 })
    expect(await contents(to)).toEqual(before)
  })
})

describe('a copy in a bucket', () => {
  it.each(['before', 'after'] as const)(
    'is the same whichever call fails %s it took effect, once it is repeated',
    async (when) => {
      const from = await filled(diskPlace())
      const before = await contents(from)
      let calls = 0
      for (let n = 1; ; n++) {
        const to = bucketPlace()
        const faulty = faultyBucket(to.bucket)
        faulty.failAt(n, when)
        const target: Place = { open: () => to.open({ objects: faulty.objects as MemoryBucket }) }
        await copy(from, target).catch(() => undefined)
        if (!faulty.failed) break
        calls = n
        expect((await copy(from, to)).faults, `call ${n}`).toEqual([])
        expect(await contents(to), `call ${n}`).toEqual(before)
      }
      expect(calls).toBeGreaterThan(40)
    },
    60_000,
  )

  it('is the same whichever call was the last before the end, once it is repeated', async () => {
    const from = await filled(diskPlace())
    const before = await contents(from)
    for (let last = 1; ; last++) {
      const to = bucketPlace()
      const faulty = faultyBucket(to.bucket)
      faulty.dieAt(last)
      const target: Place = { open: () => to.open({ objects: faulty.objects as MemoryBucket }) }
      const failure = await copy(from, target).then(
        () => undefined,
        (error: unknown) => error,
      )
      if (!faulty.failed) {
        expect(failure).toBeUndefined()
        break
      }
      expect((await copy(from, to)).faults, `after call ${last}`).toEqual([])
      expect(await contents(to), `after call ${last}`).toEqual(before)
      // What a commit that was cut short leaves, a sweep removes.
      const { store } = await to.open()
      await store.maintenance.sweepAbandoned()
      await store.close()
      const left = [...to.bucket.objects.keys()].filter((key) => key.startsWith('team/uploads/'))
      expect(left, `after call ${last}`).toEqual([])
    }
  }, 60_000)

  it('goes on inside a file where it was stopped', async () => {
    const [from, to] = [await filled(diskPlace()), bucketPlace()]
    const { store } = await from.open()
    await stage(store, { large: content(6 << 20, 5) })
    await store.close()
    const stop = new AbortController()
    const onProgress = ({ bytes }: { bytes: number }): void => {
      if (bytes > 3 << 20) stop.abort(new Error('stopped'))
    }
    await expect(copy(from, to, { signal: stop.signal, onProgress })).rejects.toThrow('stopped')
    const { sentBytes } = await copy(from, to)
    expect(sentBytes).toBeLessThan(4 << 20)
    expect(await contents(to)).toEqual(await contents(from))
  })

  it('follows what has changed at the source since: owners, capabilities, new resources', async () => {
    const [from, to] = [await filled(diskPlace()), bucketPlace()]
    await copy(from, to)
    const { store } = await from.open()
    await store.update(from.records[0]!.id, (record) => ({ ...record, owners: [podOwner('spark', 'renamed')] }))
    await stage(store, { 'new.jar': content(700, 8), 'a.jar': sharedBytes })
    await store.close()
    expect(await copy(from, to)).toMatchObject({ copied: 1, present: 2, sentBytes: 700 })
    expect(await contents(to)).toEqual(await contents(from))
  })

  it('shows the collector when the source saw the last fetch, until there is a later one', async () => {
    const [from, to] = [await filled(diskPlace()), bucketPlace()]
    const { id } = from.records[0]!
    const before = (await contents(from))[`fetched ${id}`] as number
    await copy(from, to)
    const survey = s3Survey(to.bucket, new S3Layout('team'), { clock: systemClock })
    const seen = async (): Promise<number> => {
      for await (const _ of survey.records());
      return (await survey.read(id))!.fetchedAtMs!
    }
    expect(Math.round(await seen())).toBe(before)
    const { store } = await to.open()
    await store.touch(id)
    await store.close()
    expect(await seen()).toBeGreaterThan(before + 1000)
  })

  it('writes a tree of names once, however many it has', async () => {
    const [from, to] = [await filled(diskPlace()), bucketPlace()]
    const { store, names } = await from.open()
    const two = from.records[1]!
    const file = { resourceId: two.id, file: 'b.jar', ...two.files[0]!, modifiedMs: 4 }
    for (let n = 0; n < 100; n++) {
      const { path: _, ...named } = file
      const place = { namespace: 'other', tree: 'large', path: `folder-${n % 7}/name-${n}` }
      await names.put(place, named, { overwrite: false, makeParents: true })
    }
    await store.close()
    const written: string[] = []
    const objects = Object.create(to.bucket) as MemoryBucket
    objects.write = (key, ...rest) => {
      written.push(key)
      return to.bucket.write(key, ...rest)
    }
    const target: Place = { open: () => to.open({ objects }) }
    expect(await copy(from, target)).toMatchObject({ names: 101 })
    expect(written.filter((key) => key.startsWith('team/names/')).length).toBe(2)
    expect(await contents(to)).toEqual(await contents(from))
    written.length = 0
    await copy(from, target)
    expect(written.filter((key) => key.startsWith('team/names/'))).toEqual([])
  })

  it('is refused where another cluster has the store, or another resource the id', async () => {
    const [from, to] = [await filled(diskPlace()), bucketPlace()]
    const other = await to.open()
    await other.store.maintenance.bindCluster('cluster-2')
    await other.store.close()
    await expect(copy(from, to)).rejects.toMatchObject({ kind: 'conflict', code: 'other-cluster' })
    const taken = bucketPlace()
    await copy(from, taken)
    const record = { ...from.records[1]!, secretHash: `sha256:${'0'.repeat(64)}` }
    await taken.bucket.write(new S3Layout('team').record(record.id), JSON.stringify(record))
    await expect(copy(from, taken)).rejects.toMatchObject({ kind: 'conflict', code: 'id-taken' })
  })
})

describe('a copy from a bucket', () => {
  it('is the same whichever call of the bucket fails, once it is repeated', async () => {
    const from = await filled(bucketPlace())
    const before = await contents(from)
    for (let n = 1; ; n++) {
      const to = diskPlace(`after-${n}`)
      const faulty = faultyBucket(from.bucket)
      faulty.failAt(n, 'before')
      const source: Place = { open: () => from.open({ objects: faulty.objects as MemoryBucket, mustExist: true }) }
      const outcome = await copy(source, to).catch(() => 'failed')
      if (!faulty.failed) break
      expect(outcome, `call ${n}`).toBe('failed')
      expect((await copy(from, to)).faults, `after call ${n}`).toEqual([])
      expect(await contents(to), `after call ${n}`).toEqual(before)
    }
  }, 60_000)

  it('writes nothing there', async () => {
    const from = await filled(bucketPlace())
    const before = new Map(from.bucket.objects)
    await copy(from, diskPlace())
    expect(from.bucket.objects).toEqual(before)
  })

  it('names what is damaged, leaves it out, and brings it when it is whole again', async () => {
    const [from, to] = [await filled(bucketPlace()), diskPlace()]
    const layout = new S3Layout('team')
    const { link } = (await new S3Links(from.bucket, layout).find('spark', digest(sharedBytes)))!
    const wrong = Buffer.from(sharedBytes)
    wrong[7] = wrong[7]! ^ 1
    const [one, two] = [from.records[0]!.id, from.records[1]!.id]
    for (const bytes of [wrong, sharedBytes.subarray(1), undefined]) {
      if (bytes === undefined) await from.bucket.remove(link.at)
      else await from.bucket.write(link.at, bytes)
      const { faults } = await copy(from, to)
      expect(faults.map(({ code, at }) => [code, at])).toEqual([['corrupt-blob', `${one}/a.jar`]])
      expect(Object.keys(await contents(to)).filter((key) => key.startsWith('record'))).toEqual([`record ${two}`])
    }
    await from.bucket.write(link.at, sharedBytes)
    const key = layout.record(two)
    const record = (await from.bucket.readText(key))!.text
    await from.bucket.write(key, '{')
    expect((await copy(from, to)).faults).toMatchObject([{ code: 'damaged-record', resourceIds: [two] }])
    await from.bucket.write(key, record)
    expect(await copy(from, to)).toMatchObject({ present: 2, faults: [] })
    expect(await contents(to)).toEqual(await contents(from))
  })

  it('is refused where there is no store, and makes none; and into itself', async () => {
    const nowhere = bucketPlace()
    await expect(copy(nowhere, diskPlace())).rejects.toMatchObject({ kind: 'notFound', code: 'no-store-there' })
    expect(nowhere.bucket.objects.size).toBe(0)
    const itself = copyStoreAt({ from: 's3://cargo/team', to: 's3a://cargo/team/', clock: systemClock, signal })
    await expect(itself).rejects.toMatchObject({ kind: 'invalid', code: 'same-store' })
  })
})
