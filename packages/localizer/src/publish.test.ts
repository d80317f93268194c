/** Publication: the set is old or new whatever fails, links are not followed, and a full disk is left clean. */
import { chmod, mkdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { SupercargoError } from '@supercargo/protocol'
import { describe, expect, it } from 'vitest'
import { realDisk } from './disk.ts'
import { failingDisk } from './testing/faulty-disk.ts'
import { sources, workbench } from './testing/workbench.ts'

const oldSet = { 'a.jar': 'old a', 'lib/b.jar': 'old b', 'lib/gone/c.jar': 'old c' }
const newSet = { 'a.jar': 'new a', 'lib/b.jar': 'new b', 'more/d.jar': 'new d'.repeat(20_000), 'lib/gone.jar': 'new e' }

describe('a set', () => {
  it('holds the old or the new files after every failing call, and a further run makes it the new one', async () => {
    for (let nth = 1; ; nth++) {
      await using bench = await workbench()
      await bench.run(await sources(bench, oldSet))
      const items = await sources(bench, newSet)
      const faulty = failingDisk(nth)
      const outcome = await bench.run(items, {}, { disk: faulty.disk }).catch((error: unknown) => error)
      const files = await bench.files()
      const where = `call ${nth}: ${faulty.failed}`
      expect([oldSet, newSet], where).toContainEqual(files)
      if (!(outcome instanceof Error)) expect(files, where).toEqual(newSet)
      await bench.run(items)
      expect(await bench.files(), where).toEqual(newSet)
      if (faulty.failed === undefined) {
        expect(nth).toBeGreaterThan(20)
        return
      }
    }
  })

  it('is not begun when a file cannot be fetched', async () => {
    await using bench = await workbench()
    await bench.run(await sources(bench, oldSet))
    const items = [...(await sources(bench, newSet)), { uri: `file://${bench.directory}/missing`, to: 'z' }]
    await expect(bench.run(items)).rejects.toMatchObject({ kind: 'notFound' })
    expect(await bench.files()).toEqual(oldSet)
  })

  it('replaces exactly what came from the set before: what others put there stays', async () => {
    await using bench = await workbench()
    await bench.run(await sources(bench, oldSet))
    await writeFile(join(bench.root, 'lib', 'foreign.txt'), 'foreign')
    await rm(join(bench.directory, 'x'), { force: true })
    const report = await bench.run(await sources(bench, { 'a.jar': 'new a' }))
    expect(await bench.files()).toEqual({ 'a.jar': 'new a', 'lib/foreign.txt': 'foreign' })
    expect(report.roots[0]!.removed.sort()).toEqual(['lib/b.jar', 'lib/gone/c.jar'])
    await expect(stat(join(bench.root, 'lib', 'gone'))).rejects.toMatchObject({ code: 'ENOENT' })
  })

  it('that is empty removes the set before and needs no network', async () => {
    await using bench = await workbench()
    await bench.run(await sources(bench, oldSet))
    const began = performance.now()
    const report = await bench.run([])
    expect(performance.now() - began).toBeLessThan(100)
    expect(report.totals).toMatchObject({ files: 0, removed: 3 })
    expect(await bench.files()).toEqual({})
  })

  it('may turn a file into a directory', async () => {
    await using bench = await workbench()
    await bench.run(await sources(bench, { a: 'file' }))
    await bench.run(await sources(bench, { 'a/b': 'below' }))
    expect(await bench.files()).toEqual({ 'a/b': 'below' })
  })

  it('has modes of its own, whatever the umask', async () => {
    await using bench = await workbench()
    const umask = process.umask(0o077)
    try {
      await bench.run(await sources(bench, oldSet))
    } finally {
      process.umask(umask)
    }
    const mode = async (path: string) => ((await stat(join(bench.root, path))).mode & 0o7777).toString(8)
    expect([await mode('a.jar'), await mode('lib'), await mode('lib/gone/c.jar'), await mode('.supercargo')]).toEqual([
      '644',
      '755',
      '644',
      '700',
    ])
  })
})

describe('nothing is written through a link', () => {
  it.each([
    ['the target', 'a.jar'],
    ['the parent of the target', 'lib/b.jar'],
    ['a directory above', 'lib/gone/c.jar'],
  ])('that stands at %s', async (_, path) => {
    await using bench = await workbench()
    const outside = join(bench.directory, 'outside')
    await mkdir(join(outside, 'gone'), { recursive: true })
    await writeFile(join(outside, 'file'), 'untouched')
    await mkdir(bench.root)
    if (path === 'a.jar') await symlink(join(outside, 'file'), join(bench.root, 'a.jar'))
    else await symlink(outside, join(bench.root, 'lib'))
    await expect(bench.run(await sources(bench, { [path]: 'new' }))).rejects.toMatchObject({
      kind: 'unsafe',
      code: 'symbolic-link',
    })
    expect(await readFile(join(outside, 'file'), 'utf8')).toBe('untouched')
  })

  it('that stands at the work directory', async () => {
    await using bench = await workbench()
    await mkdir(join(bench.directory, 'outside'))
    await mkdir(bench.root)
    await symlink(join(bench.directory, 'outside'), join(bench.root, '.supercargo'))
    await expect(bench.run([])).rejects.toMatchObject({ kind: 'unsafe', code: 'symbolic-link' })
  })

  it('that took the place of a directory of the old set: what is behind it is not removed', async () => {
    await using bench = await workbench()
    await bench.run(await sources(bench, { 'lib/b.jar': 'old' }))
    const outside = join(bench.directory, 'outside')
    await mkdir(outside)
    await writeFile(join(outside, 'b.jar'), 'not ours')
    await rm(join(bench.root, 'lib'), { recursive: true })
    await symlink(outside, join(bench.root, 'lib'))
    await bench.run([])
    expect(await readFile(join(outside, 'b.jar'), 'utf8')).toBe('not ours')
  })

  it('or over a directory', async () => {
    await using bench = await workbench()
    await mkdir(join(bench.root, 'a.jar'), { recursive: true })
    await expect(bench.run(await sources(bench, { 'a.jar': 'x' }))).rejects.toMatchObject({
      kind: 'conflict',
      code: 'target-taken',
    })
  })
})

describe('a disk that', () => {
  it('is too small is told before the first byte, with numbers', async () => {
    await using bench = await workbench()
    const items = await sources(bench, { a: 'text' })
    const small = new Proxy(realDisk, {
      get: (target, name: keyof typeof realDisk) => (name === 'freeBytes' ? () => 1000 : target[name]),
    })
    const error = await bench
      .run([{ ...items[0], sizeBytes: 5_000_000 }], {}, { disk: small })
      .catch((failure: unknown) => failure)
    expect(error).toMatchObject({
      kind: 'exhausted',
      code: 'not-enough-space',
      context: { haveBytes: 1000, needBytes: 5_000_000 + 2 ** 20 },
    })
    expect((error as Error).message).toMatch(/1000 B free.*5\.8 MiB are needed/)
  })

  it('is full in the middle is left without what was unfinished', async () => {
    await using bench = await workbench()
    await bench.run(await sources(bench, oldSet))
    const full = () => new SupercargoError('exhausted', 'disk-full', 'cannot write: no space left on the device')
    const faulty = new Proxy(realDisk, {
      get: (target, name: keyof typeof realDisk) => (name !== 'syncPath' ? target[name] : () => Promise.reject(full())),
    })
    await expect(bench.run(await sources(bench, newSet), {}, { disk: faulty })).rejects.toMatchObject({
      kind: 'exhausted',
      code: 'disk-full',
      context: { haveBytes: expect.any(Number) },
    })
    expect(await bench.files()).toEqual(oldSet)
    await expect(stat(join(bench.root, '.supercargo', 'incoming'))).rejects.toMatchObject({ code: 'ENOENT' })
  })

  it('may not be written says whose it is', async () => {
    await using bench = await workbench()
    const items = await sources(bench, oldSet)
    await mkdir(bench.root)
    await chmod(bench.root, 0o555)
    await chmod(bench.directory, 0o755)
    const user = process.geteuid!()
    if (user === 0) process.seteuid!(65_534)
    try {
      await expect(bench.run(items)).rejects.toMatchObject({
        kind: 'denied',
        code: 'permission',
        message: expect.stringMatching(/as user \d+:\d+; it belongs to \d+:\d+, mode 0555/),
      })
    } finally {
      process.seteuid!(user)
    }
  })
})
