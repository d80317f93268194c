/** What is not there as a whole is not localized: an upload that is still open, a resource that was released. */
import { createHash, randomBytes } from 'node:crypto'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createClient } from '@supercargo/client'
import { localize } from '@supercargo/localizer'
import { type CreateResponse, type Owner, planSchema, routes } from '@supercargo/protocol'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type ServerForTest, startServer } from './server-for-test.ts'

const owner: Owner = { namespace: 'spark', apiVersion: 'v1', kind: 'Pod', name: 'driver' }
const bytes = randomBytes(100_000)
const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`

let server: ServerForTest
let work: string
beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server.stop())
beforeEach(() => {
  work = mkdtempSync(join(tmpdir(), 'supercargo-unfinished-'))
})
afterEach(() => rmSync(work, { recursive: true, force: true }))

async function create(): Promise<CreateResponse> {
  const answer = await fetch(`${server.url}${routes.v1.resources}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ owner, files: [{ path: 'a.jar', sizeBytes: bytes.length, digest }] }),
  })
  return (await answer.json()) as CreateResponse
}

function run(resource: string, secret: string): Promise<unknown> {
  const secretFile = join(work, 'secret')
  writeFileSync(secretFile, secret)
  const root = join(work, 'root')
  return localize(
    planSchema.parse({ version: 1, root, staging: { url: server.url }, items: [{ resource, secretFile }] }),
  )
}

const visible = (): string[] => readdirSync(join(work, 'root')).filter((name) => name !== '.supercargo')

describe('an upload that is still open (case 145)', () => {
  it('is no resource yet, though all its bytes are there, and is one after its commit', async () => {
    const { resourceId, resourceSecret } = await create()
    const authorization = `Bearer ${resourceSecret}`
    await expect(run(resourceId, resourceSecret)).rejects.toMatchObject({ kind: 'conflict', retry: false })
    const put = await fetch(`${server.url}${routes.v1.blob(resourceId, digest)}`, {
      method: 'PUT',
      headers: { authorization },
      body: new Uint8Array(bytes),
    })
    expect(put.status).toBe(201)
    await expect(run(resourceId, resourceSecret)).rejects.toMatchObject({ kind: 'conflict' })
    expect(visible()).toEqual([])
    await fetch(`${server.url}${routes.v1.commit(resourceId)}`, { method: 'POST', headers: { authorization } })
    await run(resourceId, resourceSecret)
    expect(visible()).toEqual(['a.jar'])
  })
})

describe('a resource that was released (case 144)', () => {
  it('is refused at once with what that may mean, and leaves the old files as they are', async () => {
    const client = createClient({ server: server.url })
    const from = join(work, 'from')
    writeFileSync(from, bytes)
    const { resourceId, resourceSecret } = await client.stage({ owner, files: [{ path: from, as: 'a.jar' }] })
    await run(resourceId, resourceSecret.reveal())
    await client.release({ resourceId, secret: resourceSecret })
    client.close()
    rmSync(join(work, 'root', 'a.jar'))
    writeFileSync(join(work, 'root', 'other'), 'stays')
    const error = await run(resourceId, resourceSecret.reveal()).catch((failure: unknown) => failure)
    expect(error).toMatchObject({ kind: 'denied', hint: expect.stringMatching(/released/) })
    expect(visible()).toEqual(['other'])
  })
})
