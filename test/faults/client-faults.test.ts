/** A client whose connections break: the result is right, and what was sent once is not sent again. */
import { randomBytes } from 'node:crypto'
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createClient, type StagedResource, type StagingClient } from '@supercargo/client'
import { type Owner, routes } from '@supercargo/protocol'
import type { Clock } from '@supercargo/transfer'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type ServerForTest, startServer } from '../flows/server-for-test.ts'
import { type ConnectionFaults, type FaultKind, FaultyProxy } from './faulty-proxy.ts'

const owner: Owner = { namespace: 'spark', apiVersion: 'v1', kind: 'Pod', name: 'driver' }
/** Waits pass at once, so that a hundred broken connections do not take minutes. */
const hurried: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  sleep: () => new Promise((resolve) => setImmediate(resolve)),
}

let server: ServerForTest
let proxy: FaultyProxy
let client: StagingClient
let work: string
let from: string
let to: string

beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server.stop())
beforeEach(async () => {
  work = mkdtempSync(join(tmpdir(), 'supercargo-faults-'))
  from = join(work, 'from')
  to = join(work, 'to')
  mkdirSync(from)
  proxy = await FaultyProxy.listen(server.url)
  client = createClient({ server: proxy.url, clock: hurried, attemptsMax: 10, idleTimeoutMs: 300 })
})
afterEach(async () => {
  client.close()
  await proxy.close()
  rmSync(work, { recursive: true, force: true })
})

const put = (path: string, bytes: Uint8Array | string): void => writeFileSync(join(from, path), bytes)
const stageAll = (): Promise<StagedResource> => client.stage({ owner, files: [{ path: from }] })
const incoming = (): string[] => readdirSync(join(server.directory, 'store', 'incoming')).sort()
const access = ({ resourceId, resourceSecret }: StagedResource) => ({ resourceId, secret: resourceSecret })

/** Connections that break before one is whole; silence takes time to notice. */
const breaks = { cut: 6, reset: 6, stall: 4 }

/** What the server really holds, past the proxy. */
async function expectStaged(staged: StagedResource): Promise<void> {
  const direct = createClient({ server: server.url })
  try {
    await direct.fetch({ ...access(staged), to: join(work, 'check') })
    for (const path of readdirSync(from))
      expect(readFileSync(join(work, 'check', path)).equals(readFileSync(join(from, path)))).toBe(true)
    await direct.release(access(staged))
  } finally {
    direct.close()
    rmSync(join(work, 'check'), { recursive: true, force: true })
  }
}

/** The fault for the n-th connection, every other connection is whole. */
const once = (number: number, faults: ConnectionFaults) => (connection: number) => (connection === number ? faults : {})

describe('a bundle on a connection that breaks', () => {
  it.each(['cut', 'reset'] as const)('arrives, whichever byte is the last before the %s', async (kind: FaultKind) => {
    for (let afterBytes = 0; afterBytes < 1_400_000; afterBytes += 91_001) {
      for (let index = 0; index < 10; index++) put(`file-${index}`, randomBytes(100_000))
      proxy.plan = once(proxy.connections + 1, { up: { afterBytes, kind } })
      const before = proxy.bytesUp
      await expectStaged(await stageAll())
      // At worst all that was under way is sent once more.
      expect(proxy.bytesUp - before).toBeLessThan(2 * 1_000_000 + 100_000)
    }
  })

  it('is not sent again for an answer that was lost', async () => {
    for (let afterBytes = 0; afterBytes < 2000; afterBytes += 97) {
      put('file', randomBytes(400_000))
      put('other', randomBytes(100))
      proxy.plan = once(proxy.connections + 1, { down: { afterBytes, kind: 'reset' } })
      const before = proxy.bytesUp
      await expectStaged(await stageAll())
      expect(proxy.bytesUp - before).toBeLessThan(2 * 400_000 + 50_000)
      client.close()
    }
  })
})

describe('a large file on connections that break', () => {
  it.each(['cut', 'reset', 'stall'] as const)('goes on where it was after each %s', async (kind) => {
    put('large', randomBytes(12_000_000))
    let broken = 0
    // Each connection carries another 1.7 MB before it breaks, no faster than the server takes them.
    proxy.plan = () => (broken++ < breaks[kind] ? { up: { afterBytes: 1_700_000, kind }, bytesPerSecond: 2e7 } : {})
    await expectStaged(await stageAll())
    expect(broken).toBeGreaterThan(breaks[kind])
    // A reset loses what the systems hold, a silent connection what the server has gathered and not yet written.
    const lostEachTime = { cut: 300_000, reset: 600_000, stall: 1.2 * 2 ** 20 }[kind]
    expect(proxy.bytesUp).toBeLessThan(12_000_000 + broken * lostEachTime)
  })

  it('is not sent again for an answer that was lost', async () => {
    for (let afterBytes = 0; afterBytes < 1500; afterBytes += 263) {
      put('large', randomBytes(5_000_000))
      proxy.plan = once(proxy.connections + 1, { down: { afterBytes, kind: 'cut' } })
      const before = proxy.bytesUp
      await expectStaged(await stageAll())
      expect(proxy.bytesUp - before).toBeLessThan(5_300_000)
      client.close()
    }
  })

  it('gives up in the end, says so, and drops the upload', async () => {
    const before = incoming()
    put('large', randomBytes(5_000_000))
    // The request that creates the upload gets through, and a short one like the last; never again the head of a PUT.
    let connections = 0
    proxy.plan = () => ({ up: { afterBytes: connections++ === 0 ? 60_000 : 340, kind: 'reset' } })
    await expect(stageAll()).rejects.toMatchObject({ kind: 'interrupted' })
    await expect.poll(incoming).toEqual(before)
  })
})

describe('fetching over connections that break', () => {
  it.each(['cut', 'reset', 'stall'] as const)('goes on where it was after each %s', async (kind) => {
    put('large', randomBytes(8_000_000))
    for (let index = 0; index < 30; index++) put(`small-${index}`, randomBytes(50_000))
    const staged = await stageAll()
    client.close()
    let broken = 0
    const before = proxy.bytesDown
    proxy.plan = () => (broken++ < breaks[kind] ? { down: { afterBytes: 900_000, kind } } : {})
    await client.fetch({ ...access(staged), to })
    expect(readdirSync(to).sort()).toEqual(readdirSync(from).sort())
    for (const path of readdirSync(from))
      expect(readFileSync(join(to, path)).equals(readFileSync(join(from, path)))).toBe(true)
    expect(proxy.bytesDown - before).toBeLessThan(9_500_000 + 12 * 900_000)
    expect(broken).toBeGreaterThan(breaks[kind])
  })

  it('leaves no partial file under its name, and a later run goes on', async () => {
    put('large', randomBytes(8_000_000))
    const staged = await stageAll()
    client.close()
    proxy.plan = () => ({ down: { afterBytes: 3_000_000, kind: 'reset' } })
    const impatient = createClient({ server: proxy.url, clock: hurried, attemptsMax: 1 })
    const stop = new AbortController()
    const fetching = impatient.fetch({
      ...access(staged),
      to,
      signal: stop.signal,
      onProgress: ({ bytes }) => bytes > 2_000_000 && stop.abort(),
    })
    await expect(fetching).rejects.toMatchObject({ kind: 'interrupted' })
    impatient.close()
    expect(readdirSync(to)).toEqual(['.supercargo'])
    const [part] = readdirSync(join(to, '.supercargo'))
    const kept = statSync(join(to, '.supercargo', part!)).size
    expect(kept).toBeGreaterThan(1_000_000)
    proxy.plan = () => ({})
    const before = proxy.bytesDown
    await client.fetch({ ...access(staged), to })
    expect(proxy.bytesDown - before).toBeLessThan(8_000_000 - kept + 10_000)
    expect(readFileSync(join(to, 'large')).equals(readFileSync(join(from, 'large')))).toBe(true)
    expect(readdirSync(to)).toEqual(['large'])
  })
})

describe('a file that changes while it is staged', () => {
  const sending = (change: () => void): Promise<StagedResource> => {
    let changed = false
    return client.stage({
      owner,
      files: [{ path: from }],
      onProgress: ({ phase, bytes, bytesTotal }) => {
        if (changed || phase !== 'hashing' || bytes < bytesTotal) return
        changed = true
        change()
      },
    })
  }

  it.each([
    ['small', 1000],
    ['large', 6_000_000],
  ])('is a clear error that names it, however it changed: %s', async (_, size) => {
    const before = incoming()
    const path = join(from, 'file')
    const changes: [string, () => void][] = [
      ['written', () => put('file', randomBytes(size))],
      ['longer', () => put('file', randomBytes(size + 1))],
      ['shorter', () => truncateSync(path, size - 1)],
      ['gone', () => rmSync(path)],
      [
        'written with its old time',
        () => {
          const { atime, mtime } = statSync(path)
          put('file', randomBytes(size))
          utimesSync(path, atime, mtime)
        },
      ],
    ]
    for (const [how, change] of changes) {
      put('file', randomBytes(size))
      // Whole seconds survive utimes; nanoseconds would give the change away.
      utimesSync(path, 1_700_000_000, 1_700_000_000)
      const expected = how === 'gone' ? 'no-such-file' : 'file-changed'
      await expect(sending(change), how).rejects.toMatchObject({
        code: expected,
        message: expect.stringContaining(path),
      })
    }
    await expect.poll(incoming).toEqual(before)
  })
})

describe('a server that is not as it should be', () => {
  it('is reported with its address when nobody listens there', async () => {
    put('a', 'a')
    await proxy.close()
    await expect(stageAll()).rejects.toMatchObject({
      kind: 'unavailable',
      code: 'connection-refused',
      message: expect.stringContaining(new URL(proxy.url).host),
      hint: expect.any(String),
    })
    proxy = await FaultyProxy.listen(server.url)
  })

  it.each([
    ['an ingress with its own page', 502, 'text/html', '<html>Bad gateway</html>', 'unavailable', 'http-502'],
    ['a captive portal', 200, 'text/html', '<html>Log in</html>', 'corrupt', 'not-a-staging-server'],
    ['another API', 200, 'application/json', '{"items":[]}', 'corrupt', 'bad-answer'],
    ['half of an answer', 200, 'application/json', '{"resourceId":', 'corrupt', 'bad-answer'],
    ['a problem that is none', 500, 'application/problem+json', 'oops', 'unavailable', 'http-500'],
    [
      'a problem of an unknown kind',
      418,
      'application/problem+json',
      '{"type":"x","title":"T","status":418,"code":"tea","kind":"tea","detail":"short and stout"}',
      'invalid',
      'tea',
    ],
  ])('is told apart: %s', async (_, status, type, text, kind, code) => {
    const odd = createServer((_request, response) => response.writeHead(status, { 'content-type': type }).end(text))
    await new Promise<void>((resolve) => odd.listen(0, '127.0.0.1', resolve))
    const lost = createClient({ server: `http://127.0.0.1:${(odd.address() as { port: number }).port}` })
    await expect(lost.collectorStatus()).rejects.toMatchObject({ kind, code })
    lost.close()
    await new Promise((resolve) => odd.close(resolve))
  })

  it('that says when to come back is not asked sooner', async () => {
    let asked = 0
    const busy = createServer((_, response) => {
      asked++
      response.writeHead(503, { 'content-type': 'application/problem+json', 'retry-after': '20' })
      response.end(JSON.stringify({ type: 'x', title: 'Busy', status: 503, code: 'too-busy', kind: 'unavailable' }))
    })
    await new Promise<void>((resolve) => busy.listen(0, '127.0.0.1', resolve))
    const waits: number[] = []
    const patient = createClient({
      server: `http://127.0.0.1:${(busy.address() as { port: number }).port}`,
      attemptsMax: 3,
      clock: { ...hurried, sleep: async (ms) => void waits.push(ms) },
    })
    put('a', 'a')
    await expect(patient.stage({ owner, files: [{ path: from }] })).rejects.toMatchObject({ code: 'too-busy' })
    expect(waits).toEqual([20_000, 20_000])
    expect(asked).toBe(3)
    patient.close()
    await new Promise((resolve) => busy.close(resolve))
  })

  it('that sends other bytes than were staged is corrupt, and nothing appears', async () => {
    put('a', randomBytes(1000))
    put('large', randomBytes(5_000_000))
    const staged = await stageAll()
    const liar = createServer((request, response) => {
      void globalThis
        .fetch(server.url + request.url, { headers: request.headers as Record<string, string> })
        .then(async (real) => {
          const bytes = Buffer.from(await real.arrayBuffer())
          const isFile = request.url!.startsWith(routes.v1.file(staged.resourceId, ''))
          if (isFile) bytes[bytes.length - 1]! ^= 1
          const { 'content-type': type, etag } = Object.fromEntries(real.headers)
          response.writeHead(real.status, { 'content-type': type!, ...(etag === undefined ? {} : { etag }) })
          response.end(bytes)
        })
    })
    await new Promise<void>((resolve) => liar.listen(0, '127.0.0.1', resolve))
    const cheated = createClient({
      server: `http://127.0.0.1:${(liar.address() as { port: number }).port}`,
      clock: hurried,
    })
    for (const paths of [['a'], ['large']]) {
      await expect(cheated.fetch({ ...access(staged), paths, to })).rejects.toMatchObject({
        kind: 'corrupt',
        code: 'digest-mismatch',
      })
      expect(readdirSync(to).filter((name) => name !== '.supercargo')).toEqual([])
    }
    cheated.close()
    liar.closeAllConnections()
    await new Promise((resolve) => liar.close(resolve))
  })
})
