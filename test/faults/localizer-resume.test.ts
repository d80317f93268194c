/**
 * What broken transfers cost beside the files themselves: connections that are cut, and localizers that are killed, again and again,
 * while a file comes from each kind of source.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { createCipheriv, createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import {
  createServer,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  type Server,
  type ServerResponse,
} from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { command, ended } from '../process/staging-server.ts'

const mebibyte = 2 ** 20
/** Different everywhere, so that a byte in the wrong place is a wrong byte. */
const content = createCipheriv('aes-128-ctr', Buffer.alloc(16, 1), Buffer.alloc(16)).update(Buffer.alloc(60 * mebibyte))
const digest = sha256(content)
const etag = '"of these bytes"'

let work: string
let server: Server
let origin: string
/** Bytes of files that were given to connections: all, and by source. */
let sentBytes: number
let sentOf: Record<SourceName, number>
/** What a connection brings before it is cut. */
let cutBytes: number

const sourceNames = ['http', 's3', 'hdfs'] as const
type SourceName = (typeof sourceNames)[number]

beforeEach(async () => {
  work = mkdtempSync(join(tmpdir(), 'supercargo-resume-'))
  sentBytes = 0
  sentOf = { http: 0, s3: 0, hdfs: 0 }
  server = createServer(answer)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
afterEach(() => {
  server.closeAllConnections()
  server.close()
  rmSync(work, { recursive: true, force: true })
})

/** The link: what may be on its way at a time, for all connections together. With what is not yet noted of three files: 0.9 MiB a kill. */
const windowBytes = 128 * 1024

/** An HTTP server, a store of S3 and a cluster of HDFS, by the first part of the path. */
function answer(request: IncomingMessage, response: ServerResponse): void {
  const url = new URL(request.url!, origin)
  const place = url.pathname.split('/')[1]
  const header = request.headers.range
  const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(header ?? 'bytes=0-')!
  const end = to === '' ? content.length : Number(to) + 1
  const partial = { 'content-range': `bytes ${from}-${end - 1}/${content.length}` }
  const fields = { etag, ...(header === undefined ? {} : partial) }
  const range = { from: Number(from), end, status: header === undefined ? 200 : 206, fields }
  if (place === 'http') return send(response, 'http', range)
  if (place === 'bucket' && request.method === 'GET') return send(response, 's3', range)
  const operation = url.searchParams.get('op')
  if (place === 'datanode' && operation === 'OPEN') {
    const offset = Number(url.searchParams.get('offset'))
    const asked = { from: offset, end: offset + Number(url.searchParams.get('length')) }
    return send(response, 'hdfs', { ...asked, status: 200, fields: {} })
  }
  const status = { type: 'FILE', length: content.length, modificationTime: 1, fileId: 16_400, blockSize: 8 * mebibyte }
  if (operation === 'GETFILESTATUS') response.writeHead(200).end(JSON.stringify({ FileStatus: status }))
  else if (operation === 'OPEN') response.writeHead(307, { location: `${origin}/datanode${request.url}` }).end()
  else response.writeHead(400).end(JSON.stringify({ RemoteException: { exception: 'IllegalArgumentException' } }))
}

interface Range {
  readonly from: number
  readonly end: number
  readonly status: number
  readonly fields: OutgoingHttpHeaders
}

/** Not more than `cutBytes` of the range, and no more than the link holds. */
function send(response: ServerResponse, source: SourceName, { from, end, status, fields }: Range): void {
  const length = Math.min(end - from, cutBytes)
  response.writeHead(status, { ...fields, 'content-length': end - from })
  let sent = 0
  const timer = setInterval(() => {
    const until = Math.min(length, sent + roomBytes())
    if (until > sent && !response.writableNeedDrain) {
      sentBytes += until - sent
      sentOf[source] += until - sent
      response.write(content.subarray(from + sent, from + until), () => {
        if (sent === length && length === cutBytes) response.destroy()
      })
      sent = until
    }
    if (sent < length) return
    clearInterval(timer)
    if (length < cutBytes) response.end()
  }, 1)
  response.on('close', () => clearInterval(timer))
}

/** A machine that is busy reads late, and what waits in its sockets is lost with a process: that is no cost of the localizer's. */
function roomBytes(): number {
  const port = (server.address() as AddressInfo).port.toString(16).toUpperCase().padStart(4, '0')
  let waitingBytes = 0
  for (const line of readFileSync('/proc/net/tcp', 'utf8').split('\n').slice(1)) {
    const [, from, to, state, queues] = line.trim().split(/\s+/)
    if (queues === undefined || state === '0A' || !(from!.endsWith(`:${port}`) || to!.endsWith(`:${port}`))) continue
    for (const queue of queues.split(':')) waitingBytes += Number.parseInt(queue, 16)
  }
  return Math.max(0, windowBytes - waitingBytes)
}

function start(): ChildProcess {
  const plan = join(work, 'plan.json')
  const uris = { http: `${origin}/http/a.jar`, s3: 's3a://bucket/a.jar', hdfs: 'hdfs://cargo/a.jar' }
  const items = sourceNames.map((name) => ({ uri: uris[name], to: `${name}.jar` }))
  const keys = { 'fs.s3a.access.key': 'key', 'fs.s3a.secret.key': 'secret' }
  const properties = { 'fs.s3a.endpoint': origin, 'fs.s3a.path.style.access': 'true', ...keys }
  const hadoop = { properties, user: 'alice', webhdfs: { cargo: [origin] } }
  const limits = { deadlineMs: 120_000, attemptsMax: 20 }
  writeFileSync(plan, JSON.stringify({ version: 1, root: join(work, 'root'), items, hadoop, limits }))
  return spawn(process.execPath, [command, 'localize', plan, '--quiet', '--termination-log', join(work, 'log')], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
}

function sha256(bytes: Buffer): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}

/** Every file is right, and all of them together cost no more than this many times their bytes. */
function expectAll(factorMax: number): void {
  for (const name of sourceNames) expect(sha256(readFileSync(join(work, 'root', `${name}.jar`))), name).toBe(digest)
  expect(sentBytes, JSON.stringify(sentOf)).toBeLessThanOrEqual(factorMax * sourceNames.length * content.length)
}

describe('connections that are cut', () => {
  it('every 6 MiB cost at most 5 % more bytes, whatever they bring', { timeout: 120_000 }, async () => {
    cutBytes = 6 * mebibyte
    expect(await ended(start())).toBe(0)
    expectAll(1.05)
    console.log(JSON.stringify(sentOf), content.length)
    for (const name of sourceNames) expect(sentOf[name], name).toBeLessThanOrEqual(1.05 * content.length)
  })
})

describe('a localizer that is killed twenty times at any moment', () => {
  it('ends with the right bytes, and at most 10 % more of them came', { timeout: 600_000 }, async () => {
    const seed = Math.floor(Math.random() * 2 ** 31)
    console.log(`seed ${seed}`)
    const random = randomOf(seed)
    cutBytes = Number.POSITIVE_INFINITY
    for (let kills = 0; kills < 20; kills++) {
      const child = start()
      const before = sentBytes
      const until = random() * 0.095 * sourceNames.length * content.length
      const over = ended(child)
      await Promise.race([over, reached(() => sentBytes - before >= until)])
      child.kill('SIGKILL')
      await over
      server.closeAllConnections()
    }
    expect(await ended(start())).toBe(0)
    expectAll(1.1)
    // What is lost may be lost by one of them, but none of them begins anew.
    console.log(JSON.stringify(sentOf), content.length)
    for (const name of sourceNames) expect(sentOf[name], name).toBeLessThanOrEqual(1.25 * content.length)
  })
})

async function reached(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 2))
}

/** Mulberry32: a failure can be had again with its seed. */
function randomOf(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
