/** The check of a store: what is damaged is named with whom it concerns, what is whole is not, and nothing is lost by a repair. */
import { chmodSync, existsSync, readFileSync, renameSync, truncateSync, unlinkSync, writeFileSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { namespaceOf } from '@supercargo/protocol'
import { systemClock } from '@supercargo/transfer'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { blobPath, type DiskHarness, diskHarness, memoryDirectory } from '../testing/disk-harness.ts'
import { FaultyFileSystem } from '../testing/faulty-file-system.ts'
import { content, fetchFile, fileOf, noLimits, podOwner, sendBlob, stage } from '../testing/staging.ts'
import { DiskLayout } from './disk-layout.ts'
import { openDiskNameTree } from './disk-name-tree.ts'
import type { DiskStore } from './disk-store.ts'
import { type FileSystem, nodeFileSystem } from './file-system.ts'
import type { ResourceRecord } from './store.ts'
import { type VerifyOptions, type VerifyReport, verifyStore } from './verify-store.ts'

const shared = content(30_000, 1)
const own = content(20_000, 2)

let harness: DiskHarness
let store: DiskStore
let first: ResourceRecord
let second: ResourceRecord

beforeEach(async () => {
  harness = await diskHarness(memoryDirectory)
  store = await harness.openDisk({ limits: noLimits, clock: systemClock })
  first = await stage(store, { 'a.jar': shared, empty: Buffer.alloc(0) })
  second = await stage(store, { 'copy.jar': shared, 'b.jar': own }, podOwner('spark', 'second'))
})

afterEach(async () => {
  await store.close()
  await harness.remove()
})

function verify(options: Partial<VerifyOptions> = {}): Promise<VerifyReport> {
  const { directory } = harness
  const signal = new AbortController().signal
  return verifyStore({ directory, readOnly: false, repair: false, signal, ...options })
}

function blobOf(bytes: Buffer): string {
  return blobPath(harness.directory, 'spark', fileOf('x', bytes).digest)
}

function flipByte(path: string): void {
  chmodSync(path, 0o600)
  const bytes = readFileSync(path)
  bytes[1234] = bytes[1234]! ^ 1
  writeFileSync(path, bytes)
}

async function nameOf(record: ResourceRecord, path: string): Promise<void> {
  const names = await openDiskNameTree({
    system: nodeFileSystem,
    layout: new DiskLayout(harness.directory),
    clock: systemClock,
  })
  const { path: file, sizeBytes, digest } = record.files[0]!
  const named = { resourceId: record.id, file, sizeBytes, digest, modifiedMs: 1 }
  await names.put({ namespace: 'spark', tree: 'tree', path }, named, { overwrite: false, makeParents: true })
}

const said = ({ faults }: VerifyReport) => faults.map(({ code, resourceIds }) => [code, resourceIds.toSorted()])
const both = () => [first.id, second.id].toSorted()

describe('a store that is whole', () => {
  it('has no fault, with shared and empty files, names, and an upload that is half there', async () => {
    await nameOf(first, 'folder/a.jar')
    const open = await store.create({ owners: [podOwner()], files: [fileOf('c', content(10)), fileOf('d', own)] })
    await sendBlob(store, open.id, content(10))
    await store.close()
    expect(await verify()).toEqual({
      store: harness.directory,
      ...{ resources: 2, openUploads: 1, blobs: 4, bytes: 50_010, names: 1 },
      ...{ faults: [], leftovers: [], leftoversTotal: 0 },
    })
  })

  it('belongs to its server: looked at beside it, but only without its lock', async () => {
    await expect(verify()).rejects.toMatchObject({
      kind: 'conflict',
      code: 'store-locked',
      hint: expect.stringContaining('--read-only'),
    })
    expect((await verify({ readOnly: true })).faults).toEqual([])
    await store.close()
    expect((await verify()).faults).toEqual([])
  })

  it('is not there where there is none, and nothing is made', async () => {
    await store.close()
    const directory = join(harness.directory, 'elsewhere')
    await expect(verify({ directory })).rejects.toMatchObject({ kind: 'notFound', code: 'no-store-there' })
    expect(existsSync(directory)).toBe(false)
  })

  it('tells how far it is, and stops when told', async () => {
    await store.close()
    const progress: number[] = []
    await verify({ onProgress: ({ bytes, bytesTotal }) => progress.push(bytes / bytesTotal) })
    expect(progress).toEqual(progress.toSorted((a, b) => a - b))
    expect(progress.at(-1)).toBe(1)
    const stop = new AbortController()
    const stopping = verify({ signal: stop.signal, onProgress: () => stop.abort(new Error('enough')) })
    await expect(stopping).rejects.toThrow('cannot verify the store')
  })
})

describe('damage', () => {
  it('of a byte, of a length, of a blob that is gone is named with every resource that it concerns', async () => {
    await store.close()
    flipByte(blobOf(shared))
    expect(said(await verify())).toEqual([['corrupt-blob', both()]])
    truncateSync(blobOf(shared), 100)
    const { faults } = await verify()
    expect(faults[0]!.detail).toContain('100 bytes')
    unlinkSync(blobOf(shared))
    expect(said(await verify())).toEqual([['missing-blob', both()]])
    chmodSync(blobOf(own), 0o600)
    truncateSync(blobOf(own), 0)
    expect(said(await verify())).toHaveLength(2)
  })

  it('of a record, and a record that says another size, is the record’s', async () => {
    await store.close()
    const file = join(harness.directory, 'resources', `${second.id}.json`)
    const wrong = { ...second, files: second.files.map((each) => ({ ...each, sizeBytes: each.sizeBytes + 1 })) }
    writeFileSync(file, JSON.stringify(wrong))
    const wrongly = [second.id]
    expect(said(await verify({ repair: true }))).toEqual([
      ['wrong-size', wrongly],
      ['wrong-size', wrongly],
    ])
    expect(existsSync(blobOf(own))).toBe(true)
    writeFileSync(file, `${JSON.stringify(second).slice(0, -40)}`)
    const report = await verify()
    expect(said(report)).toEqual([['damaged-record', [second.id]]])
    expect(JSON.stringify(report)).not.toContain(second.secretHash.slice(0, 20))
  })

  it('of a name is named, and the names beside it are still read', async () => {
    await nameOf(first, 'folder/a.jar')
    await nameOf(first, 'folder/z.jar')
    await store.close()
    const name = 'names/spark/tree/folder/a.jar'
    writeFileSync(join(harness.directory, name), '{')
    const { faults, names } = await verify()
    expect(faults.map(({ code, at }) => [code, at])).toEqual([['damaged-name', name]])
    expect(names).toBe(1)
  })
})

describe('what is left over', () => {
  it('is listed and is no fault: orphans, what a crash left, names that lead nowhere, what others put there', async () => {
    await nameOf(first, 'a.jar')
    const third = await stage(store, { gone: content(500, 9) })
    await store.close()
    unlinkSync(join(harness.directory, 'resources', `${third.id}.json`))
    unlinkSync(join(harness.directory, 'resources', `${first.id}.json`))
    await mkdir(join(harness.directory, 'incoming', '0'.repeat(26)))
    writeFileSync(join(harness.directory, 'incoming', `record-${'1'.repeat(26)}`), '')
    for (const foreign of ['incoming/x', 'resources/notes.txt', 'blobs/spark/zz', 'blobs/Foreign'])
      writeFileSync(join(harness.directory, foreign), 'x')
    const { faults, leftovers, leftoversTotal } = await verify({ repair: true })
    expect(faults).toEqual([])
    const listed = leftovers.map(({ code, at }) => `${code} ${at}`).sort()
    expect(listed).toEqual(
      [
        'foreign-file blobs/Foreign',
        'foreign-file blobs/spark/zz',
        'foreign-file incoming/x',
        'foreign-file resources/notes.txt',
        `leftover incoming/${'0'.repeat(26)}`,
        `leftover incoming/record-${'1'.repeat(26)}`,
        `orphan-blob ${blobOf(Buffer.alloc(0)).slice(harness.directory.length + 1)}`,
        `orphan-blob ${blobOf(content(500, 9)).slice(harness.directory.length + 1)}`,
        'stale-name names/spark/tree/a.jar',
      ].sort(),
    )
    expect(leftoversTotal).toBe(listed.length)
  })
})

describe('a repair', () => {
  it('moves the evidence aside, and whoever stages the file again heals all resources that name it', async () => {
    await store.close()
    flipByte(blobOf(shared))
    const damaged = readFileSync(blobOf(shared))
    const [fault] = (await verify({ repair: true })).faults
    expect(fault!.quarantine).toMatch(/^quarantine\/spark\/[0-9a-f]{64}$/)
    expect(readFileSync(join(harness.directory, fault!.quarantine!))).toEqual(damaged)
    expect(said(await verify())).toEqual([['missing-blob', both()]])
    store = await harness.openDisk({ limits: noLimits, clock: systemClock })
    await stage(store, { again: shared }, podOwner('spark', 'third'))
    expect(await fetchFile(store, first, first.files[0]!)).toEqual(shared)
    await store.close()
    expect((await verify()).faults).toEqual([])
  })

  it('keeps what an earlier one has moved', async () => {
    await store.close()
    const moved: string[] = []
    for (let round = 0; round < 2; round++) {
      if (round > 0) renameSync(join(harness.directory, moved[0]!), blobOf(shared))
      if (round > 0) writeFileSync(join(harness.directory, moved[0]!), 'earlier evidence')
      else flipByte(blobOf(shared))
      moved.push((await verify({ repair: true })).faults[0]!.quarantine!)
    }
    expect(moved[1]).toBe(`${moved[0]}-2`)
    expect(readFileSync(join(harness.directory, moved[0]!), 'utf8')).toBe('earlier evidence')
  })

  it('loses no blob, whichever call fails', async () => {
    await store.close()
    flipByte(blobOf(shared))
    const evidence = readFileSync(blobOf(shared))
    for (let failing = 1; ; failing++) {
      const disk = new FaultyFileSystem()
      disk.arm(failing)
      const report = await verify({ repair: true, fs: disk.system }).catch(() => undefined)
      const aside = join(harness.directory, 'quarantine/spark', fileOf('x', shared).digest.slice('sha256:'.length))
      const where = existsSync(aside) ? aside : blobOf(shared)
      expect(readFileSync(where)).toEqual(evidence)
      if (!disk.failed) break
      if (report !== undefined) expect(report.faults.length).toBeGreaterThan(0)
      await mkdir(dirname(aside), { recursive: true })
      if (where === aside) renameSync(aside, blobOf(shared))
    }
  }, 60_000)
})

describe('a check whose n-th call fails', () => {
  it('never says that all is well', async () => {
    await nameOf(first, 'folder/a.jar')
    await store.close()
    for (let failing = 1; ; failing++) {
      const disk = new FaultyFileSystem()
      disk.arm(failing)
      const outcome = await verify({ fs: disk.system }).then(
        ({ faults }) => faults.map(({ code }) => code),
        (error: unknown) => error,
      )
      if (!disk.failed) {
        expect(outcome).toEqual([])
        break
      }
      if (Array.isArray(outcome)) expect(outcome).toEqual(['unreadable-blob'])
      else expect(outcome).toMatchObject({ code: 'disk-error', message: expect.stringContaining('the store') })
    }
  })
})

describe('a check beside a server that goes on working', () => {
  it('finds no fault and no orphan in what comes and goes, at whichever of its calls', async () => {
    for (let at = 1; ; at++) {
      const going = await stage(store, { 'going.jar': content(3000, at + 1000) }, podOwner('spark', 'going'))
      let calls = 0
      const meanwhile = async (): Promise<void> => {
        await store.release(going.id)
        const { maintenance } = store
        const digests = going.files.map(({ digest }) => digest)
        await maintenance.removeBlobs(namespaceOf(going.owners), digests, maintenance.sequence(), 0)
        await stage(store, { 'coming.jar': content(2000, at + 5000) }, podOwner('spark', 'coming'))
      }
      const report = await verify({ readOnly: true, fs: interrupting(() => ++calls === at, meanwhile) })
      expect([report.faults, report.leftovers], `at call ${at}`).toEqual([[], []])
      for await (const id of store.archive.ids()) if (id !== first.id && id !== second.id) await store.release(id)
      const { maintenance } = store
      const digests = [...going.files, fileOf('c', content(2000, at + 5000))].map(({ digest }) => digest)
      await maintenance.removeBlobs('spark', digests, maintenance.sequence(), 0)
      if (calls < at) break
    }
  })
})

/** Does something else before one of its operations. */
function interrupting(isTime: () => boolean, work: () => Promise<void>): FileSystem {
  return new Proxy(nodeFileSystem, {
    get: (system, name: keyof FileSystem) => {
      const real = system[name] as (...parameters: unknown[]) => unknown
      if (name.endsWith('Now')) return real
      return async (...parameters: unknown[]) => {
        if (isTime()) await work()
        return real(...parameters)
      }
    },
  })
}
