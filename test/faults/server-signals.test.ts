/** Signals to a server that is in the middle of something: one drains, a second ends at once, and nothing is lost by either. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { routes } from '@supercargo/protocol'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type ServerProcess, startStagingServer } from '../process/staging-server.ts'

let work: string
let server: ServerProcess
beforeEach(async () => {
  work = mkdtempSync(join(tmpdir(), 'supercargo-signals-'))
  server = await startStagingServer({ arguments: ['--store', join(work, 'store'), '--drain-timeout-ms', '60s'] })
})
afterEach(async () => {
  await server.kill()
  rmSync(work, { recursive: true, force: true })
})

/** An upload that does not end by itself, so that the drain has something to wait for. */
async function holdUpload(): Promise<void> {
  const sending = request(`${server.url}${routes.v1.resources}`, {
    method: 'POST',
    headers: {
      'content-type': 'application/x-tar',
      'supercargo-owner': '{"namespace":"spark","name":"driver"}',
      'content-length': 100_000,
    },
  })
  sending.on('error', () => {
    // The server ends; the connection goes with it.
  })
  sending.write(Buffer.alloc(512))
  await expect.poll(activeUploads).toBe('1')
}

async function activeUploads(): Promise<string | undefined> {
  const text = await (await fetch(`${server.url}${routes.metrics}`)).text()
  return /^supercargo_active_uploads (\d+)$/m.exec(text)?.[1]
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    // ESRCH: there is no such process any more.
    return false
  }
}

async function stage(): Promise<{ resourceId: string; resourceSecret: string }> {
  const form = new FormData()
  form.append('owner', '{"namespace":"spark","name":"driver"}')
  form.append('file', new Blob(['kept']), 'a.jar')
  const answer = await fetch(`${server.url}${routes.v1.resources}`, { method: 'POST', body: form })
  expect(answer.status).toBe(201)
  return (await answer.json()) as { resourceId: string; resourceSecret: string }
}

describe('a server that gets SIGHUP (case 79)', () => {
  it('says that it means nothing, and goes on with what is under way', async () => {
    await holdUpload()
    process.kill(server.pid, 'SIGHUP')
    await expect.poll(() => server.logged(), { timeout: 10_000 }).toMatch(/"level":"warn".*SIGHUP changes nothing/)
    expect(await activeUploads()).toBe('1')
    const { resourceId, resourceSecret } = await stage()
    const answer = await fetch(`${server.url}${routes.v1.file(resourceId, 'a.jar')}`, {
      headers: { authorization: `Bearer ${resourceSecret}` },
    })
    expect(await answer.text()).toBe('kept')
  })
})

describe('a server that drains (case 79)', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)(
    'leaves at once at the second %s, and has after its restart what it acknowledged',
    async (signal) => {
      const staged = await stage()
      await holdUpload()
      process.kill(server.pid, signal)
      await expect
        .poll(() => fetch(`${server.url}${routes.ready}`).then((answer) => answer.status), { timeout: 10_000 })
        .toBe(503)
      process.kill(server.pid, signal)
      // It would drain for a minute.
      await expect.poll(() => isAlive(server.pid), { timeout: 20_000 }).toBe(false)
      expect(await server.stop()).toBe(130)
      server = await startStagingServer({ arguments: ['--store', join(work, 'store')] })
      const answer = await fetch(`${server.url}${routes.v1.file(staged.resourceId, 'a.jar')}`, {
        headers: { authorization: `Bearer ${staged.resourceSecret}` },
      })
      expect(await answer.text()).toBe('kept')
      // The count of bytes is written by the first sweep, which may be at it.
      const incoming = readdirSync(join(work, 'store', 'incoming')).filter((name) => !name.startsWith('usage-'))
      expect(incoming).toEqual([])
    },
  )
})
