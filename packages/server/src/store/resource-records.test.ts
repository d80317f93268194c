/** When a record is seen and when not. */
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { ManualClock } from '@supercargo/transfer'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { memoryDirectory } from '../testing/disk-harness.ts'
import { FaultyFileSystem } from '../testing/faulty-file-system.ts'
import { podOwner } from '../testing/staging.ts'
import { DiskLayout } from './disk-layout.ts'
import { type FileSystem, nodeFileSystem } from './file-system.ts'
import { ResourceRecords } from './resource-records.ts'
import type { ResourceRecord } from './store.ts'

let directory: string
let layout: DiskLayout
const clock = new ManualClock()

const record: ResourceRecord = {
  version: 1,
  id: 'a'.repeat(26),
  secretHash: `sha256:${'0'.repeat(64)}`,
  owners: [podOwner()],
  files: [],
  door: 'v1',
  createdAtMs: 1,
  committedAtMs: 2,
  capabilities: [],
}

beforeEach(async () => {
  directory = await mkdtemp(join(memoryDirectory, 'supercargo-records-'))
  layout = new DiskLayout(directory)
  for (const path of [layout.incoming, layout.resources]) await mkdir(path)
})

afterEach(() => rm(directory, { recursive: true, force: true }))

describe('a record', () => {
  it('is invisible until its directory is synced, though its name is there already', async () => {
    const syncing = Promise.withResolvers<void>()
    const reached = Promise.withResolvers<void>()
    const system: FileSystem = {
      ...nodeFileSystem,
      open: async (path, flags) => {
        if (path === layout.resources) {
          reached.resolve()
          await syncing.promise
        }
        return nodeFileSystem.open(path, flags)
      },
    }
    const records = new ResourceRecords(system, layout, clock)
    const publishing = records.publish(record)
    await reached.promise
    expect(await readdir(layout.resources)).toEqual([`${record.id}.json`])
    expect(await records.read(record.id)).toBeUndefined()
    expect(await records.remove(record.id)).toBe(false)
    syncing.resolve()
    await publishing
    expect(await records.read(record.id)).toEqual(record)
  })

  it('that cannot be made durable and cannot be taken back stays invisible, and can be written anew', async () => {
    const disk = new FaultyFileSystem()
    const records = new ResourceRecords(disk.system, layout, clock)
    await records.publish(record)
    // The first operation after the rename opens the directory; from there on the disk is dead.
    const renamed = disk.operations.findIndex(({ name }) => name === 'rename')
    await records.remove(record.id)
    disk.dieAt(renamed + 2)
    await expect(records.publish(record)).rejects.toThrow()
    expect(await readdir(layout.resources)).toEqual([`${record.id}.json`])
    disk.revive()
    expect(await records.read(record.id)).toBeUndefined()
    await records.publish(record)
    expect(await records.read(record.id)).toEqual(record)
  })
})
