/** What the collector may ask of the store: removing blobs, abandoned uploads, counts, the cluster. */
import { ManualClock } from '@supercargo/transfer'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type DiskHarness, diskHarness, memoryDirectory } from '../testing/disk-harness.ts'
import { content, digest, fileOf, isFetchable, noLimits, podOwner, sendBlob, stage } from '../testing/staging.ts'
import type { DiskStore } from './disk-store.ts'
import type { StoreEvent } from './store-events.ts'

let harness: DiskHarness
let store: DiskStore
let events: StoreEvent[]
const clock = new ManualClock()

beforeEach(async () => {
  harness = await diskHarness(memoryDirectory)
  events = []
  store = await harness.openDisk({ limits: noLimits, clock, onEvent: (event) => events.push(event) })
})

afterEach(async () => {
  await store.close()
  await harness.remove()
})

describe('events', () => {
  it('are numbered without a gap and tell all that happens, in order', async () => {
    const record = await stage(store, { a: content(10) })
    const upload = await store.create({ owners: [podOwner()], files: [] })
    await store.abort(upload.id)
    await store.update(record.id, (current) => ({ ...current, owners: [podOwner('spark', 'new')] }))
    await store.touch(record.id)
    await store.touch(record.id)
    clock.advance(60_000)
    await store.touch(record.id)
    await store.release(record.id)
    await store.touch(record.id)
    expect(events.map(({ type }) => type)).toEqual([
      'created',
      'committed',
      'created',
      'aborted',
      'updated',
      'touched',
      'touched',
      'released',
    ])
    expect(events.map(({ sequence }) => sequence)).toEqual([1, 2, 3, 4, 5, 6, 7, 8])
    expect(store.maintenance.sequence()).toBe(8)
    expect(JSON.stringify(events[0])).not.toContain('secret')
  })
})

describe('the deletion of blobs', () => {
  const bytes = content(1000)

  it('keeps what a commit named after the index was read', async () => {
    const first = await stage(store, { a: bytes })
    await store.release(first.id)
    const stale = store.maintenance.sequence()
    const second = await stage(store, { b: bytes })
    expect(await store.maintenance.removeBlobs('spark', [digest(bytes)], stale, 0)).toEqual({
      removed: 0,
      freedBytes: 0,
    })
    expect(await isFetchable(store, second)).toBe(true)
    await store.release(second.id)
    expect(await store.maintenance.removeBlobs('spark', [digest(bytes)], store.maintenance.sequence(), 0)).toEqual({
      removed: 1,
      freedBytes: 1000,
    })
    expect(store.usage().bytes).toBe(0)
  })

  it('keeps everything when nobody remembers what happened since', async () => {
    const first = await stage(store, { a: bytes })
    await store.release(first.id)
    const stale = store.maintenance.sequence()
    await stage(store, { b: content(5, 2) })
    store.maintenance.acknowledge(store.maintenance.sequence())
    expect(await store.maintenance.removeBlobs('spark', [digest(bytes)], stale, 0)).toEqual({
      removed: 0,
      freedBytes: 0,
    })
  })

  it('keeps what an open upload or intake relies on, until that ends', async () => {
    const first = await stage(store, { a: bytes })
    const upload = await store.create({ owners: [podOwner()], files: [fileOf('b', bytes)] })
    await store.release(first.id)
    const now = () => store.maintenance.sequence()
    expect((await store.maintenance.removeBlobs('spark', [digest(bytes)], now(), 0)).removed).toBe(0)
    await store.abort(upload.id)
    expect((await store.maintenance.removeBlobs('spark', [digest(bytes)], now(), 0)).removed).toBe(1)
  })

  it('an upload that begins while a blob is deleted is told that the blob is missing', async () => {
    const first = await stage(store, { a: bytes })
    await store.release(first.id)
    harness.disk.arm(Number.POSITIVE_INFINITY)
    const removal = store.maintenance.removeBlobs('spark', [digest(bytes)], store.maintenance.sequence(), 0)
    while (harness.disk.operations.length === 0) await Promise.resolve()
    const upload = await store.create({ owners: [podOwner()], files: [fileOf('b', bytes)] })
    expect((await removal).removed).toBe(1)
    expect(upload.missing).toEqual([digest(bytes)])
    await sendBlob(store, upload.id, bytes)
    expect(await isFetchable(store, await store.commit(upload.id))).toBe(true)
  })

  it('a namespace that is no namespace is refused', async () => {
    await expect(store.maintenance.removeBlobs('../resources', [], 0, 0)).rejects.toMatchObject({ kind: 'unsafe' })
  })
})

describe('the collection of a resource', () => {
  it('is refused when the resource was fetched or changed after the index was read', async () => {
    const record = await stage(store, { a: content(10) })
    clock.advance(60_000)
    let stale = store.maintenance.sequence()
    await store.touch(record.id)
    expect(await store.maintenance.collect(record.id, stale, 0)).toBe(false)
    stale = store.maintenance.sequence()
    await store.update(record.id, (current) => ({ ...current, capabilities: [] }))
    expect(await store.maintenance.collect(record.id, stale, 0)).toBe(false)
    expect(await store.maintenance.collect(record.id, store.maintenance.sequence(), 0)).toBe(true)
    expect(await store.maintenance.collect(record.id, store.maintenance.sequence(), 0)).toBe(false)
    expect(events.at(-1)).toMatchObject({ type: 'released', id: record.id })
  })
})

describe('abandoned uploads', () => {
  it('live as long as bytes come, by elapsed time', async () => {
    const bytes = content(200_000)
    const upload = await store.create({ owners: [podOwner()], files: [fileOf('a', bytes)] })
    expect(upload.expiresAtMs).toBe(clock.now() + noLimits.abandonedMs)
    const writer = await store.writeBlob(upload.id, digest(bytes))
    for (let position = 0; position < bytes.length; position += 50_000) {
      clock.advance(noLimits.abandonedMs - 1)
      clock.jump(1e12)
      expect(await store.maintenance.sweepAbandoned()).toBe(0)
      await writer.write(bytes.subarray(position, position + 50_000))
    }
    clock.advance(noLimits.abandonedMs)
    expect(await store.maintenance.sweepAbandoned()).toBe(1)
    await expect(writer.commit()).rejects.toMatchObject({ kind: 'interrupted', code: 'upload-ended' })
    expect(await harness.leftovers(store)).toEqual([])
  })
})
