/** A root across two file systems: refused before the first byte, because renames do not cross them. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { realDisk } from './disk.ts'
import { scriptedServer } from './testing/scripted-server.ts'
import { workbench } from './testing/workbench.ts'

/** The real disk, on which this directory and all below it claim to be another file system. */
function mountedAt(path: string): typeof realDisk {
  return new Proxy(realDisk, {
    get: (target, name: keyof typeof realDisk) =>
      name !== 'stat'
        ? target[name]
        : (asked: string) => {
            const stats = target.stat(asked)
            if (stats !== undefined && `${asked}/`.startsWith(`${path}/`)) stats.dev += 1
            return stats
          },
  })
}

describe('a volume that is mounted inside the root (case 110)', () => {
  it.each(['lib', 'lib/deep', 'lib/deep/a.jar'])(
    'at %s is refused by name before the first byte, and nothing changes',
    async (mount) => {
      await using bench = await workbench()
      await using server = await scriptedServer((_, response) => response.end('jar'))
      await mkdir(join(bench.root, 'lib', 'deep'), { recursive: true })
      await writeFile(join(bench.root, 'lib', 'deep', 'a.jar'), 'old')
      const items = ['other.jar', 'lib/deep/a.jar'].map((to) => ({ uri: server.url('/a'), to }))
      await expect(bench.run(items, {}, { disk: mountedAt(join(bench.root, mount)) })).rejects.toMatchObject({
        kind: 'invalid',
        code: 'other-file-system',
        message: expect.stringContaining(join(bench.root, mount)),
        hint: expect.any(String),
      })
      expect(server.requests).toEqual([])
      expect(await bench.files()).toEqual({ 'lib/deep/a.jar': 'old' })
      // The root is not spoilt for the next run.
      await bench.run(items)
      expect(await bench.files()).toEqual({ 'lib/deep/a.jar': 'jar', 'other.jar': 'jar' })
    },
  )

  it('is of no consequence where the root itself is the mount', async () => {
    await using bench = await workbench()
    const root = await mkdtemp('/dev/shm/supercargo-root-')
    try {
      await writeFile(join(bench.directory, 'a'), 'jar')
      const items = [{ uri: `file://${bench.directory}/a`, to: 'lib/a.jar' }]
      expect((await bench.run(items, { root })).totals).toMatchObject({ files: 1 })
    } finally {
      await rm(root, { recursive: true })
    }
  })
})
