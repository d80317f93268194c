/** A name is there when it is durable, leads to one resource, and never to a place outside its tree. */
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ManualClock, systemClock } from '@supercargo/transfer'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { memoryDirectory } from '../testing/disk-harness.ts'
import { FaultyFileSystem } from '../testing/faulty-file-system.ts'
import { DiskLayout } from './disk-layout.ts'
import { openDiskNameTree } from './disk-name-tree.ts'
import { nodeFileSystem } from './file-system.ts'
import type { NamedFile, NamePlace, NameTree } from './name-tree.ts'

let directory: string
let names: NameTree
beforeEach(async () => {
  directory = await mkdtemp(join(memoryDirectory, 'supercargo-names-'))
  names = await openDiskNameTree({ system: nodeFileSystem, layout: new DiskLayout(directory), clock: systemClock })
})
afterEach(() => rm(directory, { recursive: true }))

const at = (path: string): NamePlace => ({ namespace: 'spark', tree: 'tree', path })
const any = { overwrite: true, makeParents: true }

function file(resourceId: string): NamedFile {
  return { resourceId, file: 'f', sizeBytes: 3, digest: `sha256:${'a'.repeat(64)}`, modifiedMs: 1000 }
}

describe('a name', () => {
  it('leads to its resource, also after a restart', async () => {
    expect(await names.put(at('a/b c%/é.jar'), file('one'), any)).toBeUndefined()
    const again = await openDiskNameTree({
      system: nodeFileSystem,
      layout: new DiskLayout(directory),
      clock: systemClock,
    })
    expect(await again.look(at('a/b c%/é.jar'))).toEqual({ type: 'file', ...file('one') })
    expect(await again.look({ ...at('a/b c%/é.jar'), tree: 'other' })).toBeUndefined()
    expect(await again.look({ ...at('a/b c%/é.jar'), namespace: 'other' })).toBeUndefined()
    expect(await again.list(at(''))).toMatchObject([{ name: 'a', entry: { type: 'directory' } }])
  })

  it('is replaced only when that is asked for, and says what it led to', async () => {
    await names.put(at('a'), file('one'), any)
    await expect(names.put(at('a'), file('two'), { ...any, overwrite: false })).rejects.toMatchObject({
      code: 'name-taken',
    })
    expect(await names.put(at('a'), file('two'), any)).toMatchObject({ resourceId: 'one' })
    expect(await names.look(at('a'))).toMatchObject({ resourceId: 'two' })
  })

  it('of two who come at the same time goes to one, and the other hears of it', async () => {
    const outcomes = await Promise.allSettled(
      ['one', 'two', 'three'].map((id) => names.put(at('d/a'), file(id), { ...any, overwrite: false })),
    )
    expect(outcomes.filter(({ status }) => status === 'fulfilled').length).toBe(1)
  })

  it('never stands in a file, and a directory never where a file stands', async () => {
    await names.put(at('a'), file('one'), any)
    await expect(names.put(at('a/b'), file('two'), any)).rejects.toMatchObject({ code: 'not-a-directory' })
    await expect(names.makeDirectory(at('a'))).rejects.toMatchObject({ code: 'name-taken' })
    await expect(names.makeDirectory(at('a/b'))).rejects.toMatchObject({ code: 'not-a-directory' })
    await names.makeDirectory(at('d/e'))
    await expect(names.put(at('d'), file('two'), any)).rejects.toMatchObject({ code: 'is-a-directory' })
    await expect(names.put(at(''), file('two'), any)).rejects.toMatchObject({ code: 'is-a-directory' })
    await expect(names.put(at('x/y'), file('two'), { ...any, makeParents: false })).rejects.toMatchObject({
      code: 'no-such-directory',
    })
    expect(await names.look(at('a/b'))).toBeUndefined()
  })

  it.each([
    ['..', '..'],
    ['../other/x', '../other/x'],
    ['a/../../x', 'a/../../x'],
    ['a//b', 'a//b'],
    ['./a', './a'],
    ['a backslash', 'a\\b'],
    ['a zero', 'a\0b'],
    ['300 letters', 'x'.repeat(300)],
    ['600 directories', `${'d/'.repeat(600)}x`],
  ])('that climbs or cannot be a name is refused: %s', async (_, path) => {
    for (const act of [
      () => names.put(at(path), file('one'), any),
      () => names.makeDirectory(at(path)),
      () => names.look(at(path)),
      () => names.list(at(path)),
      () => names.remove(at(path), true),
      () => names.move(at('a'), path),
    ])
      await expect((async () => act())()).rejects.toMatchObject({ kind: 'unsafe' })
    for (const place of [
      { ...at('a'), tree: '../x' },
      { ...at('a'), namespace: '..' },
    ])
      await expect(names.look(place)).rejects.toMatchObject({ kind: 'unsafe' })
    expect(await readdir(directory)).toEqual(['names'])
  })

  it('that is damaged is said to be so, and can be removed by tidying up by hand', async () => {
    await names.put(at('a'), file('one'), any)
    await writeFile(join(directory, 'names/spark/tree/a'), '{"version":1')
    await expect(names.look(at('a'))).rejects.toMatchObject({ kind: 'corrupt', code: 'damaged-name' })
  })

  it('is there or not after every call that fails, and nothing half', async () => {
    const disk = new FaultyFileSystem()
    const faulty = await openDiskNameTree({
      system: disk.system,
      layout: new DiskLayout(directory),
      clock: systemClock,
    })
    for (let n = 1, failed = true; failed; n++) {
      const place = at(`d${n}/a`)
      disk.arm(n)
      const outcome = await faulty.put(place, file('one'), any).then(
        () => true,
        () => false,
      )
      failed = disk.failed
      disk.revive()
      const entry = await names.look(place)
      expect([outcome, entry !== undefined], `call ${n}`).toEqual(outcome ? [true, true] : [false, false])
      const leftovers = (await readdir(join(directory, 'names'))).filter((name) => name.startsWith('.'))
      // The scratch of a name that could not even be unlinked goes at the next start.
      expect(leftovers.length, `call ${n}`).toBeLessThanOrEqual(1)
    }
    await openDiskNameTree({ system: nodeFileSystem, layout: new DiskLayout(directory), clock: systemClock })
    expect((await readdir(join(directory, 'names'))).filter((name) => name.startsWith('.'))).toEqual([])
  })

  it('survives a power cut at every call, or was never acknowledged', async () => {
    for (let n = 1, died = true; died; n++) {
      const disk = new FaultyFileSystem()
      const dying = await openDiskNameTree({
        system: disk.system,
        layout: new DiskLayout(directory),
        clock: systemClock,
      })
      const place = at(`cut${n}/a`)
      disk.dieAt(n)
      const acknowledged = await dying.put(place, file('one'), any).then(
        () => true,
        () => false,
      )
      died = disk.failed
      const after = await openDiskNameTree({
        system: nodeFileSystem,
        layout: new DiskLayout(directory),
        clock: systemClock,
      })
      const entry = await after.look(place)
      if (acknowledged) expect(entry, `call ${n}`).toMatchObject({ resourceId: 'one' })
      expect(entry === undefined || entry.type === 'file', `call ${n}`).toBe(true)
    }
  })
})

describe('removing', () => {
  it('a directory needs to be asked for with all that is in it, and tells what was', async () => {
    await names.put(at('d/e/a'), file('one'), any)
    await names.put(at('d/b'), file('two'), any)
    await expect(names.remove(at('d'), false)).rejects.toMatchObject({ code: 'directory-not-empty' })
    expect((await names.remove(at('d'), true))?.map(({ resourceId }) => resourceId).sort()).toEqual(['one', 'two'])
    expect(await names.remove(at('d'), true)).toBeUndefined()
    expect(await names.list(at(''))).toEqual([])
  })

  it('a name that leads elsewhere by now does nothing', async () => {
    await names.put(at('a'), file('two'), any)
    await names.forget(at('a'), 'one')
    expect(await names.look(at('a'))).toMatchObject({ resourceId: 'two' })
    await names.forget(at('a'), 'two')
    expect(await names.look(at('a'))).toBeUndefined()
  })
})

describe('tidying up', () => {
  it('takes names that lead nowhere and directories that stayed empty, and nothing else', async () => {
    const clock = new ManualClock(Date.now())
    const tidied = await openDiskNameTree({ system: nodeFileSystem, layout: new DiskLayout(directory), clock })
    await tidied.put(at('kept/a'), file('there'), any)
    await tidied.put(at('gone/b'), file('gone'), any)
    await tidied.makeDirectory(at('empty/deep'))
    await mkdir(join(directory, 'names', '.name-foreign'))
    const options = {
      isThere: async (id: string) => id === 'there',
      emptyMs: 60_000,
      signal: new AbortController().signal,
    }
    expect(await tidied.tidy(options)).toBe(1)
    expect(await tidied.look(at('gone/b'))).toBeUndefined()
    expect(await tidied.look(at('empty/deep'))).toMatchObject({ type: 'directory' })
    await clock.advance(120_000)
    expect(await tidied.tidy(options)).toBeGreaterThanOrEqual(2)
    expect(await tidied.list(at(''))).toMatchObject([{ name: 'kept' }])
  })

  it('takes nothing when nobody can say whether a resource is there', async () => {
    await names.put(at('a'), file('one'), any)
    const isThere = () => Promise.reject(new Error('the disk does not answer'))
    await expect(names.tidy({ isThere, emptyMs: 0, signal: new AbortController().signal })).rejects.toThrow()
    expect(await names.look(at('a'))).toBeDefined()
  })
})
