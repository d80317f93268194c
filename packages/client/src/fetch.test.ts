/** Fetching onto a disk that fails: whichever effect it is, every file is absent, old or complete. */
import { createHash } from 'node:crypto'
import * as fsPromises from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { mediaTypes, routes, Secret } from '@supercargo/protocol'
import { packBundle } from '@supercargo/transfer'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { createClient } from './client.ts'

/** Counts every effect on the disk; the one with the number `failing` does not happen. */
const disk = vi.hoisted(() => ({ effects: 0, failing: 0 }))
vi.mock('node:fs/promises', async (original) => {
  const real = await original<typeof import('node:fs/promises')>()
  const counted = (work: unknown, self?: unknown) =>
    ((...args: never[]) => {
      if (++disk.effects === disk.failing)
        return Promise.reject(Object.assign(new Error('no space'), { code: 'ENOSPC' }))
      return (work as (...args: never[]) => unknown).apply(self, args)
    }) as never
  const open = async (...args: Parameters<typeof real.open>) => {
    const handle = await real.open(...args)
    return new Proxy(handle, {
      get: (target, name) => {
        const value = Reflect.get(target, name) as unknown
        if (typeof value !== 'function') return value
        return ['writeFile', 'truncate', 'stat'].includes(String(name))
          ? counted(value, target)
          : (value as (...args: never[]) => unknown).bind(target)
      },
    })
  }
  return {
    ...real,
    open: counted(open),
    rename: counted(real.rename),
    mkdir: counted(real.mkdir),
    realpath: counted(real.realpath),
    lstat: counted(real.lstat),
  }
})

const contents = new Map([
  ['a', Buffer.from('new a')],
  ['deep/b', Buffer.alloc(3000, 2)],
  ['deep/c', Buffer.alloc(0)],
  ['large', Buffer.alloc(5_000_000, 3)],
])
const files = [...contents].map(([path, bytes]) => ({
  path,
  sizeBytes: bytes.length,
  digest: `sha256:${createHash('sha256').update(bytes).digest('hex')}`,
}))
const resourceId = 'a'.repeat(26)
let server: Server
let url: string

beforeAll(async () => {
  server = createServer((request, response) => {
    const file = [...contents.keys()].find((path) => request.url === routes.v1.file(resourceId, path))
    if (file !== undefined) {
      const bytes = contents.get(file)!
      const from = Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0)
      if (from > 0) response.writeHead(206, { 'content-range': `bytes ${from}-${bytes.length - 1}/${bytes.length}` })
      response.end(bytes.subarray(from))
    } else if (request.headers.accept === mediaTypes.tar) {
      response.writeHead(200, { 'content-type': mediaTypes.tar })
      const small = [...contents].filter(([, bytes]) => bytes.length < 1_000_000)
      packBundle(
        (async function* () {
          for (const [name, bytes] of small) yield { name, bytes }
        })(),
      ).pipe(response)
    } else {
      response.writeHead(200, { 'content-type': mediaTypes.json })
      response.end(JSON.stringify({ resourceId, owner: [], createdAt: new Date(0).toISOString(), files }))
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  url = `http://127.0.0.1:${(server.address() as { port: number }).port}`
})
afterAll(() => {
  server.closeAllConnections()
  server.close()
})

describe('fetching onto a disk whose n-th effect fails', () => {
  it('leaves every file absent, old or complete, for every n, and the next run completes it', async () => {
    const client = createClient({ server: url, attemptsMax: 1 })
    for (let failing = 1; ; failing++) {
      disk.failing = 0
      const to = await fsPromises.mkdtemp(join(tmpdir(), 'fetch-'))
      await fsPromises.writeFile(join(to, 'a'), 'old a')
      Object.assign(disk, { effects: 0, failing })
      const fetch = () => client.fetch({ resourceId, secret: new Secret('x'), to })
      const outcome = await fetch().then(
        () => undefined,
        (error: unknown) => error,
      )
      const reached = disk.effects >= failing
      disk.failing = 0
      for (const [path, bytes] of contents) {
        const there = await fsPromises.readFile(join(to, path)).catch(() => undefined)
        const old = path === 'a' && there?.toString() === 'old a'
        expect(there === undefined || old || there.equals(bytes), `${path} after failure ${failing}`).toBe(true)
      }
      if (reached) expect(outcome).toMatchObject({ kind: 'exhausted', code: 'disk-full' })
      await fetch()
      for (const [path, bytes] of contents) expect((await fsPromises.readFile(join(to, path))).equals(bytes)).toBe(true)
      expect((await fsPromises.readdir(to)).sort()).toEqual(['a', 'deep', 'large'])
      await fsPromises.rm(to, { recursive: true })
      if (!reached) {
        expect(outcome).toBeUndefined()
        expect(failing).toBeGreaterThan(15)
        break
      }
    }
    client.close()
  })
})
