/** Staging and fetching against the real server: the same bytes back, only what is missing sent, and clear refusals. */
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createServer as createUnixServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createClient, type Progress, type StagedResource, type StagingClient } from '@supercargo/client'
import { bundledFileBytesMax, type Owner, Secret } from '@supercargo/protocol'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type ServerForTest, startServer } from './server-for-test.ts'

const owner: Owner = { namespace: 'spark', apiVersion: 'v1', kind: 'Pod', name: 'driver' }
let server: ServerForTest
let client: StagingClient
let work: string
let from: string
let to: string

beforeAll(async () => {
  server = await startServer()
  client = createClient({ server: server.url, attemptsMax: 2 })
})
afterAll(async () => {
  client.close()
  await server.stop()
})
beforeEach(() => {
  work = mkdtempSync(join(tmpdir(), 'supercargo-stage-'))
  from = join(work, 'from')
  to = join(work, 'to')
  mkdirSync(from)
})
afterEach(() => rmSync(work, { recursive: true, force: true }))

const put = (path: string, bytes: Uint8Array | string): void => {
  mkdirSync(join(from, path, '..'), { recursive: true })
  writeFileSync(join(from, path), bytes)
}
const stageAll = (more: { onProgress?: (progress: Progress) => void } = {}): Promise<StagedResource> =>
  client.stage({ owner, files: [{ path: from }], ...more })
const access = ({ resourceId, resourceSecret }: StagedResource) => ({ resourceId, secret: resourceSecret })
const listed = (directory: string): string[] => readdirSync(directory, { recursive: true, encoding: 'utf8' }).sort()

describe('files that were staged', () => {
  it('come back byte for byte, small, large, empty, deep, many, and with any name', async () => {
    put('a.jar', randomBytes(1000))
    put('empty', '')
    put('deep/er/ünï 日本 🚢 %20#?.txt', 'x')
    put('at-the-limit', randomBytes(bundledFileBytesMax))
    put('large', randomBytes(bundledFileBytesMax + 1))
    put('larger', randomBytes(20_000_003))
    put(`${'n'.repeat(120)}/${'m'.repeat(200)}`, 'long name')
    for (let number = 0; number < 300; number++) put(`many/${number}`, `content ${number}`)
    const staged = await stageAll()
    expect(staged.sentBytes).toBe(staged.files.reduce((sum, file) => sum + file.sizeBytes, 0))
    const fetched = await client.fetch({ ...access(staged), to })
    expect(fetched.fetchedBytes).toBe(staged.sentBytes)
    expect(listed(to)).toEqual(listed(from))
    for (const { path } of staged.files)
      expect(readFileSync(join(to, path)).equals(readFileSync(join(from, path)))).toBe(true)
  })

  it('are not sent again, and of a changed set only the change is', async () => {
    put('a', randomBytes(100_000))
    put('b', randomBytes(6_000_000))
    const first = await stageAll()
    expect(first.sentBytes).toBe(6_100_000)
    const second = await stageAll()
    expect(second.sentBytes).toBe(0)
    expect(second.resourceId).not.toBe(first.resourceId)
    appendFileSync(join(from, 'a'), 'x')
    const third = await stageAll()
    expect(third.sentBytes).toBe(100_001)
    await client.fetch({ ...access(third), to })
    expect(listed(to)).toEqual(['a', 'b'])
  })

  it('with equal bytes are sent once and come back under every name', async () => {
    const bytes = randomBytes(5_000_000)
    for (const name of ['one', 'two', 'three/four']) put(name, bytes)
    const staged = await stageAll()
    expect(staged.sentBytes).toBe(5_000_000)
    await client.fetch({ ...access(staged), to })
    for (const { path } of staged.files) expect(readFileSync(join(to, path)).equals(bytes)).toBe(true)
  })

  it('are named as the user says', async () => {
    put('lib/a.jar', 'a')
    put('lib/sub/b.jar', 'b')
    put('conf', 'c')
    const { files } = await client.stage({
      owner,
      files: [
        { path: join(from, 'lib'), as: 'spark-jars' },
        { path: join(from, 'conf') },
        { path: join(from, 'conf'), as: 'spark-files/x.properties' },
      ],
    })
    expect(files.map((file) => file.path)).toEqual([
      'spark-jars/a.jar',
      'spark-jars/sub/b.jar',
      'conf',
      'spark-files/x.properties',
    ])
  })

  it('are told of while they are read and sent', async () => {
    put('a', randomBytes(9_000_000))
    put('b', 'small')
    const last = new Map<string, Progress>()
    await stageAll({
      onProgress: (progress) => {
        expect(progress.bytes).toBeGreaterThanOrEqual(last.get(progress.phase)?.bytes ?? 0)
        expect(progress.bytes).toBeLessThanOrEqual(progress.bytesTotal)
        last.set(progress.phase, progress)
      },
    })
    for (const phase of ['hashing', 'sending'])
      expect(last.get(phase)).toMatchObject({ bytes: 9_000_005, bytesTotal: 9_000_005 })
  })
})

describe('what is not a plain file', () => {
  it('is followed when it is a link to one, or a link to a directory that the user names', async () => {
    put('real/a', 'a')
    symlinkSync(join(from, 'real/a'), join(from, 'link'))
    symlinkSync(join(from, 'real'), join(work, 'named'))
    const { files } = await client.stage({
      owner,
      files: [{ path: join(from, 'link') }, { path: join(work, 'named') }],
    })
    expect(files.map((file) => file.path)).toEqual(['link', 'a'])
  })

  it.each([
    ['a link to a directory', 'linked-directory', () => symlinkSync(work, join(from, 'loop'))],
    ['a link to nothing', 'no-such-file', () => symlinkSync('nowhere', join(from, 'dangling'))],
    ['a named pipe', 'not-a-file', () => execFileSync('mkfifo', [join(from, 'pipe')])],
    [
      'a name that is not UTF-8',
      'bad-path',
      () => writeFileSync(Buffer.concat([Buffer.from(`${from}/bad`), Buffer.from([0xff])]), ''),
    ],
    ['a name with a line break', 'bad-path', () => put('a\nb', '')],
    ['a name that is reserved', 'bad-path', () => put('.supercargo/x', '')],
  ])('is refused with the reason: %s', async (_, code, make) => {
    make()
    await expect(stageAll()).rejects.toMatchObject({ code })
  })

  it('is refused with the reason: a socket', async () => {
    const socket = createUnixServer()
    await new Promise<void>((resolve) => socket.listen(join(from, 's'), resolve))
    await expect(stageAll()).rejects.toMatchObject({ code: 'not-a-file', message: expect.stringContaining('a socket') })
    await new Promise((resolve) => socket.close(resolve))
  })

  it('is refused before anything is sent: two files for one name, nothing at all, a path that is not there', async () => {
    put('a', 'a')
    const twice = [{ path: join(from, 'a') }, { path: join(from, 'a') }]
    await expect(client.stage({ owner, files: twice })).rejects.toMatchObject({ code: 'duplicate-path' })
    mkdirSync(join(from, 'void'))
    await expect(client.stage({ owner, files: [{ path: join(from, 'void') }] })).rejects.toMatchObject({
      code: 'nothing-to-stage',
    })
    await expect(client.stage({ owner, files: [{ path: join(from, 'absent') }] })).rejects.toMatchObject({
      kind: 'notFound',
      message: expect.stringContaining(join(from, 'absent')),
    })
  })
})

describe('fetching', () => {
  it('takes files and folders by name, and names what is not there', async () => {
    for (const path of ['a', 'b/c', 'b/d', 'bb']) put(path, path)
    const staged = await stageAll()
    await client.fetch({ ...access(staged), paths: ['b', 'bb'], to })
    expect(listed(to)).toEqual(['b', 'b/c', 'b/d', 'bb'])
    await expect(client.fetch({ ...access(staged), paths: ['x'], to })).rejects.toMatchObject({
      kind: 'notFound',
      code: 'no-such-path',
    })
  })

  it('leaves equal files alone and replaces others at once', async () => {
    put('same', 'same')
    put('other', 'other')
    const staged = await stageAll()
    mkdirSync(to)
    writeFileSync(join(to, 'same'), 'same')
    writeFileSync(join(to, 'other'), 'OTHER')
    writeFileSync(join(to, 'mine'), 'stays')
    const { fetchedBytes } = await client.fetch({ ...access(staged), to })
    expect(fetchedBytes).toBe(5)
    expect(listed(to)).toEqual(['mine', 'other', 'same'])
    expect(readFileSync(join(to, 'other'), 'utf8')).toBe('other')
  })

  it('goes on from what an earlier run left, and does not trust it', async () => {
    const bytes = randomBytes(9_000_000)
    put('large', bytes)
    const staged = await stageAll()
    const hex = staged.files[0]!.digest.slice(7)
    for (const part of [bytes.subarray(0, 4_000_000), randomBytes(4_000_000), Buffer.alloc(10_000_000), bytes]) {
      rmSync(to, { recursive: true, force: true })
      mkdirSync(join(to, '.supercargo'), { recursive: true })
      writeFileSync(join(to, '.supercargo', `${hex}.part`), part)
      await client.fetch({ ...access(staged), to })
      expect(readFileSync(join(to, 'large')).equals(bytes)).toBe(true)
      expect(listed(to)).toEqual(['large'])
    }
  })

  it('writes nothing outside of its directory', async () => {
    put('sub/a', 'a')
    const staged = await stageAll()
    mkdirSync(to)
    symlinkSync(work, join(to, 'sub'))
    await expect(client.fetch({ ...access(staged), to })).rejects.toMatchObject({ kind: 'unsafe', code: 'path-escape' })
    expect(readdirSync(work).sort()).toEqual(['from', 'to'])
    rmSync(join(to, 'sub'))
    mkdirSync(join(to, 'sub/a'), { recursive: true })
    await expect(client.fetch({ ...access(staged), to })).rejects.toMatchObject({ code: 'directory-in-the-way' })
  })
})

describe('the other calls', () => {
  it('describe, bind, share and release a resource', async () => {
    put('a', 'hello')
    const staged = await stageAll()
    const manifest = await client.manifest(access(staged))
    expect(manifest).toMatchObject({ resourceId: staged.resourceId, files: staged.files, owner: [owner] })
    await client.bindOwner({ ...access(staged), owner: { ...owner, uid: 'u-1' } })
    expect((await client.manifest(access(staged))).owner).toEqual([{ ...owner, uid: 'u-1' }])
    const capability = await client.createCapability(access(staged))
    expect(await (await fetch(`${capability.url}a`)).text()).toBe('hello')
    await client.revokeCapability({ ...access(staged), name: capability.name })
    expect((await fetch(`${capability.url}a`)).ok).toBe(false)
    await client.release(access(staged))
    await expect(client.manifest(access(staged))).rejects.toMatchObject({ kind: 'denied', status: 401 })
  })

  it('list what is staged, and say why it is kept and what the collector did', async () => {
    put('a', 'hello')
    const staged = await stageAll()
    await expect
      .poll(async () => (await client.list({ namespace: 'spark' })).resources.map((row) => row.resourceId))
      .toContain(staged.resourceId)
    expect(await client.explain(access(staged))).toMatchObject({ resourceId: staged.resourceId, verdict: 'keep' })
    expect(await client.collectorStatus()).toMatchObject({ cluster: null })
    await expect(client.collectorRelease()).rejects.toMatchObject({ kind: 'conflict' })
  })

  it('open a file at an offset and a bundle, and refuse another secret', async () => {
    put('a', 'hello')
    const staged = await stageAll()
    const call = { ...access(staged), path: 'a', etag: `"${staged.files[0]!.digest}"` }
    const whole = await client.openFile({ ...call, offset: 0 })
    expect([whole.status, whole.headers.etag, await whole.text()]).toEqual([200, call.etag, 'hello'])
    const rest = await client.openFile({ ...call, offset: 2 })
    expect([rest.status, await rest.text()]).toEqual([206, 'llo'])
    const changed = await client.openFile({ ...call, offset: 2, etag: '"other"' })
    expect([changed.status, await changed.text()]).toEqual([200, 'hello'])
    const bundle = await client.openBundle(access(staged))
    expect((await bundle.text()).slice(0, 2)).toBe('a\0')
    const other = { ...call, secret: Secret.mint(), offset: 0 }
    await expect(client.openFile(other)).rejects.toMatchObject({ kind: 'denied', status: 401 })
  })
})

describe('a server behind a path prefix', () => {
  it('is reached like any other', async () => {
    const { createServer, request } = await import('node:http')
    const proxy = createServer((incoming, outgoing) => {
      if (!incoming.url!.startsWith('/staging/'))
        return void outgoing.writeHead(404, { 'content-type': 'text/html' }).end('<html>')
      const inner = request(
        new URL(incoming.url!.slice('/staging'.length), server.url),
        { method: incoming.method!, headers: incoming.headers },
        (answer) => {
          outgoing.writeHead(answer.statusCode!, answer.headers)
          answer.pipe(outgoing)
        },
      )
      incoming.pipe(inner)
    })
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
    const { port } = proxy.address() as { port: number }
    const prefixed = createClient({ server: `http://127.0.0.1:${port}/staging/`, attemptsMax: 1 })
    put('a', 'hello')
    put('large', randomBytes(5_000_000))
    const staged = await prefixed.stage({ owner, files: [{ path: from }] })
    await prefixed.fetch({ ...access(staged), to })
    expect(listed(to)).toEqual(['a', 'large'])
    const lost = createClient({ server: `http://127.0.0.1:${port}/elsewhere`, attemptsMax: 1 })
    await expect(lost.manifest(access(staged))).rejects.toMatchObject({
      kind: 'notFound',
      hint: expect.stringContaining('not from a staging server'),
    })
    prefixed.close()
    lost.close()
    proxy.closeAllConnections()
    await new Promise((resolve) => proxy.close(resolve))
  })
})

describe('a failed staging', () => {
  it('leaves no upload behind', async () => {
    const incoming = () => readdirSync(join(server.directory, 'store', 'incoming'))
    put('a', 'a')
    put('large', randomBytes(6_000_000))
    const stop = new AbortController()
    const staging = client.stage({
      owner,
      files: [{ path: from }],
      signal: stop.signal,
      onProgress: ({ phase }) => {
        if (phase !== 'sending') return
        expect(incoming().length).toBe(1)
        stop.abort()
      },
    })
    await expect(staging).rejects.toMatchObject({ kind: 'interrupted' })
    await expect.poll(incoming).toEqual([])
  })
})
