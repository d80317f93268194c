/** Localizing twice equals localizing once, and only what is damaged is fetched again. */
import { readFile, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { scriptedServer, serve } from './testing/scripted-server.ts'
import { bytesOf, sha256, workbench } from './testing/workbench.ts'

const contents: Record<string, Buffer> = {
  '/a.jar': bytesOf(4000, 1),
  '/b.jar': bytesOf(5000, 2),
  '/c.jar': bytesOf(10, 3),
}

function fileServer() {
  return scriptedServer((request, response) => serve(request, response, contents[request.url!]!, { etag: '"1"' }))
}

describe('a second run', () => {
  it('of the same plan makes no request and takes some milliseconds', async () => {
    await using bench = await workbench()
    await using server = await fileServer()
    const items = Object.keys(contents).map((path) => ({ uri: server.url(path), to: path.slice(1) }))
    const first = await bench.run(items)
    const before = await stat(join(bench.root, 'a.jar'))
    const seen = server.requests.length
    const began = performance.now()
    const second = await bench.run(items)
    expect(performance.now() - began).toBeLessThan(100)
    expect(server.requests.length).toBe(seen)
    expect(second.roots[0]!.items.map((item) => item.digest)).toEqual(first.roots[0]!.items.map((item) => item.digest))
    expect(second.totals).toMatchObject({ files: 3, fetchedItems: 0, fetchedBytes: 0 })
    expect((await stat(join(bench.root, 'a.jar'))).ino).toBe(before.ino)
  })

  const damages: [string, (path: string) => Promise<void>][] = [
    ['is missing', (path) => rm(path)],
    ['was cut', (path) => writeFile(path, 'x')],
    ['was written, with the same size', async (path) => writeFile(path, bytesOf((await stat(path)).size, 99))],
    [
      'was replaced, with the same size and time',
      async (path) => {
        const { size, atime, mtime } = await stat(path)
        await rm(path)
        await writeFile(`${path}.other`, 'takes the inode')
        await writeFile(path, bytesOf(size, 98))
        await utimes(path, atime, mtime)
      },
    ],
  ]
  it.each(damages)('fetches the one file that %s, and only that', async (_, damage) => {
    await using bench = await workbench()
    await using server = await fileServer()
    const items = Object.keys(contents).map((path) => ({ uri: server.url(path), to: path.slice(1) }))
    await bench.run(items)
    await damage(join(bench.root, 'b.jar'))
    server.requests.length = 0
    const report = await bench.run(items)
    expect(server.requests.map(({ path }) => path)).toEqual(['/b.jar'])
    expect(report.totals).toMatchObject({ files: 3, fetchedItems: 1 })
    expect(sha256(await readFile(join(bench.root, 'b.jar')))).toBe(sha256(contents['/b.jar']!))
  })

  it('of another plan keeps what has a known digest and fetches what might have changed', async () => {
    await using bench = await workbench()
    await using server = await fileServer()
    const known = { uri: server.url('/a.jar'), to: 'a.jar', digest: sha256(contents['/a.jar']!) }
    const unknown = { uri: server.url('/b.jar'), to: 'b.jar' }
    await bench.run([known, unknown])
    server.requests.length = 0
    await bench.run([known, unknown, { uri: server.url('/c.jar'), to: 'c.jar' }])
    expect(server.requests.map(({ path }) => path).sort()).toEqual(['/b.jar', '/c.jar'])
  })

  it('does not trust a report that is damaged', async () => {
    await using bench = await workbench()
    await using server = await fileServer()
    const items = [{ uri: server.url('/a.jar'), to: 'a.jar' }]
    await bench.run(items)
    for (const text of ['', '{}', '[]', '{"version":1']) {
      await writeFile(join(bench.root, '.supercargo', 'report.json'), text)
      server.requests.length = 0
      await bench.run(items)
      expect(server.requests.length, text).toBe(1)
    }
  })
})

describe('one content', () => {
  it('for two targets is fetched once and copied, not linked', async () => {
    await using bench = await workbench()
    await using server = await fileServer()
    const uri = server.url('/a.jar')
    await bench.run([
      { uri, to: 'a.jar' },
      { uri, to: 'lib/again.jar' },
      { uri: `${uri}#fragment`, to: 'third.jar' },
    ])
    expect(server.requests.length).toBe(1)
    const inodes = await Promise.all(
      ['a.jar', 'lib/again.jar', 'third.jar'].map(async (path) => (await stat(join(bench.root, path))).ino),
    )
    expect(new Set(inodes).size).toBe(3)
    expect(sha256(await readFile(join(bench.root, 'lib/again.jar')))).toBe(sha256(contents['/a.jar']!))
    server.requests.length = 0
    await bench.run([
      { uri, to: 'a.jar' },
      { uri, to: 'lib/again.jar' },
      { uri: `${uri}#fragment`, to: 'third.jar' },
    ])
    expect(server.requests.length).toBe(0)
  })
})
