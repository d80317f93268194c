/** The seven laws of the store port, each a test by name. */
import { Buffer } from 'node:buffer'
import { expect, it } from 'vitest'
import { content, digest, fetchFile, fileOf, isFetchable, podOwner, sendBlob, stage, writeAll } from './staging.ts'
import { expectKind, type StoreBench } from './store-bench.ts'

const sizes = [0, 1, 65_535, 65_536, 65_537, 1_048_575, 1_048_576, 1_048_577, 2_097_153]

/** DESIGN §4. */
export function lawCases(bench: StoreBench): void {
  it('law 1: a resource is visible if and only if all its bytes and its record are durable', async () => {
    await bench.open()
    const a = content(100_000)
    const upload = await bench.store.create({
      owners: [podOwner()],
      files: [fileOf('a.jar', a), fileOf('b.jar', content(10, 2))],
    })
    await sendBlob(bench.store, upload.id, a)
    expect(await bench.store.read(upload.id)).toBeUndefined()
    await expectKind(bench.store.commit(upload.id), 'conflict', 'incomplete')
    expect(await bench.store.read(upload.id)).toBeUndefined()
    await sendBlob(bench.store, upload.id, content(10, 2))
    expect(await bench.store.read(upload.id)).toBeUndefined()
    const record = await bench.store.commit(upload.id)
    expect(await bench.store.read(upload.id)).toEqual(record)
    await bench.reopen('crash')
    expect(await bench.store.read(upload.id)).toEqual(record)
    expect(await isFetchable(bench.store, record)).toBe(true)
  })

  it('law 2: bytes fetched equal bytes staged, at every size around the edges of buffers', async () => {
    await bench.open()
    const contents = Object.fromEntries(sizes.map((size, index) => [`dir/${size}.bin`, content(size, index + 1)]))
    const record = await stage(bench.store, contents)
    for (const file of record.files) {
      expect((await fetchFile(bench.store, record, file)).equals(contents[file.path]!), `${file.sizeBytes} bytes`).toBe(
        true,
      )
    }
  })

  it('law 2: bytes that are not those of their digest are refused, and a retry begins at 0', async () => {
    await bench.open()
    for (const size of [1000, 2_000_000]) {
      const right = content(size)
      const upload = await bench.store.create({ owners: [podOwner()], files: [fileOf('a.jar', right)] })
      const writer = await bench.store.writeBlob(upload.id, digest(right))
      await writeAll(writer, content(size, 99))
      await expectKind(writer.commit(), 'corrupt', 'digest-mismatch')
      await writer.abort()
      expect(await bench.store.blobProgress(upload.id, digest(right))).toEqual({
        offset: 0,
        complete: false,
        sizeBytes: size,
      })
      await sendBlob(bench.store, upload.id, right)
      expect(await isFetchable(bench.store, await bench.store.commit(upload.id))).toBe(true)
    }
  })

  it('law 2: a fetch of damaged bytes fails', async () => {
    await bench.open()
    const record = await stage(bench.store, { 'a.jar': content(50_000), 'b.jar': content(50_000, 2) })
    await bench.harness.damage(record, 'a.jar', 'truncate')
    await bench.harness.damage(record, 'b.jar', 'delete')
    await expectKind(bench.store.open(record, record.files[0]!), 'corrupt', 'blob-size')
    await expectKind(bench.store.open(record, record.files[1]!), 'corrupt', 'blob-missing')
  })

  it('law 3: a kill loses only what was never acknowledged', async () => {
    await bench.open()
    const big = content(3_000_000)
    const committed = await stage(bench.store, { 'kept.jar': content(1000, 5) })
    const upload = await bench.store.create({
      owners: [podOwner()],
      files: [fileOf('big.jar', big), fileOf('small.jar', content(9, 7))],
    })
    await sendBlob(bench.store, upload.id, content(9, 7))
    const writer = await bench.store.writeBlob(upload.id, digest(big))
    await writeAll(writer, big.subarray(0, 2_500_000))
    expect(await writer.suspend()).toBe(2_500_000)
    const intake = await bench.store.intake(undefined)
    await writeAll(await intake.file('x', undefined), content(2_000_000, 3))
    await bench.reopen('crash')
    expect(await isFetchable(bench.store, (await bench.store.read(committed.id))!)).toBe(true)
    expect(await bench.store.upload(upload.id)).toMatchObject({ id: upload.id, secretHash: upload.secret.hash() })
    expect(await bench.store.blobProgress(upload.id, digest(big))).toEqual({
      offset: 2_500_000,
      complete: false,
      sizeBytes: 3_000_000,
    })
    expect(await bench.store.read(intake.id)).toBeUndefined()
    expect(bench.store.usage()).toMatchObject({ openUploads: 1, reservedBytes: 3_000_000 })
    await sendBlob(bench.store, upload.id, big)
    expect(await isFetchable(bench.store, await bench.store.commit(upload.id))).toBe(true)
  })

  it('law 3: a kill while bytes come leaves a prefix that is continued or refused, never a wrong blob', async () => {
    await bench.open()
    const big = content(6_000_000)
    const upload = await bench.store.create({ owners: [podOwner()], files: [fileOf('big.jar', big)] })
    await writeAll(await bench.store.writeBlob(upload.id, digest(big)), big.subarray(0, 5_000_000))
    await bench.reopen('crash')
    await sendBlob(bench.store, upload.id, big)
    expect(await isFetchable(bench.store, await bench.store.commit(upload.id))).toBe(true)
  })

  it('law 4: a writer takes only a few MiB ahead of the disk', async () => {
    await bench.open()
    const bytes = content(32 * 2 ** 20)
    const upload = await bench.store.create({ owners: [podOwner()], files: [fileOf('big.jar', bytes)] })
    const writer = await bench.store.writeBlob(upload.id, digest(bytes))
    let ahead = 0
    let position = 0
    while (position < bytes.length) {
      const waiting = writer.write(bytes.subarray(position, position + 65_536))
      position += 65_536
      ahead += 65_536
      expect(ahead).toBeLessThanOrEqual(bench.harness.aheadBytesMax)
      if (waiting === undefined) continue
      await waiting
      ahead = 0
    }
    await writer.commit()
    await bench.store.commit(upload.id)
  })

  it('law 5: a read that began survives deletion', async () => {
    await bench.open()
    const bytes = content(300_000)
    const record = await stage(bench.store, { 'a.jar': bytes })
    const reader = await bench.store.open(record, record.files[0]!)
    expect(await bench.store.release(record.id)).toBe(true)
    await bench.harness.leftovers(bench.store)
    const buffer = Buffer.alloc(300_000)
    expect(await reader.read(buffer, 0)).toBe(300_000)
    expect(buffer.equals(bytes)).toBe(true)
    await reader.close()
    expect(await bench.store.read(record.id)).toBeUndefined()
    expect(await bench.store.release(record.id)).toBe(false)
  })

  it('law 6: space is reserved before the first byte, and freed on abort', async () => {
    await bench.open({ storeBytesMax: 1000, namespaceBytesMax: 800 })
    const first = await bench.store.create({ owners: [podOwner()], files: [fileOf('a', content(600))] })
    expect(bench.store.usage().reservedBytes).toBe(600)
    await expectKind(
      bench.store.create({ owners: [podOwner()], files: [fileOf('b', content(300, 2))] }),
      'exhausted',
      'namespace-quota',
    )
    await expectKind(
      bench.store.create({ owners: [podOwner('other')], files: [fileOf('b', content(500, 2))] }),
      'exhausted',
      'store-full',
    )
    await expectKind(bench.store.intake(500), 'exhausted', 'store-full')
    await bench.store.abort(first.id)
    await bench.store.abort(first.id)
    expect(bench.store.usage()).toMatchObject({ reservedBytes: 0, bytes: 0, openUploads: 0 })
    await stage(bench.store, { b: content(800, 2) })
    expect(bench.store.usage()).toMatchObject({ bytes: 800, namespaces: { spark: 800 }, reservedBytes: 0 })
  })

  it('law 6: of two uploads that fit alone but not together, exactly one is refused', async () => {
    await bench.open({ storeBytesMax: 1000 })
    const attempts = await Promise.allSettled([
      bench.store.create({ owners: [podOwner()], files: [fileOf('a', content(600, 1))] }),
      bench.store.create({ owners: [podOwner()], files: [fileOf('b', content(600, 2))] }),
    ])
    expect(attempts.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
    for (const attempt of attempts) if (attempt.status === 'fulfilled') await bench.store.abort(attempt.value.id)
  })

  it('law 7: client strings never become paths unchecked', async () => {
    await bench.open()
    const file = fileOf('a', content(10))
    for (const bad of ['..', '../../etc', '/', 'a/b', 'A', '', '.', 'a\0b', `${'a'.repeat(64)}`]) {
      await expectKind(bench.store.create({ owners: [podOwner(bad)], files: [file] }), 'unsafe')
      expect(await bench.store.read(bad)).toBeUndefined()
      expect(await bench.store.upload(bad)).toBeUndefined()
      expect(await bench.store.release(bad)).toBe(false)
      await bench.store.touch(bad)
      await expectKind(bench.store.writeBlob(bad, file.digest), 'notFound')
      await expectKind(bench.store.commit(bad), 'notFound')
    }
    for (const bad of ['../x', '/etc/passwd', 'a/../../b', 'a\\b', '.supercargo/x', 'a\nb']) {
      await expectKind(bench.store.create({ owners: [podOwner()], files: [{ ...file, path: bad }] }), 'unsafe')
      const intake = await bench.store.intake(undefined)
      await expectKind(intake.file(bad, undefined), 'unsafe')
      await intake.abort()
    }
    const traversal = `sha256:${'../'.repeat(21)}a` as typeof file.digest
    await expectKind(bench.store.create({ owners: [podOwner()], files: [{ ...file, digest: traversal }] }), 'unsafe')
    const upload = await bench.store.create({ owners: [podOwner()], files: [file] })
    await expectKind(bench.store.writeBlob(upload.id, traversal), 'invalid')
    await bench.store.abort(upload.id)
  })
}
