/** The localizer in a container that is small: few descriptors, little memory, and a fault that nobody caught. */
import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { createReadStream, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { command, ended } from '../process/staging-server.ts'

const mebibyte = 2 ** 20
/** One piece of the large file, again and again. */
const piece = Buffer.alloc(mebibyte, 'a piece of a jar ')
const pieces = 120

let work: string
let server: Server
let origin: string
beforeAll(async () => {
  server = createServer((request, response) => {
    if (request.url !== '/large') return void response.end(`content of ${request.url}`)
    response.writeHead(200, { 'content-length': pieces * piece.length })
    let left = pieces
    const more = (): void => {
      while (left-- > 0 && !response.destroyed) if (!response.write(piece)) return void response.once('drain', more)
      response.end()
    }
    more()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
afterAll(() => {
  server.close()
  server.closeAllConnections()
})
beforeEach(() => {
  work = mkdtempSync(join(tmpdir(), 'supercargo-limits-'))
})
afterEach(() => rmSync(work, { recursive: true, force: true }))

interface Ran {
  readonly exitCode: number | null
  readonly log: Record<string, unknown>
  /** Most of the anonymous memory that was seen: what a container cannot get back from the program. */
  readonly memoryBytes: number
}

/** `before` stands before the program: another program that limits it, or options of Node. */
async function localize(
  items: readonly object[],
  more: readonly string[] = [],
  limit: readonly string[] = [],
  nodeOptions: readonly string[] = [],
): Promise<Ran> {
  const plan = join(work, 'plan.json')
  const log = join(work, 'termination-log')
  writeFileSync(plan, JSON.stringify({ version: 1, root: join(work, 'root'), items }))
  const [program, ...rest] = [
    ...limit,
    process.execPath,
    ...nodeOptions,
    command,
    'localize',
    plan,
    '--termination-log',
    log,
  ]
  const child = spawn(program!, [...rest, ...more], { stdio: 'ignore' })
  let memoryBytes = 0
  const timer = setInterval(() => {
    memoryBytes = Math.max(memoryBytes, anonymousOf(child))
  }, 20)
  const exitCode = await ended(child)
  clearInterval(timer)
  return { exitCode, log: JSON.parse(readFileSync(log, 'utf8')), memoryBytes }
}

function anonymousOf(child: ChildProcess): number {
  try {
    const text = readFileSync(`/proc/${child.pid}/status`, 'utf8')
    return Number(/^RssAnon:\s+(\d+) kB$/m.exec(text)?.[1] ?? 0) * 1024
  } catch {
    // It has ended.
    return 0
  }
}

describe('few descriptors (case 113)', () => {
  it('are enough for hundreds of files', async () => {
    const items = Array.from({ length: 300 }, (_, index) => ({ uri: `${origin}/${index}`, to: `lib/${index}` }))
    const ran = await localize(items, [], ['prlimit', '--nofile=64:64'])
    expect(ran).toMatchObject({ exitCode: 0, log: { ok: true, files: 300 } })
    expect(readdirSync(join(work, 'root', 'lib')).length).toBe(300)
    expect(readFileSync(join(work, 'root', 'lib', '299'), 'utf8')).toBe('content of /299')
  })
})

describe('little memory (cases 114, 116)', () => {
  it('is enough for a file that is larger than it, byte for byte', async () => {
    const ran = await localize([{ uri: `${origin}/large`, to: 'large.jar' }], ['--memory-budget', '16Mi'])
    expect(ran).toMatchObject({ exitCode: 0, log: { ok: true, bytes: pieces * piece.length } })
    const [expected, found] = [createHash('sha256'), createHash('sha256')]
    for (let index = 0; index < pieces; index++) expected.update(piece)
    for await (const chunk of createReadStream(join(work, 'root', 'large.jar'))) found.update(chunk as Buffer)
    expect(found.digest('hex')).toBe(expected.digest('hex'))
    expect(ran.memoryBytes).toBeGreaterThan(10 * mebibyte)
    expect(ran.memoryBytes).toBeLessThan(96 * mebibyte)
  })
})

describe('a fault that nobody caught (case 157)', () => {
  it.each([
    ['thrown', 'throw new Error("boom")'],
    ['rejected', 'Promise.reject(new Error("boom"))'],
  ])('(%s) ends the program with a reason in the termination log, and shows nothing', async (_, fault) => {
    const program = `setTimeout(() => { ${fault} }, 20)`
    const preload = `data:text/javascript,${encodeURIComponent(`process.on('newListener', (name) => { if (name === 'unhandledRejection') ${program} })`)}`
    const silent = createServer(() => {
      // Never answers: the run would wait for its idle time-out.
    })
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
    try {
      const uri = `http://127.0.0.1:${(silent.address() as AddressInfo).port}/a`
      const ran = await localize([{ uri, to: 'a' }], [], [], ['--import', preload])
      expect(ran).toMatchObject({
        exitCode: 70,
        log: { ok: false, kind: 'internal', code: 'unexpected', exitCode: 70 },
      })
      expect(ran.log.message).toContain('boom')
      expect(readdirSync(work)).not.toContain('a')
    } finally {
      silent.closeAllConnections()
      silent.close()
    }
  })
})
