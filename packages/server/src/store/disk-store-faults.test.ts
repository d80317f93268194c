/** The n-th call of the file system fails, for every n: the laws hold each time. */
import { rm } from 'node:fs/promises'
import { type Digest, namespaceOf, SupercargoError } from '@supercargo/protocol'
import { ManualClock } from '@supercargo/transfer'
import { afterEach, describe, expect, it } from 'vitest'
import { blobPath, type DiskHarness, descriptors, diskHarness, memoryDirectory } from '../testing/disk-harness.ts'
import { content, digest, fileOf, isFetchable, noLimits, podOwner, stage, writeAll } from '../testing/staging.ts'
import type { DiskStore } from './disk-store.ts'
import type { OpenedUpload, ResourceRecord } from './store.ts'

const clock = new ManualClock()
const setting = { limits: noLimits, clock }

const small = content(10_000, 2)
const large = content(1_300_000, 3)
const bodies = new Map<Digest, Buffer>([
  [digest(small), small],
  [digest(large), large],
])
const files = [fileOf('small', small), fileOf('large', large), fileOf('empty', Buffer.alloc(0))]

/** What the store has said yes to. */
interface Acknowledged {
  upload?: OpenedUpload
  committed?: ResourceRecord
  taken?: ResourceRecord
  updated?: boolean
  released?: boolean
}

let harness: DiskHarness

afterEach(async () => {
  expect(await descriptors(harness.directory)).toEqual([])
  await rm(harness.directory, { recursive: true, force: true })
})

/** A day in the life of a store. Every step goes on after a failure of the one before it. */
async function live(store: DiskStore, old: ResourceRecord): Promise<Acknowledged> {
  const yes: Acknowledged = {}
  await attempt(async () => {
    yes.upload = await store.create({ owners: [podOwner()], files })
  })
  const { upload } = yes
  if (upload !== undefined) {
    for (const missing of upload.missing) await attempt(() => send(store, upload.id, missing, true))
    await attempt(async () => {
      yes.committed = await store.commit(upload.id)
    })
  }
  const intake = await attempt(() => store.intake(undefined))
  if (intake !== undefined) {
    await attempt(async () => {
      const writer = await intake.file('body', undefined)
      await writeAll(writer, large.subarray(0, 1_100_000))
      await writer.commit()
      yes.taken = await intake.commit([podOwner('other')], 'v0')
    })
    await attempt(() => intake.abort())
  }
  await attempt(async () => {
    await store.update(old.id, (record) => ({ ...record, owners: [{ ...podOwner(), uid: 'new' }] }))
    yes.updated = true
  })
  await attempt(() => store.touch(old.id))
  await attempt(() => store.probe())
  await attempt(async () => {
    yes.released = await store.release(old.id)
  })
  return yes
}

/** Sends a blob, in two transfers when asked. */
async function send(store: DiskStore, id: string, missing: Digest, broken: boolean): Promise<void> {
  const bytes = bodies.get(missing)!
  if (broken) {
    const first = await store.writeBlob(id, missing)
    await writeAll(first, bytes.subarray(first.offset, first.offset + 5000))
    await first.suspend()
  }
  const writer = await store.writeBlob(id, missing)
  try {
    await writeAll(writer, bytes.subarray(writer.offset))
    await writer.commit()
  } finally {
    await writer.abort()
  }
}

async function attempt<Result>(work: () => Promise<Result>): Promise<Result | undefined> {
  try {
    return await work()
  } catch (error) {
    if (!SupercargoError.is(error)) throw error
    expect(['internal', 'unavailable', 'exhausted', 'notFound', 'conflict', 'interrupted']).toContain(error.kind)
    return undefined
  }
}

/** Hundreds of stores are opened in turn; on a busy machine that takes its time. */
const loopTimeoutMs = 120_000

async function checkAcknowledged(
  store: DiskStore,
  yes: Acknowledged,
  old: ResourceRecord,
  bytesToo: boolean,
): Promise<void> {
  for (const record of [yes.committed, yes.taken]) {
    if (record === undefined) continue
    expect(await store.read(record.id)).toEqual(record)
    if (bytesToo) expect(await isFetchable(store, record)).toBe(true)
  }
  if (yes.released) expect(await store.read(old.id)).toBeUndefined()
  // A release that failed may have happened.
  else if (yes.updated) expect((await store.read(old.id))?.owners[0] ?? { uid: 'new' }).toMatchObject({ uid: 'new' })
}

describe.each(['EIO', 'ENOSPC'])('whichever operation of the disk fails with %s', (errno) => {
  it(
    'nothing acknowledged is lost, nothing partial is visible, nothing is left, and a retry succeeds',
    async () => {
      for (let n = 1; ; n++) {
        harness = await diskHarness(memoryDirectory)
        const { disk } = harness
        let store = await harness.openDisk(setting)
        const old = await stage(store, { old: content(100, 9) })
        disk.arm(n, errno)
        const yes = await live(store, old)
        const { failed } = disk
        const where = `${n}: ${disk.operations[n - 1]?.name} ${disk.operations[n - 1]?.path}`
        disk.arm(Number.POSITIVE_INFINITY)
        await checkAcknowledged(store, yes, old, false)
        if (yes.upload !== undefined && yes.committed === undefined) {
          expect(await store.read(yes.upload.id), where).toBeUndefined()
          for (const [missing] of bodies) await send(store, yes.upload.id, missing, false)
          yes.committed = await store.commit(yes.upload.id)
        }
        expect(await harness.leftovers(store), where).toEqual([])
        expect(store.usage(), where).toMatchObject({ reservedBytes: 0, openUploads: 0 })
        await store.close()
        store = await harness.openDisk(setting)
        expect(await harness.leftovers(store), where).toEqual([])
        await checkAcknowledged(store, yes, old, true)
        await store.close()
        await rm(harness.directory, { recursive: true })
        if (!failed) {
          expect(yes).toMatchObject({ updated: true, released: true, committed: { files }, taken: { door: 'v0' } })
          expect(n).toBeGreaterThan(80)
          return
        }
      }
    },
    loopTimeoutMs,
  )
})

describe('whenever the process is killed', () => {
  it(
    'the next start finds all that was acknowledged, and a sweep removes the rest',
    async () => {
      for (let n = 1; ; n++) {
        harness = await diskHarness(memoryDirectory)
        const { disk } = harness
        let store = await harness.openDisk(setting)
        const old = await stage(store, { old: content(100, 9) })
        disk.dieAt(n)
        const yes = await live(store, old)
        const where = `${n}: ${disk.operations[n - 1]?.name} ${disk.operations[n - 1]?.path}`
        const { failed } = disk
        await harness.crash(store)
        store = await harness.openDisk(setting)
        await checkAcknowledged(store, yes, old, true)
        // One that is committed is no upload any more, even when what it left was not deleted in time.
        for (const { id } of store.maintenance.uploads()) expect(await store.read(id), where).toBeUndefined()
        if (yes.upload !== undefined && yes.committed === undefined) {
          const record = await store.read(yes.upload.id)
          // A commit that was cut off may have happened; then it is whole.
          if (record !== undefined) expect(await isFetchable(store, record), where).toBe(true)
          else expect(await store.upload(yes.upload.id), where).toMatchObject({ id: yes.upload.id })
          await store.abort(yes.upload.id)
        }
        for (const { id } of store.maintenance.uploads()) await store.abort(id)
        expect(await harness.leftovers(store), where).toEqual([])
        expect(store.usage(), where).toMatchObject({ reservedBytes: 0, openUploads: 0 })
        await store.close()
        await rm(harness.directory, { recursive: true })
        if (!failed) return
      }
    },
    loopTimeoutMs,
  )

  it(
    'a first start that is cut off anywhere is followed by one that succeeds',
    async () => {
      for (let n = 1; ; n++) {
        harness = await diskHarness(memoryDirectory)
        harness.disk.arm(n)
        const first = await attempt(() => harness.openDisk(setting))
        const { failed } = harness.disk
        await first?.close()
        expect(await descriptors(harness.directory)).toEqual([])
        harness.disk.arm(Number.POSITIVE_INFINITY)
        const store = await harness.openDisk(setting)
        await stage(store, { a: small })
        await store.close()
        await rm(harness.directory, { recursive: true })
        if (!failed) return
      }
    },
    loopTimeoutMs,
  )
})

describe('the order of syncs', () => {
  it('nothing is acknowledged before its bytes, their names, and the record are durable, in this order', async () => {
    harness = await diskHarness(memoryDirectory)
    const store = await harness.openDisk(setting)
    const { disk } = harness
    disk.arm(Number.POSITIVE_INFINITY)
    const record = await stage(store, { small, large })
    const { operations } = disk
    const at = (name: string, path: string | RegExp, to?: string) =>
      operations.findLastIndex(
        (operation) =>
          operation.name === name &&
          (typeof path === 'string' ? operation.path === path : path.test(operation.path)) &&
          (to === undefined || operation.to === to),
      )
    const published = at('rename', /\/record-/, `${harness.directory}/resources/${record.id}.json`)
    for (const file of record.files) {
      const blob = blobPath(harness.directory, namespaceOf(record.owners), file.digest)
      const shard = blob.slice(0, -65)
      const renamed = operations.findIndex((operation) => operation.to === blob)
      const synced = at('fsync', operations[renamed]!.path)
      expect([synced, renamed, at('fsync', shard), published]).toEqual(
        [synced, renamed, at('fsync', shard), published].toSorted((a, b) => a - b),
      )
      expect(synced).toBeGreaterThan(0)
    }
    for (const parent of ['blobs', 'blobs/spark']) {
      const synced = at('fsync', `${harness.directory}/${parent}`)
      expect(synced).toBeGreaterThan(0)
      expect(synced).toBeLessThan(published)
    }
    expect(at('fsync', /\/record-/)).toBeGreaterThan(0)
    expect(at('fsync', /\/record-/)).toBeLessThan(published)
    expect(at('fsync', `${harness.directory}/resources`)).toBeGreaterThan(published)
    await store.close()
  })

  it('a directory is synced once for all blobs that came into it', async () => {
    harness = await diskHarness(memoryDirectory)
    const store = await harness.openDisk(setting)
    harness.disk.arm(Number.POSITIVE_INFINITY)
    await stage(
      store,
      Object.fromEntries(Array.from({ length: 300 }, (_, index) => [`f${index}`, content(20, index + 1)])),
    )
    const syncs = harness.disk.operations.filter(
      ({ name, path }) => name === 'fsync' && path.startsWith(`${harness.directory}/blobs`),
    )
    expect(new Set(syncs.map(({ path }) => path)).size).toBe(syncs.length)
    await store.close()
  })

  it('a new blob is looked up once, and is opened, written, synced, closed and renamed once', async () => {
    harness = await diskHarness(memoryDirectory)
    const store = await harness.openDisk(setting)
    harness.disk.arm(Number.POSITIVE_INFINITY)
    const blobs = 100
    await stage(
      store,
      Object.fromEntries(Array.from({ length: blobs }, (_, index) => [`f${index}`, content(20, index + 1)])),
    )
    const count = (...names: string[]) => harness.disk.operations.filter(({ name }) => names.includes(name)).length
    expect(count('stat')).toBe(blobs)
    expect(harness.disk.operations.filter(({ path }) => path.endsWith('.part')).map(({ name }) => name)).toHaveLength(
      // Its directory may have to be made first: then it is renamed a second time.
      6 * blobs +
        harness.disk.operations.filter(({ name, path }) => name === 'makeDirectory' && /\/[0-9a-f]{2}$/.test(path))
          .length,
    )
    await store.close()
  })
})
