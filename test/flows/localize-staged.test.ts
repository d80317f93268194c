/** Staged resources into pods: the real localizer from the real server, through a network that breaks. */
import { createHash, randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createClient, type StagingClient } from '@supercargo/client'
import { type LocalizeOptions, localize, type Report } from '@supercargo/localizer'
import { type Owner, planSchema } from '@supercargo/protocol'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { FaultyProxy } from '../faults/faulty-proxy.ts'
import { type ServerForTest, startServer } from './server-for-test.ts'

const owner: Owner = { namespace: 'spark', apiVersion: 'v1', kind: 'Pod', name: 'driver' }
let server: ServerForTest
let client: StagingClient
let work: string
let root: string

beforeAll(async () => {
  server = await startServer()
  client = createClient({ server: server.url })
})
afterAll(async () => {
  client.close()
  await server.stop()
})
beforeEach(async () => {
  work = await mkdtemp(join(tmpdir(), 'supercargo-localize-'))
  root = join(work, 'root')
})
afterEach(() => rm(work, { recursive: true, force: true }))

interface Staged {
  readonly resource: string
  readonly secretFile: string
}

async function stage(files: Readonly<Record<string, Buffer>>): Promise<Staged> {
  const from = await mkdtemp(join(work, 'from-'))
  for (const [path, bytes] of Object.entries(files)) {
    await mkdir(dirname(join(from, path)), { recursive: true })
    await writeFile(join(from, path), bytes)
  }
  const { resourceId, resourceSecret } = await client.stage({ owner, files: [{ path: from }] })
  const secretFile = join(work, `secret-${resourceId}`)
  await writeFile(secretFile, `\ufeff${resourceSecret.reveal()}\r\n`)
  return { resource: resourceId, secretFile }
}

function run(items: readonly object[], more: object = {}, options: LocalizeOptions = {}): Promise<Report> {
  return localize(planSchema.parse({ version: 1, root, staging: { url: server.url }, items, ...more }), options)
}

async function expectFiles(files: Readonly<Record<string, Buffer>>, below = ''): Promise<void> {
  const paths = (await readdir(root, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile() && !entry.parentPath.includes('.supercargo'))
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1))
  expect(paths.sort()).toEqual(
    Object.keys(files)
      .map((path) => `${below}${path}`)
      .sort(),
  )
  for (const [path, bytes] of Object.entries(files)) {
    expect(sha256(await readFile(join(root, below, path))), path).toBe(sha256(bytes))
  }
}

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')

function mixedFiles(): Record<string, Buffer> {
  const files: Record<string, Buffer> = {
    'spark-jars/app.jar': randomBytes(12 << 20),
    'spark-jars/large.jar': randomBytes(3 << 20),
    'spark-files/empty': Buffer.alloc(0),
    'spark-files/ünï 日本 🚢 %20#?.txt': Buffer.from('x'),
  }
  for (let index = 0; index < 60; index++) files[`py-files/m${index}/module.py`] = randomBytes(index * 500)
  return files
}

describe('a staged resource', () => {
  it('appears byte for byte, small files by one bundle, and a second run asks nothing', async () => {
    const files = mixedFiles()
    const staged = await stage(files)
    const proxy = await FaultyProxy.listen(server.url)
    try {
      const more = { staging: { url: proxy.url } }
      const report = await run([staged], more)
      await expectFiles(files)
      expect(report.totals.files).toBe(64)
      expect(report.roots[0]!.items.every((item) => item.attempts === 1)).toBe(true)
      const seen = proxy.connections
      expect((await run([staged], more)).totals).toMatchObject({ files: 64, fetchedItems: 0 })
      expect(proxy.connections).toBe(seen)
    } finally {
      await proxy.close()
    }
  })

  it('can be put below a directory, twice, and beside another one', async () => {
    const files = { a: randomBytes(100), 'd/b': randomBytes(2 << 20) }
    const staged = await stage(files)
    await run([
      { ...staged, to: 'one' },
      { ...staged, to: 'two' },
    ])
    expect(sha256(await readFile(join(root, 'one/d/b')))).toBe(sha256(await readFile(join(root, 'two/d/b'))))
    expect((await stat(join(root, 'one/a'))).ino).not.toBe((await stat(join(root, 'two/a'))).ino)
  })

  it('of which one file was damaged is fetched in that file alone', async () => {
    const files = mixedFiles()
    const staged = await stage(files)
    await run([staged])
    await writeFile(join(root, 'py-files/m5/module.py'), 'damaged')
    const report = await run([staged])
    expect(report.totals).toMatchObject({ fetchedItems: 1, fetchedBytes: 2500 })
    await expectFiles(files)
  })

  it('that shrank leaves nothing of its older version', async () => {
    await run([await stage({ a: randomBytes(10), 'lib/b': randomBytes(10) })])
    const files = { a: randomBytes(10) }
    const report = await run([await stage(files)])
    await expectFiles(files)
    expect(report.roots[0]!.removed).toEqual(['lib/b'])
  })

  it('with a wrong secret is refused at once, with a hint and without the secret', async () => {
    const { resource, secretFile } = await stage({ a: randomBytes(10) })
    await writeFile(secretFile, 'canary-secret-that-is-wrong')
    const error = await run([{ resource, secretFile }]).catch((failure: unknown) => failure)
    expect(error).toMatchObject({
      kind: 'denied',
      message: expect.stringContaining(secretFile),
      hint: expect.any(String),
    })
    expect(JSON.stringify([(error as Error).message, error])).not.toContain('canary')
  })

  it.each([
    ['missing', undefined, /cannot read/],
    ['empty', ' \n', /is empty/],
    ['of two lines', 'canary\ncanary', /line break/],
  ])('whose secret file is %s names the file', async (_, text, says) => {
    const { resource, secretFile } = await stage({ a: randomBytes(10) })
    await rm(secretFile)
    if (text !== undefined) await writeFile(secretFile, text)
    const error = (await run([{ resource, secretFile }]).catch((failure: unknown) => failure)) as Error
    expect(error.message).toMatch(says)
    expect(error.message).toContain(secretFile)
    expect(error.message).not.toContain('canary')
  })

  it('that was released is denied like an unknown one', async () => {
    const { resource, secretFile } = await stage({ a: randomBytes(10) })
    await run([{ resource: 'z'.repeat(26), secretFile }]).then(
      () => expect.unreachable(),
      (error) => expect(error).toMatchObject({ kind: expect.stringMatching(/denied|notFound/) }),
    )
    expect(resource).toHaveLength(26)
  })
})

describe('a network that breaks', () => {
  const files = {
    'big.jar': randomBytes(6 << 20),
    ...Object.fromEntries(Array.from({ length: 40 }, (_, index) => [`s${index}`, randomBytes(20_000)])),
  }

  it.each([100, 2000, 30_000, 300_000, 900_000, 3_000_000])(
    'after %d bytes of a connection costs attempts, never bytes',
    async (afterBytes) => {
      const staged = await stage(files)
      let broken = 0
      const proxy = await FaultyProxy.listen(server.url, (connection) => {
        if (connection > 3) return {}
        broken++
        return { down: { afterBytes, kind: connection % 2 === 0 ? 'cut' : 'reset' } }
      })
      try {
        await run([staged], { staging: { url: proxy.url } })
        await expectFiles(files)
        expect(broken).toBeGreaterThan(0)
        // Large files go on where they stopped; only what a bundle had begun comes again.
        expect(proxy.bytesDown).toBeLessThan(2.2 * (6 << 20))
      } finally {
        await proxy.close()
      }
    },
  )

  it('by stalling is noticed by the idle time-out', async () => {
    const staged = await stage(files)
    const proxy = await FaultyProxy.listen(server.url, (connection) =>
      connection <= 2 ? { down: { afterBytes: 50_000, kind: 'stall' } } : {},
    )
    try {
      await run([staged], { staging: { url: proxy.url }, limits: { idleTimeoutMs: 400 } })
      await expectFiles(files)
    } finally {
      await proxy.close()
    }
  })

  it('and a server that comes back later are waited for', async () => {
    const staged = await stage(files)
    const proxy = await FaultyProxy.listen(server.url, () => ({ refuse: true }))
    try {
      const running = run([staged], { staging: { url: proxy.url } })
      await expect.poll(() => proxy.connections).toBeGreaterThan(1)
      proxy.plan = () => ({})
      await running
      await expectFiles(files)
    } finally {
      await proxy.close()
    }
  })
})

describe('a blob that rotted on the server', () => {
  it('is never published', async () => {
    const files = {
      'a.jar': randomBytes(1 << 20),
      b: randomBytes(100),
      c: randomBytes(100),
      d: randomBytes(100),
      e: randomBytes(100),
    }
    const staged = await stage(files)
    const blobs = join(server.directory, 'store', 'blobs')
    for (const name of await readdir(blobs, { recursive: true })) {
      if (!name.endsWith(sha256(files['a.jar'])) && !name.endsWith(sha256(files.b))) continue
      const bytes = await readFile(join(blobs, name))
      bytes[50]! ^= 1
      await rm(join(blobs, name))
      await writeFile(join(blobs, name), bytes)
    }
    await expect(run([staged], { limits: { attemptsMax: 2 } })).rejects.toMatchObject({
      kind: expect.stringMatching(/corrupt|interrupted/),
    })
    expect((await readdir(root)).filter((name) => name !== '.supercargo')).toEqual([])
  })
})
