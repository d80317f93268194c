/** The index: built from the records, kept by the events, exact about who names which blob. */
import { mkdir, mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { digestOf } from '@supercargo/protocol'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { diskSurvey } from '../store/disk-survey.ts'
import type { ResourceRecord } from '../store/store.ts'
import { memoryDirectory } from '../testing/disk-harness.ts'
import { podOwner } from '../testing/staging.ts'
import { ResourceIndex } from './resource-index.ts'

let directory: string

beforeEach(async () => {
  directory = await mkdtemp(join(memoryDirectory ?? tmpdir(), 'supercargo-index-'))
  await mkdir(join(directory, 'resources'))
})

afterEach(() => rm(directory, { recursive: true, force: true }))

function record(number: number, files: readonly number[] = [number], owner = podOwner()): ResourceRecord {
  return {
    version: 1,
    id: String(number).padStart(26, '0'),
    secretHash: `sha256:${'0'.repeat(64)}`,
    owners: [owner],
    files: files.map((file) => ({
      path: `lib/${file}.jar`,
      sizeBytes: 10 + file,
      digest: digestOf(file.toString(16).padStart(64, '0')),
    })),
    door: 'v1',
    createdAtMs: 1_700_000_000_000,
    committedAtMs: 1_700_000_000_000,
    capabilities: [],
  }
}

async function write(resource: ResourceRecord, modifiedMs = resource.committedAtMs): Promise<void> {
  const path = join(directory, 'resources', `${resource.id}.json`)
  await writeFile(path, JSON.stringify(resource))
  await utimes(path, modifiedMs / 1000, modifiedMs / 1000)
}

describe('the index', () => {
  it('finds every record, counts shared blobs once, and holds 5,000 records in a few megabytes', async () => {
    const count = 5000
    for (let start = 0; start < count; start += 100) {
      await Promise.all(
        Array.from({ length: 100 }, (_, offset) =>
          write(record(start + offset, [start + offset, 1_000_000, 1_000_001])),
        ),
      )
    }
    global.gc?.()
    const before = process.memoryUsage().heapUsed
    const index = new ResourceIndex(diskSurvey(directory))
    await index.build(0, [])
    global.gc?.()
    const perRecord = (process.memoryUsage().heapUsed - before) / count
    expect(index.size).toBe(count)
    expect(index.blobs.count).toBe(count + 2)
    // 100,000 records stay below 200 MiB; without a forced collection the figure holds some garbage, too.
    if (global.gc !== undefined) expect(perRecord).toBeLessThan(2000)
    expect(index.blobs.bytes()).toEqual({ spark: (count * (count - 1)) / 2 + 10 * count + 2_000_021 })
  })

  it('takes the file time of a record for its last fetch, when that is after the commit', async () => {
    await write(record(1))
    await write(record(2), 1_700_000_500_000)
    const index = new ResourceIndex(diskSurvey(directory))
    await index.build(0, [])
    expect(index.get(record(1).id)?.lastFetchedAtMs).toBeNull()
    expect(index.get(record(2).id)?.lastFetchedAtMs).toBe(1_700_000_500_000)
  })

  it('passes over foreign files, and knows damaged records without failing', async () => {
    await write(record(1))
    await writeFile(join(directory, 'resources', 'README.txt'), 'hello')
    await writeFile(join(directory, 'resources', `${'d'.repeat(26)}.json`), '{')
    const index = new ResourceIndex(diskSurvey(directory))
    await index.build(0, [])
    expect([...index.damaged]).toEqual(['d'.repeat(26)])
    expect(index.ids()).toEqual([record(1).id])
    expect((await readdir(join(directory, 'resources'))).length).toBe(3)
  })

  it('follows events that come while it is built: the news win over the files', async () => {
    const ids = Array.from({ length: 200 }, (_, number) => number)
    await Promise.all(ids.map((number) => write(record(number))))
    const index = new ResourceIndex(diskSurvey(directory))
    const building = index.build(10, [
      { id: 'u'.repeat(26), owners: [podOwner()], files: 1, sizeBytes: 5, createdAtMs: 0 },
    ])
    index.apply({ type: 'released', sequence: 11, id: record(150).id })
    index.apply({
      type: 'updated',
      sequence: 12,
      id: record(160).id,
      record: record(160, [160], podOwner('spark', 'newer')),
    })
    index.apply({ type: 'touched', sequence: 13, id: record(170).id, atMs: 1_800_000_000_000 })
    index.apply({ type: 'committed', sequence: 14, id: record(180).id, record: record(180) })
    index.apply({ type: 'committed', sequence: 15, id: record(900).id, record: record(900) })
    index.apply({ type: 'aborted', sequence: 16, id: 'u'.repeat(26) })
    await building
    expect(index.sequence).toBe(16)
    expect(index.size).toBe(200)
    expect(index.get(record(150).id)).toBeUndefined()
    expect(index.get(record(160).id)?.owners[0]?.name).toBe('newer')
    expect(index.get(record(170).id)?.lastFetchedAtMs).toBe(1_800_000_000_000)
    expect(index.uploads.size).toBe(0)
    // Each blob is counted once for each record, so a release frees exactly its own.
    expect(index.apply({ type: 'released', sequence: 17, id: record(180).id })).toEqual({
      namespace: 'spark',
      digests: [record(180).files[0]!.digest],
    })
  })

  it('a blob is free when the last record that names it has gone, in its own namespace only', () => {
    const index = new ResourceIndex(diskSurvey(directory))
    const twice = record(1, [7, 7, 8])
    const other = record(3, [7], podOwner('other'))
    for (const [position, each] of [twice, record(2, [7]), other].entries())
      index.apply({ type: 'committed', sequence: position + 1, id: each.id, record: each })
    expect(index.apply({ type: 'released', sequence: 4, id: twice.id })).toEqual({
      namespace: 'spark',
      digests: [twice.files[2]!.digest],
    })
    expect(index.apply({ type: 'released', sequence: 5, id: twice.id })).toBeUndefined()
    expect(index.apply({ type: 'released', sequence: 6, id: record(2).id })).toEqual({
      namespace: 'spark',
      digests: [twice.files[0]!.digest],
    })
    expect(index.blobs.sizeOf('other', twice.files[0]!.digest)).toBe(17)
    expect(index.blobs.count).toBe(1)
  })
})
