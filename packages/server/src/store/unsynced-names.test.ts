/** What happens to names whose directory was not synced yet. */
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { memoryDirectory } from '../testing/disk-harness.ts'
import { FaultyFileSystem } from '../testing/faulty-file-system.ts'
import { UnsyncedNames } from './unsynced-names.ts'

let directory: string
let disk: FaultyFileSystem
let names: UnsyncedNames

beforeEach(async () => {
  directory = await mkdtemp(join(memoryDirectory, 'supercargo-names-'))
  disk = new FaultyFileSystem()
  names = new UnsyncedNames(disk.system)
})

afterEach(() => rm(directory, { recursive: true, force: true }))

async function file(name: string): Promise<string> {
  const path = join(directory, name)
  await writeFile(path, name)
  return path
}

/** The operations of one sync of a directory: open, fsync, close. */
const fsync = 2

describe('names that are not durable yet', () => {
  it('are synced once, and not again', async () => {
    names.addFile(directory, await file('a'))
    names.addFile(directory, await file('b'))
    await Promise.all([names.sync(directory), names.sync(directory), names.sync(directory)])
    await names.sync(directory)
    expect(disk.operations.filter(({ name }) => name === 'fsync').length).toBe(1)
  })

  it('are taken back when their directory cannot be synced, since a second sync could lie', async () => {
    const durable = await file('durable')
    names.addFile(directory, durable)
    await names.sync(directory)
    const doubtful = await file('doubtful')
    names.addFile(directory, doubtful)
    const before = names.losses
    disk.arm(fsync)
    const outcomes = await Promise.allSettled([names.sync(directory), names.sync(directory)])
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
    expect(existsSync(doubtful)).toBe(false)
    expect(existsSync(durable)).toBe(true)
    expect(names.losses).toBeGreaterThan(before)
    await names.sync(directory)
  })

  it('are distrusted when they cannot even be deleted, until they are written anew', async () => {
    const doubtful = await file('doubtful')
    names.addFile(directory, doubtful)
    disk.dieAt(fsync)
    await expect(names.sync(directory)).rejects.toThrow()
    expect(existsSync(doubtful)).toBe(true)
    expect(names.distrusts(doubtful)).toBe(true)
    names.addFile(directory, doubtful)
    expect(names.distrusts(doubtful)).toBe(false)
  })

  it('take along what is in a new directory whose own name is in doubt', async () => {
    const inner = join(directory, 'inner')
    await mkdir(inner)
    names.addDirectory(directory, inner)
    const blob = await file('inner/blob')
    names.addFile(inner, blob)
    disk.arm(fsync)
    await expect(names.sync(directory)).rejects.toThrow()
    expect(existsSync(blob)).toBe(false)
    expect(existsSync(inner)).toBe(false)
  })
})
