/** How intakes and committed resources behave at their edges: quotas, changes, damage, release, closing. */
import { Buffer } from 'node:buffer'
import { expect, it } from 'vitest'
import { content, digest, fileOf, filesOf, isFetchable, podOwner, sendBlob, stage, writeAll } from './staging.ts'
import { expectKind, type StoreBench } from './store-bench.ts'

/** What happens beside and after an upload. */
export function resourceCases(bench: StoreBench): void {
  it('an intake finds out digests, sizes and the owner on the way, and is one commit', async () => {
    await bench.open()
    const contents = { a: content(10), b: content(3_000_000, 2), 'c/d': Buffer.alloc(0), twin: content(10) }
    const intake = await bench.store.intake(undefined)
    for (const [path, bytes] of Object.entries(contents)) {
      const writer = await intake.file(path, path === 'b' ? bytes.length : undefined)
      await writeAll(writer, bytes, 7000)
      expect(await writer.commit()).toEqual({ digest: digest(bytes), sizeBytes: bytes.length })
      await writer.abort()
    }
    expect(await bench.store.read(intake.id)).toBeUndefined()
    const record = await intake.commit([podOwner()], 'v0', { principal: 'alice' })
    expect(record).toMatchObject({
      id: intake.id,
      door: 'v0',
      principal: 'alice',
      secretHash: intake.secret.hash(),
      files: filesOf(contents),
    })
    expect(await bench.store.read(intake.id)).toEqual(record)
    expect(await isFetchable(bench.store, record)).toBe(true)
    await intake.abort()
    await expectKind(intake.commit([podOwner()], 'v0'), 'interrupted')
    expect(bench.store.usage()).toMatchObject({ bytes: 3_000_010, reservedBytes: 0, openUploads: 0 })
  })

  it('who staged is kept with the resource, from the first request on', async () => {
    await bench.open()
    const upload = await bench.store.create({ owners: [podOwner()], files: [], principal: 'alice' })
    expect(await bench.store.upload(upload.id)).toMatchObject({ principal: 'alice' })
    await bench.store.commit(upload.id)
    expect(await bench.store.read(upload.id)).toMatchObject({ principal: 'alice' })
  })

  it('a commit keeps how long the resource is kept unread, and a change of its owners may end that', async () => {
    await bench.open()
    const intake = await bench.store.intake(undefined)
    await (await intake.file('a', undefined)).commit()
    const record = await intake.commit([podOwner()], 'webhdfs', { maxAgeMs: 1000 })
    expect(record).toMatchObject({ door: 'webhdfs', maxAgeMs: 1000 })
    expect(await bench.store.read(record.id)).toEqual(record)
    const { maxAgeMs: _, ...known } = record
    await bench.store.update(record.id, () => known)
    expect(await bench.store.read(record.id)).toEqual(known)
  })

  it('an intake counts against the quota of its namespace as soon as that is known', async () => {
    await bench.open({ namespaceBytesMax: 100_000, storeBytesMax: 1_000_000 })
    const intake = await bench.store.intake(150_000)
    expect(bench.store.usage().reservedBytes).toBe(150_000)
    expect(() => intake.bindNamespace('spark')).toThrow(expect.objectContaining({ code: 'namespace-quota' }))
    await intake.abort()
    const late = await bench.store.intake(undefined)
    const writer = await late.file('a', undefined)
    await writeAll(writer, content(150_000))
    await writer.commit()
    await expectKind(late.commit([podOwner()], 'v1'), 'exhausted', 'namespace-quota')
    expect(bench.store.usage()).toMatchObject({ bytes: 0, reservedBytes: 0 })
    const growing = await bench.store.intake(undefined)
    await expectKind(writeAll(await growing.file('a', undefined), content(1_000_001)), 'exhausted', 'store-full')
    await growing.abort()
  })

  it('an intake is refused as a whole when its files disagree, or one is not complete', async () => {
    await bench.open()
    const intake = await bench.store.intake(undefined)
    for (const path of ['a', 'a/b']) await (await intake.file(path, undefined)).commit()
    await expectKind(intake.commit([podOwner()], 'v1'), 'invalid', 'path-conflict')
    const open2 = await bench.store.intake(10)
    const writer = await open2.file('a', 10)
    await writeAll(writer, content(5))
    await expectKind(writer.suspend(), 'invalid', 'not-resumable')
    await expectKind(writer.commit(), 'invalid', 'file-too-short')
    await open2.abort()
  })

  it('update replaces owners and capabilities, in the same namespace, one change after the other', async () => {
    await bench.open()
    const record = await stage(bench.store, { a: content(5) })
    const owner = { ...podOwner(), uid: 'd2b8' }
    await Promise.all([
      bench.store.update(record.id, (current) => ({ ...current, owners: [owner] })),
      ...Array.from({ length: 5 }, (_, index) =>
        bench.store.update(record.id, (current) => ({
          ...current,
          capabilities: [...current.capabilities, { name: `c${index}`, hash: record.secretHash, expiresAtMs: null }],
        })),
      ),
    ])
    const updated = await bench.store.read(record.id)
    expect(updated?.owners).toEqual([owner])
    expect(updated?.capabilities.length).toBe(5)
    await expectKind(
      bench.store.update(record.id, (current) => ({ ...current, owners: [podOwner('other')] })),
      'invalid',
      'other-namespace',
    )
    await bench.reopen('crash')
    expect(await bench.store.read(record.id)).toEqual(updated)
  })

  it('a damaged record is an error, not an absence, and can be released', async () => {
    await bench.open()
    const record = await stage(bench.store, { a: content(5) })
    await bench.harness.damageRecord(record.id)
    await expectKind(bench.store.read(record.id), 'corrupt', 'damaged-record')
    await expectKind(
      bench.store.update(record.id, (current) => current),
      'corrupt',
      'damaged-record',
    )
    expect(await bench.store.release(record.id)).toBe(true)
    expect(await bench.store.read(record.id)).toBeUndefined()
  })

  it('a release while a commit of the same blob runs never takes the bytes away', async () => {
    await bench.open()
    const bytes = content(100_000)
    for (let round = 0; round < 10; round++) {
      const first = await stage(bench.store, { a: bytes })
      const [second] = await Promise.all([stage(bench.store, { b: bytes }), bench.store.release(first.id)])
      await bench.harness.leftovers(bench.store)
      expect(await isFetchable(bench.store, second)).toBe(true)
      await bench.store.release(second.id)
      await bench.harness.leftovers(bench.store)
    }
    expect(bench.store.usage().bytes).toBe(0)
  })

  it('blobs that an open upload relies on stay when the resource that brought them is released', async () => {
    await bench.open()
    const bytes = content(1000)
    const first = await stage(bench.store, { a: bytes })
    const upload = await bench.store.create({ owners: [podOwner()], files: [fileOf('b', bytes)] })
    expect(upload.missing).toEqual([])
    await bench.store.release(first.id)
    await bench.harness.leftovers(bench.store)
    expect(await isFetchable(bench.store, await bench.store.commit(upload.id))).toBe(true)
  })

  it('a blob that went while an upload relied on it is named by the commit, and needs space when it is sent again', async () => {
    await bench.open({ storeBytesMax: 5000 })
    const bytes = content(1000)
    const first = await stage(bench.store, { a: bytes })
    const upload = await bench.store.create({ owners: [podOwner()], files: [fileOf('b', bytes)] })
    expect(upload.missing).toEqual([])
    await bench.harness.damage(first, 'a', 'delete')
    const error = await expectKind(bench.store.commit(upload.id), 'conflict', 'incomplete')
    expect(error.context.missing).toEqual([digest(bytes)])
    const writer = await bench.store.writeBlob(upload.id, digest(bytes))
    expect(bench.store.usage().reservedBytes).toBe(1000)
    await writeAll(writer, bytes)
    await writer.commit()
    expect(bench.store.usage().reservedBytes).toBe(0)
    expect(await isFetchable(bench.store, await bench.store.commit(upload.id))).toBe(true)
  })

  it('an aborted upload interrupts its writers and leaves nothing', async () => {
    await bench.open()
    const bytes = content(4_000_000)
    const upload = await bench.store.create({ owners: [podOwner()], files: [fileOf('a', bytes)] })
    const writer = await bench.store.writeBlob(upload.id, digest(bytes))
    await writeAll(writer, bytes.subarray(0, 3_000_000))
    await bench.store.abort(upload.id)
    await expectKind(Promise.resolve(writer.write(bytes.subarray(0, 1))), 'interrupted', 'upload-ended')
    await expectKind(writer.commit(), 'interrupted', 'upload-ended')
    await expectKind(bench.store.writeBlob(upload.id, digest(bytes)), 'notFound', 'unknown-upload')
  })

  it('a closed store takes nothing more, and finds everything again', async () => {
    await bench.open()
    const bytes = content(2_000_000)
    const record = await stage(bench.store, { a: content(100) })
    const upload = await bench.store.create({ owners: [podOwner()], files: [fileOf('b', bytes)] })
    const writer = await bench.store.writeBlob(upload.id, digest(bytes))
    await writeAll(writer, bytes.subarray(0, 1_500_000))
    const closed = bench.store
    await bench.reopen('close')
    await expectKind(closed.create({ owners: [podOwner()], files: [] }), 'unavailable', 'store-closed')
    await expectKind(Promise.resolve(writer.write(bytes.subarray(0, 1))), 'unavailable', 'store-closed')
    expect(bench.store.usage()).toMatchObject({ bytes: 100, openUploads: 1 })
    expect(await bench.store.read(record.id)).toEqual(record)
    await sendBlob(bench.store, upload.id, bytes)
    await bench.store.commit(upload.id)
    await bench.store.probe()
  })
}
