/** A server that is killed while a large blob comes goes on, after its restart, at what is really on its disk. */
import { createHash, randomBytes } from 'node:crypto'
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { headers, routes } from '@supercargo/protocol'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type ServerProcess, startStagingServer } from '../process/staging-server.ts'

const bytes = randomBytes(24_000_000)
const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`

let work: string
let server: ServerProcess
const start = (): Promise<ServerProcess> => startStagingServer({ arguments: ['--store', join(work, 'store')] })
beforeEach(() => {
  work = mkdtempSync(join(tmpdir(), 'supercargo-killed-'))
})
afterEach(async () => {
  await server.kill()
  rmSync(work, { recursive: true, force: true })
})

interface Upload {
  readonly id: string
  readonly authorization: string
}

async function create(): Promise<Upload> {
  const answer = await fetch(`${server.url}${routes.v1.resources}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      owner: { namespace: 'spark', name: 'driver' },
      files: [{ path: 'large.jar', sizeBytes: bytes.length, digest }],
    }),
  })
  const { resourceId, resourceSecret } = (await answer.json()) as { resourceId: string; resourceSecret: string }
  return { id: resourceId, authorization: `Bearer ${resourceSecret}` }
}

/** Sends from `offset` up to `end` and stays there; the promise ends with the connection. */
function send(upload: Upload, offset: number, end: number): Promise<void> {
  return new Promise((resolve) => {
    const sending = request(`${server.url}${routes.v1.blob(upload.id, digest)}`, {
      method: 'PUT',
      headers: {
        authorization: upload.authorization,
        [headers.uploadOffset]: String(offset),
        'content-length': bytes.length - offset,
      },
    })
    sending.on('error', () => {
      // The kill; `close` follows.
    })
    sending.on('close', resolve)
    sending.write(bytes.subarray(offset, end))
  })
}

/** Bytes of the blob that have reached the file system. */
function written(): number {
  const incoming = join(work, 'store', 'incoming')
  const parts = readdirSync(incoming, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.part'))
  return Math.max(0, ...parts.map((name) => statSync(join(incoming, name)).size))
}

async function offsetOf(upload: Upload): Promise<number> {
  const answer = await fetch(`${server.url}${routes.v1.blob(upload.id, digest)}`, {
    method: 'HEAD',
    headers: { authorization: upload.authorization },
  })
  expect(answer.status).toBe(204)
  return Number(answer.headers.get(headers.uploadOffset))
}

describe('a server that is killed while a blob comes (case 47)', () => {
  it('says after each restart a prefix that was sent, and ends with exactly the bytes', async () => {
    server = await start()
    const upload = await create()
    let offset = 0
    for (const end of [7_000_000, 15_000_000, 21_000_000]) {
      const ended = send(upload, offset, end)
      await expect.poll(written, { timeout: 20_000 }).toBeGreaterThan(end - 4_000_000)
      await server.kill()
      await ended
      server = await start()
      const kept = await offsetOf(upload)
      expect(kept).toBeGreaterThan(offset)
      expect(kept).toBeLessThanOrEqual(end)
      const unseen = await fetch(`${server.url}${routes.v1.file(upload.id, 'large.jar')}`, {
        headers: { authorization: upload.authorization },
      })
      expect([401, 404, 409]).toContain(unseen.status)
      offset = kept
    }
    const { authorization } = upload
    const rest = await fetch(`${server.url}${routes.v1.blob(upload.id, digest)}`, {
      method: 'PUT',
      headers: { authorization, [headers.uploadOffset]: String(offset) },
      body: new Uint8Array(bytes.subarray(offset)),
    })
    expect(rest.status).toBe(201)
    const committed = await fetch(`${server.url}${routes.v1.commit(upload.id)}`, {
      method: 'POST',
      headers: { authorization },
    })
    expect(committed.status).toBe(200)
    const fetched = await fetch(`${server.url}${routes.v1.file(upload.id, 'large.jar')}`, {
      headers: { authorization },
    })
    expect(Buffer.from(await fetched.arrayBuffer()).equals(bytes)).toBe(true)
  })
})
