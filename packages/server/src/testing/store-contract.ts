/** The laws of the store port as tests; every backend runs them. */
import { Buffer } from 'node:buffer'
import { type ErrorKind, emptyDigest, namespaceOf, SupercargoError } from '@supercargo/protocol'
import { ManualClock } from '@supercargo/transfer'
import { afterEach, describe, expect, it } from 'vitest'
import type { ResourceRecord, Store, StoreLimits } from '../store/store.ts'
import {
  content,
  digest,
  fetchFile,
  fileOf,
  filesOf,
  isFetchable,
  noLimits,
  podOwner,
  sendBlob,
  stage,
  writeAll,
} from './staging.ts'

export interface StoreSetting {
  readonly limits: StoreLimits
  readonly clock: ManualClock
  readonly isolatedNamespaces: readonly string[]
}

/** What a backend lends to the contract. */
export interface StoreHarness {
  /** Opens the store; again after `store.close()`, or after `crash()`. */
  open(setting: StoreSetting): Promise<Store>
  /** Ends the store as SIGKILL does: nothing more reaches the disk, nothing is tidied up. */
  crash(store: Store): Promise<void>
  /** Damages the stored bytes of a file. */
  damage(record: ResourceRecord, path: string, how: 'delete' | 'truncate'): Promise<void>
  /** Damages the record. */
  damageRecord(id: string): Promise<void>
  /** Everything that is left when the store is closed and swept, and that no record accounts for: files, descriptors. */
  leftovers(store: Store): Promise<string[]>
  remove(): Promise<void>
}

const sizes = [0, 1, 65_535, 65_536, 65_537, 1_048_575, 1_048_576, 1_048_577, 2_097_153]

export function storeContract(name: string, makeHarness: () => Promise<StoreHarness>): void {
  describe(`${name} keeps the laws of a store`, () => {
    let harness: StoreHarness
    let store: Store
    const clock = new ManualClock()

    async function open(limits: Partial<StoreLimits> = {}, isolatedNamespaces: readonly string[] = []): Promise<Store> {
      harness = await makeHarness()
      store = await harness.open({ limits: { ...noLimits, ...limits }, clock, isolatedNamespaces })
      return store
    }

    async function reopen(how: 'close' | 'crash', limits: Partial<StoreLimits> = {}): Promise<Store> {
      if (how === 'close') await store.close()
      else await harness.crash(store)
      store = await harness.open({ limits: { ...noLimits, ...limits }, clock, isolatedNamespaces: [] })
      return store
    }

    afterEach(async () => {
      const { openUploads, reservedBytes } = store.usage()
      const leftovers = await harness.leftovers(store)
      await store.close()
      await harness.remove()
      expect({ openUploads, reservedBytes, leftovers }).toEqual({ openUploads: 0, reservedBytes: 0, leftovers: [] })
    })

    it('law 1: a resource is visible if and only if all its bytes and its record are durable', async () => {
      await open()
      const a = content(100_000)
      const upload = await store.create({
        owners: [podOwner()],
        files: [fileOf('a.jar', a), fileOf('b.jar', content(10, 2))],
      })
      await sendBlob(store, upload.id, a)
      expect(await store.read(upload.id)).toBeUndefined()
      await expectKind(store.commit(upload.id), 'conflict', 'incomplete')
      expect(await store.read(upload.id)).toBeUndefined()
      await sendBlob(store, upload.id, content(10, 2))
      expect(await store.read(upload.id)).toBeUndefined()
      const record = await store.commit(upload.id)
      expect(await store.read(upload.id)).toEqual(record)
      await reopen('crash')
      expect(await store.read(upload.id)).toEqual(record)
      expect(await isFetchable(store, record)).toBe(true)
    })

    it('law 2: bytes fetched equal bytes staged, at every size around the edges of buffers', async () => {
      await open()
      const contents = Object.fromEntries(sizes.map((size, index) => [`dir/${size}.bin`, content(size, index + 1)]))
      const record = await stage(store, contents)
      for (const file of record.files) {
        expect((await fetchFile(store, record, file)).equals(contents[file.path]!), `${file.sizeBytes} bytes`).toBe(
          true,
        )
      }
    })

    it('law 2: bytes that are not those of their digest are refused, and a retry begins at 0', async () => {
      await open()
      for (const size of [1000, 2_000_000]) {
        const right = content(size)
        const upload = await store.create({ owners: [podOwner()], files: [fileOf('a.jar', right)] })
        const writer = await store.writeBlob(upload.id, digest(right))
        await writeAll(writer, content(size, 99))
        await expectKind(writer.commit(), 'corrupt', 'digest-mismatch')
        await writer.abort()
        expect(await store.blobProgress(upload.id, digest(right))).toEqual({
          offset: 0,
          complete: false,
          sizeBytes: size,
        })
        await sendBlob(store, upload.id, right)
        expect(await isFetchable(store, await store.commit(upload.id))).toBe(true)
      }
    })

    it('law 2: a fetch of damaged bytes fails', async () => {
      await open()
      const record = await stage(store, { 'a.jar': content(50_000), 'b.jar': content(50_000, 2) })
      await harness.damage(record, 'a.jar', 'truncate')
      await harness.damage(record, 'b.jar', 'delete')
      await expectKind(store.open(record, record.files[0]!), 'corrupt', 'blob-size')
      await expectKind(store.open(record, record.files[1]!), 'corrupt', 'blob-missing')
    })

    it('law 3: a kill loses only what was never acknowledged', async () => {
      await open()
      const big = content(3_000_000)
      const committed = await stage(store, { 'kept.jar': content(1000, 5) })
      const upload = await store.create({
        owners: [podOwner()],
        files: [fileOf('big.jar', big), fileOf('small.jar', content(9, 7))],
      })
      await sendBlob(store, upload.id, content(9, 7))
      const writer = await store.writeBlob(upload.id, digest(big))
      await writeAll(writer, big.subarray(0, 2_500_000))
      expect(await writer.suspend()).toBe(2_500_000)
      const intake = await store.intake(undefined)
      await writeAll(await intake.file('x', undefined), content(2_000_000, 3))
      await reopen('crash')
      expect(await isFetchable(store, (await store.read(committed.id))!)).toBe(true)
      expect(await store.upload(upload.id)).toMatchObject({ id: upload.id, secretHash: upload.secret.hash() })
      expect(await store.blobProgress(upload.id, digest(big))).toEqual({
        offset: 2_500_000,
        complete: false,
        sizeBytes: 3_000_000,
      })
      expect(await store.read(intake.id)).toBeUndefined()
      expect(store.usage()).toMatchObject({ openUploads: 1, reservedBytes: 3_000_000 })
      await sendBlob(store, upload.id, big)
      expect(await isFetchable(store, await store.commit(upload.id))).toBe(true)
    })

    it('law 3: a kill while bytes come leaves a prefix that is continued or refused, never a wrong blob', async () => {
      await open()
      const big = content(6_000_000)
      const upload = await store.create({ owners: [podOwner()], files: [fileOf('big.jar', big)] })
      await writeAll(await store.writeBlob(upload.id, digest(big)), big.subarray(0, 5_000_000))
      await reopen('crash')
      await sendBlob(store, upload.id, big)
      expect(await isFetchable(store, await store.commit(upload.id))).toBe(true)
    })

    it('law 4: a writer takes only a few MiB ahead of the disk', async () => {
      await open()
      const bytes = content(32 * 2 ** 20)
      const upload = await store.create({ owners: [podOwner()], files: [fileOf('big.jar', bytes)] })
      const writer = await store.writeBlob(upload.id, digest(bytes))
      let ahead = 0
      let position = 0
      while (position < bytes.length) {
        const waiting = writer.write(bytes.subarray(position, position + 65_536))
        position += 65_536
        ahead += 65_536
        expect(ahead).toBeLessThanOrEqual(4 * 2 ** 20)
        if (waiting === undefined) continue
        await waiting
        ahead = 0
      }
      await writer.commit()
      await store.commit(upload.id)
    })

    it('law 5: a read that began survives deletion', async () => {
      await open()
      const bytes = content(300_000)
      const record = await stage(store, { 'a.jar': bytes })
      const reader = await store.open(record, record.files[0]!)
      expect(await store.release(record.id)).toBe(true)
      await harness.leftovers(store)
      const buffer = Buffer.alloc(300_000)
      expect(await reader.read(buffer, 0)).toBe(300_000)
      expect(buffer.equals(bytes)).toBe(true)
      await reader.close()
      expect(await store.read(record.id)).toBeUndefined()
      expect(await store.release(record.id)).toBe(false)
    })

    it('law 6: space is reserved before the first byte, and freed on abort', async () => {
      await open({ storeBytesMax: 1000, namespaceBytesMax: 800 })
      const first = await store.create({ owners: [podOwner()], files: [fileOf('a', content(600))] })
      expect(store.usage().reservedBytes).toBe(600)
      await expectKind(
        store.create({ owners: [podOwner()], files: [fileOf('b', content(300, 2))] }),
        'exhausted',
        'namespace-quota',
      )
      await expectKind(
        store.create({ owners: [podOwner('other')], files: [fileOf('b', content(500, 2))] }),
        'exhausted',
        'store-full',
      )
      await expectKind(store.intake(500), 'exhausted', 'store-full')
      await store.abort(first.id)
      await store.abort(first.id)
      expect(store.usage()).toMatchObject({ reservedBytes: 0, bytes: 0, openUploads: 0 })
      await stage(store, { b: content(800, 2) })
      expect(store.usage()).toMatchObject({ bytes: 800, namespaces: { spark: 800 }, reservedBytes: 0 })
    })

    it('law 6: of two uploads that fit alone but not together, exactly one is refused', async () => {
      await open({ storeBytesMax: 1000 })
      const attempts = await Promise.allSettled([
        store.create({ owners: [podOwner()], files: [fileOf('a', content(600, 1))] }),
        store.create({ owners: [podOwner()], files: [fileOf('b', content(600, 2))] }),
      ])
      expect(attempts.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
      for (const attempt of attempts) if (attempt.status === 'fulfilled') await store.abort(attempt.value.id)
    })

    it('law 7: client strings never become paths unchecked', async () => {
      await open()
      const file = fileOf('a', content(10))
      for (const bad of ['..', '../../etc', '/', 'a/b', 'A', '', '.', 'a\0b', `${'a'.repeat(64)}`]) {
        await expectKind(store.create({ owners: [podOwner(bad)], files: [file] }), 'unsafe')
        expect(await store.read(bad)).toBeUndefined()
        expect(await store.upload(bad)).toBeUndefined()
        expect(await store.release(bad)).toBe(false)
        await store.touch(bad)
        await expectKind(store.writeBlob(bad, file.digest), 'notFound')
        await expectKind(store.commit(bad), 'notFound')
      }
      for (const bad of ['../x', '/etc/passwd', 'a/../../b', 'a\\b', '.supercargo/x', 'a\nb']) {
        await expectKind(store.create({ owners: [podOwner()], files: [{ ...file, path: bad }] }), 'unsafe')
        const intake = await store.intake(undefined)
        await expectKind(intake.file(bad, undefined), 'unsafe')
        await intake.abort()
      }
      const traversal = `sha256:${'../'.repeat(21)}a` as typeof file.digest
      await expectKind(store.create({ owners: [podOwner()], files: [{ ...file, digest: traversal }] }), 'unsafe')
      const upload = await store.create({ owners: [podOwner()], files: [file] })
      await expectKind(store.writeBlob(upload.id, traversal), 'invalid')
      await store.abort(upload.id)
    })

    it('an empty set and empty files are resources like any other', async () => {
      await open()
      expect((await stage(store, {})).files).toEqual([])
      const empty = await store.create({
        owners: [podOwner()],
        files: [fileOf('empty', Buffer.alloc(0)), fileOf('_SUCCESS', Buffer.alloc(0))],
      })
      expect(empty.missing).toEqual([])
      expect(await store.blobProgress(empty.id, emptyDigest)).toEqual({ offset: 0, complete: true, sizeBytes: 0 })
      expect(await isFetchable(store, await store.commit(empty.id))).toBe(true)
    })

    it('one digest at several paths is sent once, and a second upload sends nothing', async () => {
      await open()
      const bytes = content(70_000)
      const upload = await store.create({
        owners: [podOwner()],
        files: [fileOf('a', bytes), fileOf('b', bytes), fileOf('c', content(5, 2))],
      })
      expect(upload.missing).toEqual([digest(bytes), digest(content(5, 2))])
      await sendBlob(store, upload.id, bytes)
      await sendBlob(store, upload.id, content(5, 2))
      await store.commit(upload.id)
      const again = await store.create({ owners: [podOwner()], files: [fileOf('x', bytes)] })
      expect(again.missing).toEqual([])
      expect(await isFetchable(store, await store.commit(again.id))).toBe(true)
      expect(store.usage().bytes).toBe(70_005)
    })

    it('blobs are shared inside a namespace only, and not at all in an isolated one', async () => {
      await open({}, ['private'])
      const bytes = content(2000)
      await stage(store, { a: bytes })
      for (const namespace of ['other', 'private', 'private']) {
        const upload = await store.create({ owners: [podOwner(namespace)], files: [fileOf('a', bytes)] })
        expect(upload.missing).toEqual([digest(bytes)])
        expect(await store.blobProgress(upload.id, digest(bytes))).toMatchObject({ complete: false })
        await expectKind(store.commit(upload.id), 'conflict', 'incomplete')
        await sendBlob(store, upload.id, bytes)
        expect(await store.blobProgress(upload.id, digest(bytes))).toMatchObject({ complete: true })
        const record = await store.commit(upload.id)
        expect(namespaceOf(record.owners)).toBe(namespace)
        expect(await isFetchable(store, record)).toBe(true)
      }
      expect(store.usage()).toMatchObject({ bytes: 6000, namespaces: { spark: 2000, other: 2000, private: 2000 } })
    })

    it('a suspended blob is continued where it stopped', async () => {
      await open()
      for (const size of [5000, 4_000_000]) {
        const bytes = content(size, size)
        const upload = await store.create({ owners: [podOwner()], files: [fileOf('a', bytes)] })
        let offset = 0
        for (const part of [0.3, 0.6, 0.9]) {
          const writer = await store.writeBlob(upload.id, digest(bytes))
          expect(writer.offset).toBe(offset)
          const end = Math.floor(size * part)
          await writeAll(writer, bytes.subarray(offset, end), 1000)
          offset = await writer.suspend()
          expect(offset).toBe(end)
          await writer.abort()
          expect(await store.blobProgress(upload.id, digest(bytes))).toEqual({
            offset,
            complete: false,
            sizeBytes: size,
          })
        }
        await sendBlob(store, upload.id, bytes)
        expect(await isFetchable(store, await store.commit(upload.id))).toBe(true)
      }
    })

    it('a newer writer takes over and the two never mix their bytes', async () => {
      await open()
      const bytes = content(5_000_000)
      const upload = await store.create({ owners: [podOwner()], files: [fileOf('a', bytes)] })
      const older = await store.writeBlob(upload.id, digest(bytes))
      for (let position = 0; position < 3_000_000; position += 65_536)
        void older.write(bytes.subarray(position, position + 65_536))
      const newer = await store.writeBlob(upload.id, digest(bytes))
      await expectKind(Promise.resolve(older.write(bytes.subarray(0, 10))), 'interrupted', 'superseded')
      await writeAll(newer, bytes.subarray(newer.offset))
      await expectKind(older.commit(), 'interrupted', 'superseded')
      await older.abort()
      await newer.commit()
      expect(await isFetchable(store, await store.commit(upload.id))).toBe(true)
    })

    it('many writers for one blob at once: one of them stores it, none stores it wrong', async () => {
      await open()
      const bytes = content(2_500_000)
      const upload = await store.create({ owners: [podOwner()], files: [fileOf('a', bytes)] })
      const outcomes = await Promise.allSettled(Array.from({ length: 8 }, () => sendBlob(store, upload.id, bytes)))
      expect(outcomes.some(({ status }) => status === 'fulfilled')).toBe(true)
      for (const outcome of outcomes)
        if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ code: 'superseded' })
      expect(await isFetchable(store, await store.commit(upload.id))).toBe(true)
      expect(store.usage().bytes).toBe(2_500_000)
    })

    it('uploads that bring the same blob at once all commit, and it is stored once', async () => {
      await open()
      const bytes = content(1_500_000)
      const records = await Promise.all(
        Array.from({ length: 6 }, (_, index) => stage(store, { a: bytes, b: content(10, index + 2) })),
      )
      for (const record of records) expect(await isFetchable(store, record)).toBe(true)
      expect(store.usage()).toMatchObject({ bytes: 1_500_060, reservedBytes: 0 })
    })

    it('a blob takes neither more nor fewer bytes than declared', async () => {
      await open()
      for (const size of [1000, 3_000_000]) {
        const bytes = content(size, size)
        const upload = await store.create({ owners: [podOwner()], files: [fileOf('a', bytes)] })
        const long = await store.writeBlob(upload.id, digest(bytes))
        await writeAll(long, bytes)
        await expectKind(Promise.resolve(long.write(Buffer.alloc(1))), 'tooLarge', 'blob-too-long')
        await long.abort()
        const short = await store.writeBlob(upload.id, digest(bytes))
        expect(short.offset).toBe(0)
        await writeAll(short, bytes.subarray(1))
        await expectKind(short.commit(), 'invalid', 'blob-too-short')
        await store.abort(upload.id)
      }
    })

    it('an incomplete commit names what is missing, and a repeated commit answers the same', async () => {
      await open()
      const a = content(10, 1)
      const b = content(10, 2)
      const upload = await store.create({ owners: [podOwner()], files: [fileOf('a', a), fileOf('b', b)] })
      await sendBlob(store, upload.id, a)
      const error = await expectKind(store.commit(upload.id), 'conflict', 'incomplete')
      expect(error.context.missing).toEqual([digest(b)])
      await sendBlob(store, upload.id, b)
      const [first, second] = await Promise.all([store.commit(upload.id), store.commit(upload.id)])
      expect(second).toEqual(first)
      expect(await store.commit(upload.id)).toEqual(first)
      expect(await store.upload(upload.id)).toBeUndefined()
    })

    it('unknown ids are unknown to every method', async () => {
      await open()
      const id = 'x'.repeat(26)
      expect(await store.read(id)).toBeUndefined()
      expect(await store.upload(id)).toBeUndefined()
      expect(await store.update(id, (record) => record)).toBeUndefined()
      expect(await store.blobProgress(id, digest(content(1)))).toBeUndefined()
      expect(await store.release(id)).toBe(false)
      await store.abort(id)
      await store.touch(id)
      await expectKind(store.writeBlob(id, digest(content(1))), 'notFound', 'unknown-upload')
      await expectKind(store.commit(id), 'notFound', 'unknown-upload')
    })

    it('limits of one resource are refused at once', async () => {
      await open({ fileBytesMax: 100, resourceBytesMax: 150, filesPerResourceMax: 2 })
      const create = (...contentSizes: number[]) =>
        store.create({
          owners: [podOwner()],
          files: contentSizes.map((size, index) => fileOf(`${index}`, content(size, index + 1))),
        })
      await expectKind(create(101), 'tooLarge', 'file-too-large')
      await expectKind(create(90, 90), 'tooLarge', 'resource-too-large')
      await expectKind(create(1, 1, 1), 'tooLarge', 'too-many-files')
      const intake = await store.intake(undefined)
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

    it('an intake finds out digests, sizes and the owner on the way, and is one commit', async () => {
      await open()
      const contents = { a: content(10), b: content(3_000_000, 2), 'c/d': Buffer.alloc(0), twin: content(10) }
      const intake = await store.intake(undefined)
      for (const [path, bytes] of Object.entries(contents)) {
        const writer = await intake.file(path, path === 'b' ? bytes.length : undefined)
        await writeAll(writer, bytes, 7000)
        expect(await writer.commit()).toEqual({ digest: digest(bytes), sizeBytes: bytes.length })
        await writer.abort()
      }
      expect(await store.read(intake.id)).toBeUndefined()
      const record = await intake.commit([podOwner()], 'v0')
      expect(record).toMatchObject({
        id: intake.id,
        door: 'v0',
        secretHash: intake.secret.hash(),
        files: filesOf(contents),
      })
      expect(await store.read(intake.id)).toEqual(record)
      expect(await isFetchable(store, record)).toBe(true)
      await intake.abort()
      await expectKind(intake.commit([podOwner()], 'v0'), 'interrupted')
      expect(store.usage()).toMatchObject({ bytes: 3_000_010, reservedBytes: 0, openUploads: 0 })
    })

    it('an intake counts against the quota of its namespace as soon as that is known', async () => {
      await open({ namespaceBytesMax: 100_000, storeBytesMax: 1_000_000 })
      const intake = await store.intake(150_000)
      expect(store.usage().reservedBytes).toBe(150_000)
      expect(() => intake.bindNamespace('spark')).toThrow(expect.objectContaining({ code: 'namespace-quota' }))
      await intake.abort()
      const late = await store.intake(undefined)
      const writer = await late.file('a', undefined)
      await writeAll(writer, content(150_000))
      await writer.commit()
      await expectKind(late.commit([podOwner()], 'v1'), 'exhausted', 'namespace-quota')
      expect(store.usage()).toMatchObject({ bytes: 0, reservedBytes: 0 })
      const growing = await store.intake(undefined)
      await expectKind(writeAll(await growing.file('a', undefined), content(1_000_001)), 'exhausted', 'store-full')
      await growing.abort()
    })

    it('an intake is refused as a whole when its files disagree, or one is not complete', async () => {
      await open()
      const intake = await store.intake(undefined)
      for (const path of ['a', 'a/b']) await (await intake.file(path, undefined)).commit()
      await expectKind(intake.commit([podOwner()], 'v1'), 'invalid', 'path-conflict')
      const open2 = await store.intake(10)
      const writer = await open2.file('a', 10)
      await writeAll(writer, content(5))
      await expectKind(writer.suspend(), 'invalid', 'not-resumable')
      await expectKind(writer.commit(), 'invalid', 'file-too-short')
      await open2.abort()
    })

    it('update replaces owners and capabilities, in the same namespace, one change after the other', async () => {
      await open()
      const record = await stage(store, { a: content(5) })
      const owner = { ...podOwner(), uid: 'd2b8' }
      await Promise.all([
        store.update(record.id, (current) => ({ ...current, owners: [owner] })),
        ...Array.from({ length: 5 }, (_, index) =>
          store.update(record.id, (current) => ({
            ...current,
            capabilities: [...current.capabilities, { name: `c${index}`, hash: record.secretHash, expiresAtMs: null }],
          })),
        ),
      ])
      const updated = await store.read(record.id)
      expect(updated?.owners).toEqual([owner])
      expect(updated?.capabilities.length).toBe(5)
      await expectKind(
        store.update(record.id, (current) => ({ ...current, owners: [podOwner('other')] })),
        'invalid',
        'other-namespace',
      )
      await reopen('crash')
      expect(await store.read(record.id)).toEqual(updated)
    })

    it('a damaged record is an error, not an absence, and can be released', async () => {
      await open()
      const record = await stage(store, { a: content(5) })
      await harness.damageRecord(record.id)
      await expectKind(store.read(record.id), 'corrupt', 'damaged-record')
      await expectKind(
        store.update(record.id, (current) => current),
        'corrupt',
        'damaged-record',
      )
      expect(await store.release(record.id)).toBe(true)
      expect(await store.read(record.id)).toBeUndefined()
    })

    it('a release while a commit of the same blob runs never takes the bytes away', async () => {
      await open()
      const bytes = content(100_000)
      for (let round = 0; round < 10; round++) {
        const first = await stage(store, { a: bytes })
        const [second] = await Promise.all([stage(store, { b: bytes }), store.release(first.id)])
        await harness.leftovers(store)
        expect(await isFetchable(store, second)).toBe(true)
        await store.release(second.id)
        await harness.leftovers(store)
      }
      expect(store.usage().bytes).toBe(0)
    })

    it('blobs that an open upload relies on stay when the resource that brought them is released', async () => {
      await open()
      const bytes = content(1000)
      const first = await stage(store, { a: bytes })
      const upload = await store.create({ owners: [podOwner()], files: [fileOf('b', bytes)] })
      expect(upload.missing).toEqual([])
      await store.release(first.id)
      await harness.leftovers(store)
      expect(await isFetchable(store, await store.commit(upload.id))).toBe(true)
    })

    it('an aborted upload interrupts its writers and leaves nothing', async () => {
      await open()
      const bytes = content(4_000_000)
      const upload = await store.create({ owners: [podOwner()], files: [fileOf('a', bytes)] })
      const writer = await store.writeBlob(upload.id, digest(bytes))
      await writeAll(writer, bytes.subarray(0, 3_000_000))
      await store.abort(upload.id)
      await expectKind(Promise.resolve(writer.write(bytes.subarray(0, 1))), 'interrupted', 'upload-ended')
      await expectKind(writer.commit(), 'interrupted', 'upload-ended')
      await expectKind(store.writeBlob(upload.id, digest(bytes)), 'notFound', 'unknown-upload')
    })

    it('a closed store takes nothing more, and finds everything again', async () => {
      await open()
      const bytes = content(2_000_000)
      const record = await stage(store, { a: content(100) })
      const upload = await store.create({ owners: [podOwner()], files: [fileOf('b', bytes)] })
      const writer = await store.writeBlob(upload.id, digest(bytes))
      await writeAll(writer, bytes.subarray(0, 1_500_000))
      const closed = store
      await reopen('close')
      await expectKind(closed.create({ owners: [podOwner()], files: [] }), 'unavailable', 'store-closed')
      await expectKind(Promise.resolve(writer.write(bytes.subarray(0, 1))), 'unavailable', 'store-closed')
      expect(store.usage()).toMatchObject({ bytes: 100, openUploads: 1 })
      expect(await store.read(record.id)).toEqual(record)
      await sendBlob(store, upload.id, bytes)
      await store.commit(upload.id)
      await store.probe()
    })
  })
}

async function expectKind(promise: Promise<unknown>, kind: ErrorKind, code?: string): Promise<SupercargoError> {
  const error = await promise.then(
    () => undefined,
    (failure: unknown) => failure,
  )
  if (!SupercargoError.is(error))
    throw error instanceof Error ? error : new Error(`it should have failed with ${kind} ${code ?? ''}`)
  expect({ kind: error.kind, code: error.code }).toEqual({ kind, code: code ?? error.code })
  return error
}
