/** What a broken transfer costs beside the file itself: connections that are cut, and localizers that are killed, again and again. */
import { type ChildProcess, spawn } from 'node:child_process'
import { createCipheriv, createHash } from 'node:crypto'
import { existsSync, lstatSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { command, ended } from '../process/staging-server.ts'

const mebibyte = 2 ** 20
/** Different everywhere, so that a byte in the wrong place is a wrong byte. */
const content = createCipheriv('aes-128-ctr', Buffer.alloc(16, 1), Buffer.alloc(16)).update(
  Buffer.alloc(128 * mebibyte),
)
const digest = sha256(content)
const etag = '"of these bytes"'

let work: string
let server: Server
let origin: string
/** Bytes of bodies that were given to connections. */
let sentBytes: number
let sentAt: number
/** What was sent and stored before whatever is on its way. */
let begun: { readonly sentBytes: number; readonly storedBytes: number }
let answer: (request: IncomingMessage, response: ServerResponse) => void
beforeEach(async () => {
  work = mkdtempSync(join(tmpdir(), 'supercargo-resume-'))
  sentBytes = 0
  sentAt = 0
  server = createServer((request, response) => answer(request, response))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
afterEach(() => {
  server.closeAllConnections()
  server.close()
  rmSync(work, { recursive: true, force: true })
})

/** The link: what may be on its way at a time, for all connections together, and what goes out when nothing arrives. */
const windowBytes = 256 * 1024
const probeBytes = 32 * 1024
const probeMs = 20

/** Sends the range that is asked for, not more than `bytesMax` of it, and no more than the link holds. */
function send(request: IncomingMessage, response: ServerResponse, bytesMax: number): void {
  const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? 'bytes=0-')!
  const end = to === '' ? content.length : Number(to) + 1
  const length = Math.min(end - Number(from), bytesMax)
  response.writeHead(request.headers.range === undefined ? 200 : 206, {
    etag,
    'content-length': end - Number(from),
    ...(request.headers.range === undefined ? {} : { 'content-range': `bytes ${from}-${end - 1}/${content.length}` }),
  })
  let sent = 0
  const timer = setInterval(() => {
    const until = Math.min(length, sent + roomBytes())
    if (until > sent && !response.writableNeedDrain) {
      sentBytes += until - sent
      sentAt = performance.now()
      response.write(content.subarray(Number(from) + sent, Number(from) + until), () => {
        if (sent === length && length === bytesMax) response.destroy()
      })
      sent = until
    }
    if (sent < length) return
    clearInterval(timer)
    if (length < bytesMax) response.end()
  }, 1)
  response.on('close', () => {
    clearInterval(timer)
    // What was on its way is lost, and is not waited for.
    begin()
  })
}

function begin(): void {
  begun = { sentBytes, storedBytes: storedBytes() }
}

/** A machine that is busy reads late, and what waits in its sockets is lost with a process: that is no cost of the localizer's. */
function roomBytes(): number {
  const onTheWay = sentBytes - begun.sentBytes - (storedBytes() - begun.storedBytes)
  if (onTheWay < windowBytes) return windowBytes - onTheWay
  // What is fetched again is stored already.
  return performance.now() - sentAt > probeMs ? probeBytes : 0
}

function storedBytes(): number {
  const directory = join(work, 'root', '.supercargo')
  if (!existsSync(directory)) return 0
  const paths = readdirSync(directory, { recursive: true, encoding: 'utf8' }).map((path) => join(directory, path))
  return paths.reduce((bytes, path) => bytes + (lstatSync(path, { throwIfNoEntry: false })?.blocks ?? 0) * 512, 0)
}

function start(item: object): ChildProcess {
  begin()
  const plan = join(work, 'plan.json')
  const limits = { deadlineMs: 120_000, attemptsMax: 20 }
  writeFileSync(plan, JSON.stringify({ version: 1, root: join(work, 'root'), items: [item], limits }))
  return spawn(process.execPath, [command, 'localize', plan, '--termination-log', join(work, 'log')], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
}

function sha256(bytes: Buffer): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}

const localized = (): string => sha256(readFileSync(join(work, 'root', 'a.jar')))

describe('connections that are cut', () => {
  it('every 8 MiB cost at most 5 % more bytes', { timeout: 120_000 }, async () => {
    answer = (request, response) => send(request, response, 8 * mebibyte)
    const child = start({ uri: `${origin}/a.jar`, to: 'a.jar' })
    expect(await ended(child)).toBe(0)
    expect(localized()).toBe(digest)
    expect(sentBytes).toBeLessThanOrEqual(1.05 * content.length)
  })
})

describe('a localizer that is killed twenty times at any moment', () => {
  it('ends with the right bytes, and at most 10 % more of them came', { timeout: 600_000 }, async () => {
    const seed = Math.floor(Math.random() * 2 ** 31)
    console.log(`seed ${seed}`)
    const random = randomOf(seed)
    answer = (request, response) => send(request, response, Number.POSITIVE_INFINITY)
    for (let kills = 0; kills < 20; kills++) {
      const child = start({ uri: `${origin}/a.jar`, to: 'a.jar' })
      const before = sentBytes
      const until = random() * 0.095 * content.length
      const over = ended(child)
      await Promise.race([over, reached(() => sentBytes - before >= until)])
      child.kill('SIGKILL')
      await over
      server.closeAllConnections()
    }
    expect(await ended(start({ uri: `${origin}/a.jar`, to: 'a.jar' }))).toBe(0)
    expect(localized()).toBe(digest)
    expect(sentBytes).toBeLessThanOrEqual(1.1 * content.length)
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
