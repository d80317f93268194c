/**
 * Crash points: the real server is killed at the n-th system call of its uploads, for every n, and started again. What was
 * acknowledged is there, byte for byte; what was not is invisible or complete; and a sweep leaves nothing behind.
 */
import { spawn, spawnSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { routes } from '@supercargo/protocol'
import { describe, expect, it } from 'vitest'
import { ended, startStagingServer } from '../process/staging-server.ts'

const canTrace = spawnSync('strace', ['-o', '/dev/null', 'true']).status === 0
/** The calls by which a store changes what is on disk. */
const effects =
  'fsync,fdatasync,rename,renameat,renameat2,unlink,unlinkat,rmdir,mkdir,mkdirat,pwrite64,pwritev,fchmod,chmod,fchmodat,ftruncate,utimensat,link,linkat'

interface CrashPoint {
  /** The kernel's name of the thread (/proc/…/comm). */
  readonly thread: string
  /** The n-th of its calls that change the disk. */
  readonly call: number
}

interface Acknowledged {
  readonly id: string
  readonly secret: string
  readonly files: ReadonlyMap<string, Buffer>
}

describe.skipIf(!canTrace)('a server that is killed at any system call of an upload', () => {
  it.each([
    ['the thread that takes requests', 'MainThread', 4],
    ['the thread that writes files', 'libuv-worker', 15],
  ])(
    'loses nothing that it acknowledged, shows nothing partial, and leaves nothing that a sweep does not remove: %s',
    { timeout: 600_000 },
    async (_, thread, callsMin) => {
      const work = mkdtempSync(join(tmpdir(), 'supercargo-crash-'))
      try {
        let survived = false
        let n = 0
        while (!survived) {
          n++
          expect(n, 'more system calls than an upload can need').toBeLessThan(400)
          const store = join(work, `store-${n}`)
          survived = await crashAt({ thread, call: n }, store)
          rmSync(store, { recursive: true, force: true })
        }
        expect(n, 'the server was hardly ever killed').toBeGreaterThan(callsMin)
      } finally {
        rmSync(work, { recursive: true, force: true })
      }
    },
  )
})

/** One voyage with a kill at one call of one thread; true when the voyage ended before that many calls. */
async function crashAt(point: CrashPoint, store: string): Promise<boolean> {
  const first = await startServer(store, point)
  const acknowledged: Acknowledged[] = []
  const begun: string[] = []
  const done = await voyage(first.url, acknowledged, begun).then(
    () => true,
    () => false,
  )
  await first.kill()

  const second = await startServer(store)
  try {
    for (const each of acknowledged) await expectExact(second.url, each, `killed at call ${point.call}`)
    await expectSwept(store, acknowledged.length, `killed at call ${point.call}`)
    for (const each of acknowledged)
      await expectExact(second.url, each, `killed at call ${point.call}, after the sweep`)
  } finally {
    await second.kill()
  }
  return done
}

/** Uploads through every door; what the server acknowledged is noted at once. */
async function voyage(url: string, acknowledged: Acknowledged[], begun: string[]): Promise<void> {
  const owner = { namespace: 'crash', kind: 'Pod', name: 'driver' }
  const small = randomBytes(3000)
  const large = randomBytes(1_300_000)

  // Delta: create, one small and one large blob, commit.
  const files = [
    { path: 'small.jar', bytes: small },
    { path: 'dir/large.jar', bytes: large },
    { path: 'empty', bytes: Buffer.alloc(0) },
  ]
  const created = await json(`${url}${routes.v1.resources}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      owner,
      files: files.map(({ path, bytes }) => ({ path, sizeBytes: bytes.length, digest: digest(bytes) })),
    }),
  })
  begun.push(created.resourceId)
  const authorization = `Bearer ${created.resourceSecret}`
  for (const bytes of [small, large]) {
    await json(`${url}${routes.v1.blob(created.resourceId, digest(bytes))}`, {
      method: 'PUT',
      headers: { authorization, 'content-type': 'application/octet-stream' },
      body: new Uint8Array(bytes),
    })
  }
  await json(`${url}${routes.v1.commit(created.resourceId)}`, { method: 'POST', headers: { authorization } })
  acknowledged.push({
    id: created.resourceId,
    secret: created.resourceSecret,
    files: new Map(files.map(({ path, bytes }) => [path, bytes])),
  })

  // One request: multipart, with a file that the store has already.
  const form = new FormData()
  form.append('owner', new Blob([JSON.stringify(owner)], { type: 'application/json' }), 'owner.json')
  form.append('file', new Blob([new Uint8Array(small)]), 'again.jar')
  const other = randomBytes(70_000)
  form.append('file', new Blob([new Uint8Array(other)]), 'other.jar')
  const whole = await json(`${url}${routes.v1.resources}`, { method: 'POST', body: form })
  acknowledged.push({
    id: whole.resourceId,
    secret: whole.resourceSecret,
    files: new Map([
      ['again.jar', small],
      ['other.jar', other],
    ]),
  })
}

async function json(url: string, init: RequestInit): Promise<{ resourceId: string; resourceSecret: string }> {
  const response = await fetch(url, { ...init, signal: AbortSignal.timeout(20_000) })
  const text = await response.text()
  if (!response.ok) throw new Error(`${response.status} ${text}`)
  return text === '' ? { resourceId: '', resourceSecret: '' } : JSON.parse(text)
}

async function expectExact(url: string, resource: Acknowledged, when: string): Promise<void> {
  for (const [path, bytes] of resource.files) {
    const response = await fetch(`${url}${routes.v1.file(resource.id, path)}`, {
      headers: { authorization: `Bearer ${resource.secret}` },
    })
    expect(response.status, `${when}: ${path}`).toBe(200)
    expect(Buffer.from(await response.arrayBuffer()).equals(bytes), `${when}: ${path} has other bytes`).toBe(true)
  }
}

/** Waits until a sweep has left only what the visible records name. */
async function expectSwept(store: string, acknowledged: number, when: string): Promise<void> {
  const deadline = performance.now() + 20_000
  for (;;) {
    const records = list(join(store, 'resources')).map(
      (name) => JSON.parse(readFileSync(join(store, 'resources', name), 'utf8')) as { files: { digest: string }[] },
    )
    const named = new Set(records.flatMap((record) => record.files.map((file) => file.digest.slice('sha256:'.length))))
    const blobs = list(join(store, 'blobs', 'crash')).flatMap((shelf) => list(join(store, 'blobs', 'crash', shelf)))
    const orphans = blobs.filter((blob) => !named.has(blob))
    const unfinished = list(join(store, 'incoming'))
    expect(records.length, `${when}: records`).toBeGreaterThanOrEqual(acknowledged)
    expect(
      [...named].filter((blob) => !blobs.includes(blob)),
      `${when}: a record names a blob that is not there`,
    ).toEqual([])
    if (orphans.length === 0 && unfinished.length === 0) return
    expect(performance.now(), `${when}: a sweep left ${[...orphans, ...unfinished].join(', ')}`).toBeLessThan(deadline)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

/** A server on `store`; with `killAt`, the kernel kills it when it makes the n-th call that changes the disk. */
async function startServer(store: string, killAt?: CrashPoint): Promise<{ url: string; kill(): Promise<void> }> {
  const config = `${store}.yaml`
  // Before the kill nothing is swept; after the restart the first sweep finds every leftover old enough.
  if (killAt === undefined) ageBlobs(store)
  const abandonedMs = killAt === undefined ? 1 : 3_600_000
  writeFileSync(
    config,
    `store: { directory: ${store} }\ncollector: { sweepIntervalMs: 1000 }\nlimits: { abandonedMs: ${abandonedMs} }\n`,
  )
  // One thread for the file system, so that the calls have one order.
  const server = await startStagingServer({ arguments: ['--config', config], env: { UV_THREADPOOL_SIZE: '1' } })
  const tracer = killAt === undefined ? undefined : await attach(server.pid, killAt)
  return {
    url: server.url,
    kill: async () => {
      await server.kill()
      await tracer?.end
      rmSync(config, { force: true })
    },
  }
}

function threadOf(pid: number, name: string): number {
  const threads = readdirSync(`/proc/${pid}/task`)
  const found = threads.find((thread) => readFileSync(`/proc/${pid}/task/${thread}/comm`, 'utf8').trim() === name)
  if (found === undefined) throw new Error(`the server has no thread ${name}`)
  return Number(found)
}

/** Attaches strace, and resolves when it is in place. */
async function attach(pid: number, killAt: CrashPoint): Promise<{ readonly end: Promise<unknown> }> {
  const tracer = spawn(
    'strace',
    [
      '-p',
      String(threadOf(pid, killAt.thread)),
      '-o',
      '/dev/null',
      '-e',
      `trace=${effects}`,
      '-e',
      `inject=${effects}:signal=KILL:when=${killAt.call}`,
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  )
  const end = ended(tracer)
  await new Promise<void>((resolve, reject) => {
    let said = ''
    tracer.stderr!.on('data', (text) => {
      said += text
      if (said.includes('attached')) resolve()
    })
    tracer.once('close', () => reject(new Error(`strace: ${said}`)))
  })
  return { end }
}

/** A blob counts as an orphan only after minutes; the test does not wait for them. */
function ageBlobs(store: string): void {
  const shelves = join(store, 'blobs', 'crash')
  const hourAgo = new Date(Date.now() - 3_600_000)
  for (const shelf of list(shelves))
    for (const blob of list(join(shelves, shelf))) utimesSync(join(shelves, shelf, blob), hourAgo, hourAgo)
}

function list(directory: string): string[] {
  return existsSync(directory) ? readdirSync(directory) : []
}

function digest(bytes: Buffer): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}
