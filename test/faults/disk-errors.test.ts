/** A disk that fails under the real server: the right status, nothing half, and all is well again when the disk is. */
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { routes } from '@supercargo/protocol'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type ServerProcess, startStagingServer } from '../process/staging-server.ts'
import { canTrace, failCalls } from '../process/strace.ts'

const writes = 'pwrite64,pwritev'
const syncs = 'fsync,fdatasync'

let work: string
let server: ServerProcess
let kept: Staged

beforeAll(async () => {
  work = mkdtempSync(join(tmpdir(), 'supercargo-disk-'))
  server = await start()
  kept = (await stage()).staged!
})
afterAll(async () => {
  await server.kill()
  rmSync(work, { recursive: true, force: true })
})

/** One thread for the file system, so that the n-th call is the n-th of all. */
const start = (): Promise<ServerProcess> =>
  startStagingServer({ arguments: ['--store', join(work, 'store')], env: { UV_THREADPOOL_SIZE: '1' } })

interface Staged {
  readonly id: string
  readonly authorization: string
  readonly bytes: Buffer
}

interface Outcome {
  readonly status: number
  readonly code: string
  readonly retryAfter: string | null
  readonly staged: Staged | undefined
}

async function stage(): Promise<Outcome> {
  const bytes = randomBytes(1_300_000)
  const form = new FormData()
  form.append('owner', '{"namespace":"spark","name":"driver"}')
  form.append('file', new Blob([bytes]), 'a.jar')
  const answer = await fetch(`${server.url}${routes.v1.resources}`, { method: 'POST', body: form })
  const said = (await answer.json()) as { code?: string; resourceId: string; resourceSecret: string }
  return {
    status: answer.status,
    code: said.code ?? '',
    retryAfter: answer.headers.get('retry-after'),
    staged: answer.ok ? { id: said.resourceId, authorization: `Bearer ${said.resourceSecret}`, bytes } : undefined,
  }
}

function get({ id, authorization }: Staged): Promise<Response> {
  return fetch(`${server.url}${routes.v1.file(id, 'a.jar')}`, { headers: { authorization } })
}

async function expectExact(staged: Staged): Promise<void> {
  const answer = await get(staged)
  expect(answer.status).toBe(200)
  expect(Buffer.from(await answer.arrayBuffer()).equals(staged.bytes)).toBe(true)
}

/** Without the count of bytes, which a sweep writes when it likes, and the next one tidies up where that failed. */
const list = (name: string): string[] =>
  readdirSync(join(work, 'store', name)).filter((entry) => !entry.startsWith('usage-'))

async function reserved(): Promise<string | undefined> {
  const text = await (await fetch(`${server.url}${routes.metrics}`)).text()
  return /^supercargo_store_reserved_bytes (\d+)$/m.exec(text)?.[1]
}

describe.skipIf(!canTrace)('a call that fails under an upload', () => {
  it.each([
    ['EIO of a write', writes, 'error=EIO', 500, 'disk-error'],
    ['EIO of the second write only', writes, 'error=EIO:when=2', 500, 'disk-error'],
    ['EIO of a sync', syncs, 'error=EIO', 500, 'disk-error'],
    ['EIO of the last sync', syncs, 'error=EIO:when=2', 500, 'disk-error'],
    ['no space for a write', writes, 'error=ENOSPC', 507, 'disk-full'],
    ['no space for a new name', 'mkdir,mkdirat,rename,renameat,renameat2', 'error=ENOSPC', 507, 'disk-full'],
    ['a quota', writes, 'error=EDQUOT', 507, 'disk-quota'],
    ['a limit on the size of files', writes, 'error=EFBIG', 413, 'file-too-large'],
    ['a file system that became read-only', `${writes},rename`, 'error=EROFS', 503, 'read-only-file-system'],
  ])(
    'by %s is told, acknowledges nothing, leaves nothing, and harms no other (cases 56 to 64)',
    async (_, calls, how, status, code) => {
      const before = list('resources')
      const tracer = await failCalls(server.pid, calls, how)
      try {
        const outcome = await stage()
        expect([outcome.status, outcome.code]).toEqual([status, code])
        if (status === 503) expect(Number(outcome.retryAfter)).toBeGreaterThan(0)
        expect((await fetch(`${server.url}${routes.live}`)).status).toBe(200)
        await expectExact(kept)
      } finally {
        await tracer.detach()
      }
      expect(list('resources')).toEqual(before)
      await expect.poll(() => list('incoming')).toEqual([])
      expect(await reserved()).toBe('0')
      const again = await stage()
      expect(again.status).toBe(201)
      await expectExact(again.staged!)
      await expectExact(kept)
    },
  )

  it('by a read-only file system makes the server unready, and reading goes on (case 64)', async () => {
    const tracer = await failCalls(server.pid, `${writes},${syncs},rename,mkdir`, 'error=EROFS')
    try {
      const ready = () => fetch(`${server.url}${routes.ready}`).then((answer) => answer.status)
      await expect.poll(ready, { timeout: 10_000, interval: 250 }).toBe(503)
      expect((await fetch(`${server.url}${routes.live}`)).status).toBe(200)
      await expectExact(kept)
      await tracer.detach()
      await expect.poll(ready, { timeout: 10_000, interval: 250 }).toBe(200)
    } finally {
      await tracer.detach()
    }
  })

  it('by want of descriptors is told to come back; what could not be tidied up then is gone after a restart (case 63)', async () => {
    const before = list('resources')
    const tracer = await failCalls(server.pid, 'openat', 'error=EMFILE')
    try {
      const outcome = await stage()
      expect([outcome.status, outcome.code]).toEqual([503, 'too-many-open-files'])
      expect(Number(outcome.retryAfter)).toBeGreaterThan(0)
      expect((await get(kept)).status).toBe(503)
      expect((await fetch(`${server.url}${routes.live}`)).status).toBe(200)
    } finally {
      await tracer.detach()
    }
    expect(list('resources')).toEqual(before)
    expect((await stage()).status).toBe(201)
    await expectExact(kept)
    await server.stop()
    server = await start()
    expect(list('incoming')).toEqual([])
    await expectExact(kept)
  })

  it('by an interruption is made again, and the bytes are exact (case 62)', async () => {
    const tracer = await failCalls(server.pid, `${writes},${syncs},openat`, 'error=EINTR:when=1+3')
    try {
      const outcome = await stage()
      expect(outcome.status).toBe(201)
      await expectExact(outcome.staged!)
    } finally {
      await tracer.detach()
    }
  })
})

describe.skipIf(!canTrace)('a read that fails under a download (case 60)', () => {
  it('never ends as a whole file', async () => {
    const tracer = await failCalls(server.pid, 'pread64,preadv', 'error=EIO')
    try {
      const whole = await get(kept).then(
        async (answer) => answer.ok && (await answer.arrayBuffer()).byteLength === kept.bytes.length,
        () => false,
      )
      expect(whole).toBe(false)
    } finally {
      await tracer.detach()
    }
    await expectExact(kept)
  })
})
