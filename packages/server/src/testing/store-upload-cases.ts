/** How uploads behave at their edges: sharing, resuming, taking over, limits. */
import { Buffer } from 'node:buffer'
import { emptyDigest, namespaceOf } from '@supercargo/protocol'
import { expect, it } from 'vitest'
import { content, digest, fileOf, isFetchable, podOwner, sendBlob, stage, writeAll } from './staging.ts'
import { expectKind, type StoreBench } from './store-bench.ts'

/** What a client may do to an open upload. */
export function uploadCases(bench: StoreBench): void {
  it('an empty set and empty files are resources like any other', async () => {
    await bench.open()
    expect((await stage(bench.store, {})).files).toEqual([])
    const empty = await bench.store.create({
      owners: [podOwner()],
      files: [fileOf('empty', Buffer.alloc(0)), fileOf('_SUCCESS', Buffer.alloc(0))],
    })
    expect(empty.missing).toEqual([])
    expect(await bench.store.blobProgress(empty.id, emptyDigest)).toEqual({ offset: 0, complete: true, sizeBytes: 0 })
    expect(await isFetchable(bench.store, await bench.store.commit(empty.id))).toBe(true)
  })

  it('one digest at several paths is sent once, and a second upload sends nothing', async () => {
    await bench.open()
    const bytes = content(70_000)
    const upload = await bench.store.create({
      owners: [podOwner()],
      files: [fileOf('a', bytes), fileOf('b', bytes), fileOf('c', content(5, 2))],
    })
    expect(upload.missing).toEqual([digest(bytes), digest(content(5, 2))])
    await sendBlob(bench.store, upload.id, bytes)
    await sendBlob(bench.store, upload.id, content(5, 2))
    await bench.store.commit(upload.id)
    const again = await bench.store.create({ owners: [podOwner()], files: [fileOf('x', bytes)] })
    expect(again.missing).toEqual([])
    expect(await isFetchable(bench.store, await bench.store.commit(again.id))).toBe(true)
    expect(bench.store.usage().bytes).toBe(70_005)
  })

  it('blobs are shared inside a namespace only, and not at all in an isolated one', async () => {
    await bench.open({}, ['private'])
    const bytes = content(2000)
    await stage(bench.store, { a: bytes })
    for (const namespace of ['other', 'private', 'private']) {
      const upload = await bench.store.create({ owners: [podOwner(namespace)], files: [fileOf('a', bytes)] })
      expect(upload.missing).toEqual([digest(bytes)])
      expect(await bench.store.blobProgress(upload.id, digest(bytes))).toMatchObject({ complete: false })
      await expectKind(bench.store.commit(upload.id), 'conflict', 'incomplete')
      await sendBlob(bench.store, upload.id, bytes)
      expect(await bench.store.blobProgress(upload.id, digest(bytes))).toMatchObject({ complete: true })
      const record = await bench.store.commit(upload.id)
      expect(namespaceOf(record.owners)).toBe(namespace)
      expect(await isFetchable(bench.store, record)).toBe(true)
    }
    expect(bench.store.usage()).toMatchObject({ bytes: 6000, namespaces: { spark: 2000, other: 2000, private: 2000 } })
  })

  it('a suspended blob is continued where it stopped', async () => {
    await bench.open()
    for (const size of [5000, 4_000_000]) {
      const bytes = content(size, size)
      const upload = await bench.store.create({ owners: [podOwner()], files: [fileOf('a', bytes)] })
      let offset = 0
      for (const part of [0.3, 0.6, 0.9]) {
        const writer = await bench.store.writeBlob(upload.id, digest(bytes))
        expect(writer.offset).toBe(offset)
        const end = Math.floor(size * part)
        await writeAll(writer, bytes.subarray(offset, end), 1000)
        offset = await writer.suspend()
        expect(offset).toBe(end)
        await writer.abort()
        expect(await bench.store.blobProgress(upload.id, digest(bytes))).toEqual({
          offset,
          complete: false,
          sizeBytes: size,
        })
      }
      await sendBlob(bench.store, upload.id, bytes)
      expect(await isFetchable(bench.store, await bench.store.commit(upload.id))).toBe(true)
    }
  })

  it('a newer writer takes over and the two never mix their bytes', async () => {
    await bench.open()
    const bytes = content(5_000_000)
    const upload = await bench.store.create({ owners: [podOwner()], files: [fileOf('a', bytes)] })
    const older = await bench.store.writeBlob(upload.id, digest(bytes))
    for (let position = 0; position < 3_000_000; position += 65_536)
      void older.write(bytes.subarray(position, position + 65_536))
    const newer = await bench.store.writeBlob(upload.id, digest(bytes))
    await expectKind(Promise.resolve(older.write(bytes.subarray(0, 10))), 'interrupted', 'superseded')
    await writeAll(newer, bytes.subarray(newer.offset))
    await expectKind(older.commit(), 'interrupted', 'superseded')
    await older.abort()
    await newer.commit()
    expect(await isFetchable(bench.store, await bench.store.commit(upload.id))).toBe(true)
  })

  it('who asks how far a blob has come ends its writer, and all that came is kept', async () => {
    await bench.open()
    const bytes = content(5_000_000)
    const upload = await bench.store.create({ owners: [podOwner()], files: [fileOf('a', bytes)] })
    const reasons: string[] = []
    const older = await bench.store.writeBlob(upload.id, digest(bytes), ({ code }) => reasons.push(code))
    for (let position = 0; position < 3_000_000; position += 65_536)
      await older.write(bytes.subarray(position, Math.min(position + 65_536, 3_000_000)))
    expect(await bench.store.blobProgress(upload.id, digest(bytes))).toMatchObject({ offset: 3_000_000 })
    expect(reasons).toEqual(['superseded'])
    await expectKind(Promise.resolve(older.write(bytes.subarray(0, 10))), 'interrupted', 'superseded')
    await expectKind(older.suspend(), 'interrupted', 'superseded')
    expect(await bench.store.blobProgress(upload.id, digest(bytes))).toMatchObject({ offset: 3_000_000 })
    const newer = await bench.store.writeBlob(upload.id, digest(bytes))
    expect(newer.offset).toBe(3_000_000)
    await writeAll(newer, bytes.subarray(newer.offset))
    await newer.commit()
    expect(await isFetchable(bench.store, await bench.store.commit(upload.id))).toBe(true)
  })

  it('many writers for one blob at once: one of them stores it, none stores it wrong', async () => {
    await bench.open()
    const bytes = content(2_500_000)
    const upload = await bench.store.create({ owners: [podOwner()], files: [fileOf('a', bytes)] })
    const outcomes = await Promise.allSettled(Array.from({ length: 8 }, () => sendBlob(bench.store, upload.id, bytes)))
    expect(outcomes.some(({ status }) => status === 'fulfilled')).toBe(true)
    for (const outcome of outcomes)
      if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ code: 'superseded' })
    expect(await isFetchable(bench.store, await bench.store.commit(upload.id))).toBe(true)
    expect(bench.store.usage().bytes).toBe(2_500_000)
  })

  it('uploads that bring the same blob at once all commit, and it is stored once', async () => {
    await bench.open()
    const bytes = content(1_500_000)
    const records = await Promise.all(
      Array.from({ length: 6 }, (_, index) => stage(bench.store, { a: bytes, b: content(10, index + 2) })),
    )
    for (const record of records) expect(await isFetchable(bench.store, record)).toBe(true)
    expect(bench.store.usage()).toMatchObject({ bytes: 1_500_060, reservedBytes: 0 })
  })

  it('a blob takes neither more nor fewer bytes than declared', async () => {
    await bench.open()
    for (const size of [1000, 3_000_000]) {
      const bytes = content(size, size)
      const upload = await bench.store.create({ owners: [podOwner()], files: [fileOf('a', bytes)] })
      const long = await bench.store.writeBlob(upload.id, digest(bytes))
      await writeAll(long, bytes)
      await expectKind(Promise.resolve(long.write(Buffer.alloc(1))), 'tooLarge', 'blob-too-long')
      await long.abort()
      const short = await bench.store.writeBlob(upload.id, digest(bytes))
      expect(short.offset).toBe(0)
      await writeAll(short, bytes.subarray(1))
      await expectKind(short.commit(), 'invalid', 'blob-too-short')
      await bench.store.abort(upload.id)
    }
  })

  it('an incomplete commit names what is missing, and a repeated commit answers the same', async () => {
    await bench.open()
    const a = content(10, 1)
    const b = content(10, 2)
    const upload = await bench.store.create({ owners: [podOwner()], files: [fileOf('a', a), fileOf('b', b)] })
    await sendBlob(bench.store, upload.id, a)
    const error = await expectKind(bench.store.commit(upload.id), 'conflict', 'incomplete')
    expect(error.context.missing).toEqual([digest(b)])
    await sendBlob(bench.store, upload.id, b)
    const [first, second] = await Promise.all([bench.store.commit(upload.id), bench.store.commit(upload.id)])
    expect(second).toEqual(first)
    expect(await bench.store.commit(upload.id)).toEqual(first)
    expect(await bench.store.upload(upload.id)).toBeUndefined()
  })

  it('unknown ids are unknown to every method', async () => {
    await bench.open()
    const id = 'x'.repeat(26)
    expect(await bench.store.read(id)).toBeUndefined()
    expect(await bench.store.upload(id)).toBeUndefined()
    expect(await bench.store.update(id, (record) => record)).toBeUndefined()
    expect(await bench.store.blobProgress(id, digest(content(1)))).toBeUndefined()
    expect(await bench.store.release(id)).toBe(false)
    await bench.store.abort(id)
    await bench.store.touch(id)
    await expectKind(bench.store.writeBlob(id, digest(content(1))), 'notFound', 'unknown-upload')
    await expectKind(bench.store.commit(id), 'notFound', 'unknown-upload')
  })

  it('limits of one resource are refused at once', async () => {
    await bench.open({ fileBytesMax: 100, resourceBytesMax: 150, filesPerResourceMax: 2 })
    const create = (...contentSizes: number[]) =>
      bench.store.create({
        owners: [podOwner()],
        files: contentSizes.map((size, index) => fileOf(`${index}`, content(size, index + 1))),
      })
    await expectKind(create(101), 'tooLarge', 'file-too-large')
    await expectKind(create(90, 90), 'tooLarge', 'resource-too-large')
    await expectKind(create(1, 1, 1), 'tooLarge', 'too-many-files')
    const intake = await bench.store.intake(undefined)
    await expectKind(intake.file('a', 101), 'tooLarge', 'file-too-large')
    const unknown = await intake.file('b', undefined)
    await expectKind(writeAll(unknown, content(101), 40), 'tooLarge', 'file-too-large')
    await unknown.abort()
    const first = await intake.file('c', 90)
    await writeAll(first, content(90))
    await first.commit()
    await expectKind(intake.file('d', 61), 'tooLarge', 'resource-too-large')
    const rest = await intake.file('e', undefined)
    await expectKind(writeAll(rest, content(61), 10), 'tooLarge', 'resource-too-large')
    await rest.abort()
    await intake.abort()
  })
}
