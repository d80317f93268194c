/** A file is old or new, never between, whichever step fails. */
import * as fsPromises from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { writeDurably } from './durable.ts'

/** Counts every effect on the disk; the one with the number `failing` does not happen. */
const disk = vi.hoisted(() => ({ effects: 0, failing: 0 }))
vi.mock('node:fs/promises', async (original) => {
  const real = await original<typeof import('node:fs/promises')>()
  const counted = (work: (...args: never[]) => unknown, self: unknown) =>
    ((...args: never[]) => {
      if (++disk.effects === disk.failing)
        return Promise.reject(Object.assign(new Error('input/output error'), { code: 'EIO' }))
      return work.apply(self, args)
    }) as never
  const open = async (...args: Parameters<typeof real.open>) => {
    const handle = await real.open(...args)
    return new Proxy(handle, {
      get: (target, name) => {
        const value = Reflect.get(target, name) as unknown
        if (typeof value !== 'function') return value
        const method = value as (...args: never[]) => unknown
        return ['writeFile', 'sync'].includes(String(name)) ? counted(method, target) : method.bind(target)
      },
    })
  }
  return { ...real, open: counted(open as never, undefined), rename: counted(real.rename as never, undefined) }
})

let directory: string
beforeEach(async () => {
  disk.failing = 0
  directory = await fsPromises.mkdtemp(join(tmpdir(), 'durable-'))
})
afterEach(() => fsPromises.rm(directory, { recursive: true }))

describe('a durable write', () => {
  it('leaves the old file or the new one, and nothing else, when its n-th effect fails, for every n', async () => {
    const path = join(directory, 'record.json')
    for (let failing = 1; ; failing++) {
      disk.failing = 0
      await writeDurably(path, 'old')
      Object.assign(disk, { effects: 0, failing })
      const outcome = await writeDurably(path, 'new').then(
        () => 'written',
        (error: { kind: string }) => error.kind,
      )
      const reached = disk.effects >= failing
      disk.failing = 0
      expect(await fsPromises.readdir(directory)).toEqual(['record.json'])
      const text = await fsPromises.readFile(path, 'utf8')
      if (!reached) {
        expect([outcome, text]).toEqual(['written', 'new'])
        // Create, write, sync, rename, open and sync of the directory.
        expect(failing).toBe(7)
        return
      }
      expect(outcome).toBe('internal')
      expect(text).toBe(failing <= 4 ? 'old' : 'new')
    }
  })

  it('keeps the unfinished file in the scratch directory and gives it the mode', async () => {
    const scratch = join(directory, 'scratch')
    await fsPromises.mkdir(scratch)
    const path = join(directory, 'secret')
    await writeDurably(path, 'x', { scratch, mode: 0o640 })
    expect((await fsPromises.stat(path)).mode & 0o777).toBe(0o640)
    expect(await fsPromises.readdir(scratch)).toEqual([])
  })

  it('names the file that cannot be written', async () => {
    await expect(writeDurably(join(directory, 'no', 'file'), 'x')).rejects.toMatchObject({
      kind: 'notFound',
      message: expect.stringContaining(join(directory, 'no', 'file')),
    })
  })
})
