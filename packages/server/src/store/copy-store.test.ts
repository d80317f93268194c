/** The copy of a store: equal to its source whatever stopped it on the way, and never with bytes that are not those that were staged. */
import { createHash } from 'node:crypto'
import { chmodSync, mkdtempSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { digestHex } from '@supercargo/protocol'
import { ManualClock, systemClock } from '@supercargo/transfer'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { blobPath, memoryDirectory } from '../testing/disk-harness.ts'
import { FaultyFileSystem } from '../testing/faulty-file-system.ts'
import { fillStore, sharedBytes, unfinishedBytes } from '../testing/filled-store.ts'
import { content, digest, noLimits, podOwner, stage } from '../testing/staging.ts'
import { type CopyOptions, type CopyReport, copyStore } from './copy-store.ts'
import { copyStoreAt } from './copy-store-at.ts'
import type { FileSystem } from './file-system.ts'
import { type OpenedStore, openStore } from './open-store.ts'
import type { ResourceRecord } from './store.ts'

const signal = new AbortController().signal

let root: string
let from: string
let to: string
let staged: ResourceRecord[]

beforeEach(async () => {
  root = mkdtempSync(join(memoryDirectory, 'supercargo-copy-'))
  from = join(root, 'from')
  to = join(root, 'to')
  staged = await fill(from)
})

afterEach(() => rm(root, { recursive: true, force: true }))

function open(directory: string, fs?: FileSystem): Promise<OpenedStore> {
  return openStore(directory, { limits: noLimits, clock: systemClock, ...(fs !== undefined && { fs }) })
}

async function fill(directory: string): Promise<ResourceRecord[]> {
  const clock = new ManualClock()
  const opened = await openStore(directory, { limits: noLimits, clock })
  const records = await fillStore(opened, clock)
  await opened.store.close()
  return records
}

/** Everything that is kept, with the times that mean something, and without what is only on its way. */
function kept(directory: string): Record<string, unknown> {
  const found: Record<string, unknown> = {}
  for (const name of readdirSync(directory, { recursive: true }).map(String).sort()) {
    const path = join(directory, name)
    if (/^(LOCK|usage\.json|incoming)/.test(name)) continue
    if (statSync(path).isDirectory()) {
      if (/^names\/.*empty$/.test(name)) found[name] = 'directory'
      continue
    }
    if (name.endsWith(digestHex(digest(unfinishedBytes)))) continue
    const bytes = readFileSync(path)
    if (name.startsWith('blobs/')) {
      found[name] = createHash('sha256').update(bytes).digest('hex')
      expect(name.endsWith(String(found[name]))).toBe(true)
    } else if (name === 'collector.state') found[name] = bytes.toString()
    else found[name] = JSON.parse(bytes.toString())
    if (name.startsWith('resources/')) found[`${name} fetched`] = Math.round(statSync(path).mtimeMs)
  }
  return found
}

async function copy(options: Partial<CopyOptions> = {}, fs?: FileSystem, sourceFs?: FileSystem): Promise<CopyReport> {
  const source = await open(from, sourceFs)
  try {
    const target = await open(to, fs)
    try {
      return await copyStore({ source, target, signal, ...options })
    } finally {
      await target.store.close()
    }
  } finally {
    await source.store.close()
  }
}

describe('a copied store', () => {
  it('keeps ids, hashes of secrets, owners, capabilities, times, names, tokens and what the collector remembers', async () => {
    const before = kept(from)
    expect(await copy()).toEqual({
      ...{ copied: 2, present: 0, sentBytes: 5000, names: 1, tokens: 1, openUploads: 1 },
      faults: [],
    })
    expect(kept(to)).toEqual(before)
    expect(kept(from)).toEqual(before)
    expect(Object.keys(before).length).toBeGreaterThan(10)
  })

  it('is not changed by another copy, which sends nothing', async () => {
    await copy()
    const before = kept(to)
    expect(await copy()).toMatchObject({ copied: 0, present: 2, sentBytes: 0 })
    expect(kept(to)).toEqual(before)
  })

  it('follows what has changed at the source since: owners, capabilities, new resources', async () => {
    await copy()
    const { store } = await open(from)
    await store.update(staged[0]!.id, (record) => ({ ...record, owners: [podOwner('spark', 'renamed')] }))
    await stage(store, { 'new.jar': content(700, 8), 'a.jar': sharedBytes })
    await store.close()
    expect(await copy()).toMatchObject({ copied: 1, present: 2, sentBytes: 700 })
    const { FORMAT: _, ...rest } = kept(to)
    expect(rest).toMatchObject(Object.fromEntries(Object.entries(kept(from)).filter(([name]) => name !== 'FORMAT')))
  })

  it('is the same whichever call of the target’s disk was the last before the end, once it is repeated', async () => {
    const before = kept(from)
    for (let last = 1; ; last++) {
      await rm(to, { recursive: true, force: true })
      const disk = new FaultyFileSystem()
      disk.dieAt(last)
      const failure = await copy({}, disk.system).then(
        () => undefined,
        (error: unknown) => error,
      )
      if (!disk.failed) {
        expect(failure).toBeUndefined()
        break
      }
      expect((await copy()).faults, `after call ${last}`).toEqual([])
      expect(kept(to), `after call ${last}`).toEqual(before)
    }
  }, 120_000)

  it('is the same whichever call of the source’s disk fails, once it is repeated', async () => {
    const before = kept(from)
    for (let failing = 1; ; failing++) {
      await rm(to, { recursive: true, force: true })
      const disk = new FaultyFileSystem()
      disk.arm(failing)
      const outcome = await copy({}, undefined, disk.system).catch(() => 'failed')
      if (!disk.failed) break
      // Only the end of a reader, or of the count of bytes, harms nothing.
      if (outcome !== 'failed') expect(kept(to), `without call ${failing}`).toEqual(before)
      expect((await copy()).faults).toEqual([])
      expect(kept(to), `after call ${failing}`).toEqual(before)
    }
  }, 120_000)

  it('goes on inside a file where it was stopped', async () => {
    const large = content(6 << 20, 5)
    const { store } = await open(from)
    await stage(store, { large })
    await store.close()
    const stop = new AbortController()
    const onProgress = ({ bytes }: { bytes: number }): void => {
      if (bytes > 3 << 20) stop.abort(new Error('stopped'))
    }
    await expect(copy({ signal: stop.signal, onProgress })).rejects.toThrow('stopped')
    const { sentBytes } = await copy()
    expect(sentBytes).toBeLessThan(4 << 20)
    expect(kept(to)).toEqual(kept(from))
  })

  it('tells how far it is, up to the end', async () => {
    const seen: number[] = []
    await copy({ onProgress: ({ bytes, bytesTotal }) => seen.push(bytes / bytesTotal) })
    expect(seen.at(-1)).toBe(1)
    expect(seen).toEqual(seen.toSorted((a, b) => a - b))
  })
})

describe('damage at the source', () => {
  it('of a blob is named and not copied, and everything else is', async () => {
    const blob = blobPath(from, 'spark', digest(sharedBytes))
    chmodSync(blob, 0o600)
    const bytes = readFileSync(blob)
    bytes[7] = bytes[7]! ^ 1
    writeFileSync(blob, bytes)
    const report = await copy()
    expect(report).toMatchObject({ copied: 1 })
    expect(report.faults).toEqual([
      {
        code: 'corrupt-blob',
        at: `${staged[0]!.id}/a.jar`,
        detail: expect.stringContaining(digest(sharedBytes)),
        resourceIds: [staged[0]!.id],
      },
    ])
    const there = kept(to)
    expect(there[`resources/${staged[0]!.id}.json`]).toBeUndefined()
    expect(there[`resources/${staged[1]!.id}.json`]).toBeDefined()
    expect(readdirSync(join(to, 'incoming'))).toEqual([])
    writeFileSync(blob, sharedBytes)
    expect(await copy()).toMatchObject({ copied: 1, present: 1, faults: [] })
    expect(kept(to)).toEqual(kept(from))
  })

  it('of a length, of a record, of a token is named, each once', async () => {
    const blob = blobPath(from, 'spark', digest(sharedBytes))
    chmodSync(blob, 0o600)
    writeFileSync(blob, sharedBytes.subarray(1))
    writeFileSync(join(from, 'resources', `${staged[1]!.id}.json`), '{')
    const [token] = readdirSync(join(from, 'tokens'))
    writeFileSync(join(from, 'tokens', token!), '{')
    const { faults, copied, names } = await copy()
    expect(faults.map(({ code }) => code)).toEqual(['damaged-record', 'corrupt-blob', 'damaged-tokens'])
    expect([copied, names]).toEqual([0, 0])
  })
})

describe('a copy is refused', () => {
  const at = (source: string, target: string) =>
    copyStoreAt({ from: source, to: target, clock: systemClock, signal }).catch((error: unknown) => error)

  it('into a store of another cluster, or one that has another resource of the id', async () => {
    const { store } = await open(to)
    await store.maintenance.bindCluster('cluster-2')
    await store.close()
    expect(await at(from, to)).toMatchObject({ kind: 'conflict', code: 'other-cluster' })
    await rm(to, { recursive: true })
    await copy()
    const file = join(to, 'resources', `${staged[1]!.id}.json`)
    writeFileSync(file, JSON.stringify({ ...staged[1]!, secretHash: `sha256:${'0'.repeat(64)}` }))
    expect(await at(from, to)).toMatchObject({ kind: 'conflict', code: 'id-taken' })
  })

  it('from nothing, into itself, from or to what this build has no store for, and while a server runs', async () => {
    expect(await at(join(root, 'nothing'), to)).toMatchObject({ kind: 'notFound', code: 'no-store-there' })
    expect(await at(from, `${from}/`)).toMatchObject({ kind: 'invalid', code: 'same-store' })
    expect(await at(from, 'ftp://host/store?secret=x')).toMatchObject({ kind: 'invalid', code: 'not-in-this-build' })
    const { store } = await open(from)
    expect(await at(from, to)).toMatchObject({ kind: 'conflict', code: 'store-locked' })
    await store.close()
    expect(await at(`file://${from}`, to)).toMatchObject({ copied: 2 })
  })
})
