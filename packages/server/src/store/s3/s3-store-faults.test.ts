/** Whichever call to the bucket fails, before or after it took effect: the laws hold, and nothing is left that a sweep does not remove. */
import { ManualClock } from '@supercargo/transfer'
import { describe, expect, it } from 'vitest'
import { type BucketHarness, bucketHarness } from '../../testing/bucket-harness.ts'
import { MemoryBucket } from '../../testing/memory-bucket.ts'
import { content, digest, fileOf, filesOf, isFetchable, noLimits, podOwner, writeAll } from '../../testing/staging.ts'
import type { ResourceRecord } from '../store.ts'
import type { S3Store } from './s3-store.ts'

const partBytes = 20_000
const large = content(65_000)
const small = content(1000, 2)
const contents = { 'large.jar': large, 'small.jar': small, empty: Buffer.alloc(0) }

async function sendAll(store: S3Store, id: string): Promise<void> {
  for (const bytes of [large, small]) {
    const writer = await store.writeBlob(id, digest(bytes))
    try {
      await writeAll(writer, bytes.subarray(writer.offset), 5000)
      await writer.commit()
    } catch (error) {
      await writer.abort()
      throw error
    }
  }
}

const acts: Readonly<Record<string, (store: S3Store) => Promise<ResourceRecord>>> = {
  'an upload that is continued': async (store) => {
    const upload = await store.create({ owners: [podOwner()], files: filesOf(contents) })
    const writer = await store.writeBlob(upload.id, digest(large))
    await writeAll(writer, large.subarray(writer.offset, 50_000), 5000)
    await writer.suspend()
    await sendAll(store, upload.id)
    return store.commit(upload.id)
  },
  'an intake': async (store) => {
    const intake = await store.intake(undefined)
    try {
      for (const [path, bytes] of Object.entries(contents)) {
        const writer = await intake.file(path, undefined)
        await writeAll(writer, bytes, 5000)
        await writer.commit()
      }
      return await intake.commit([podOwner()], 'v1')
    } catch (error) {
      await intake.abort()
      throw error
    }
  },
}

async function withHarness(
  run: (harness: BucketHarness, store: S3Store, clock: ManualClock) => Promise<void>,
): Promise<void> {
  const harness = bucketHarness(new MemoryBucket(partBytes), '')
  const clock = new ManualClock()
  await run(harness, await harness.openS3({ limits: noLimits, clock, partBytes }), clock)
}

/** Ends what is still open, then sweeps; what is left must be nothing. */
async function expectClean(harness: BucketHarness, store: S3Store, clock: ManualClock): Promise<void> {
  for (const { id } of store.maintenance.uploads()) await store.abort(id)
  await store.maintenance.sweepLeftovers()
  clock.advance(noLimits.abandonedMs)
  expect(await harness.leftovers(store)).toEqual([])
}

describe.each(['an upload that is continued', 'an intake'])('%s', (name) => {
  it.each(['before', 'after'] as const)(
    'whose n-th call fails %s it took effect is whole or not there',
    async (when) => {
      let calls = 0
      for (let n = 1, failed = true; failed; n++) {
        await withHarness(async (harness, store, clock) => {
          harness.bucket.failAt(n, when)
          const outcome = await acts[name]!(store).catch((error: unknown) => error as Error)
          failed = harness.bucket.failed
          harness.bucket.failAt(0, when)
          calls = n
          if (outcome instanceof Error) expect(outcome, `call ${n}`).toMatchObject({ name: 'SupercargoError' })
          else expect(await isFetchable(store, outcome), `call ${n}`).toBe(true)
          // Once more, as a client would: nothing that failed is in the way.
          if (outcome instanceof Error)
            expect(await isFetchable(store, await acts[name]!(store)), `call ${n}`).toBe(true)
          await expectClean(harness, store, clock)
          await store.close()
        })
      }
      expect(calls).toBeGreaterThan(5)
    },
  )

  it('that a kill cuts off at any call leaves nothing that the next server does not finish or remove', async () => {
    for (let n = 1, died = true; died; n++) {
      await withHarness(async (harness, store, clock) => {
        harness.bucket.dieAt(n)
        const acknowledged = await acts[name]!(store).catch(() => undefined)
        died = harness.bucket.failed
        await harness.crash(store)
        const next = await harness.openS3({ limits: noLimits, clock, partBytes })
        if (acknowledged !== undefined) expect(await isFetchable(next, (await next.read(acknowledged.id))!)).toBe(true)
        await expectClean(harness, next, clock)
        await next.close()
      })
    }
  })
})

describe('a release', () => {
  it('whose n-th call fails may be repeated, and takes the bytes of no other', async () => {
    for (let n = 1, failed = true; failed; n++) {
      await withHarness(async (harness, store, clock) => {
        const kept = await acts['an intake']!(store)
        const other = await store.create({ owners: [podOwner()], files: [fileOf('x', small)] })
        const released = await store.commit(other.id)
        harness.bucket.failAt(n, 'after')
        await store.release(released.id).catch(() => undefined)
        failed = harness.bucket.failed
        harness.bucket.failAt(0, 'after')
        await store.release(released.id)
        expect(await store.read(released.id), `call ${n}`).toBeUndefined()
        await expectClean(harness, store, clock)
        expect(await isFetchable(store, kept), `call ${n}`).toBe(true)
        await store.close()
      })
    }
  })
})
