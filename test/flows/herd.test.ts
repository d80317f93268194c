/** Many pods that start together and want the same file: all get it, in bounded memory, and who is told to wait comes back. */
import { createHash, randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createClient, type StagedResource } from '@supercargo/client'
import { type Owner, routes, type Secret } from '@supercargo/protocol'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { runHerd } from '../process/herd.ts'
import { type ServerProcess, startStagingServer } from '../process/staging-server.ts'

const mebibyte = 2 ** 20
const owner: Owner = { namespace: 'spark', apiVersion: 'v1', kind: 'Pod', name: 'driver' }
let work: string
let server: ServerProcess | undefined

beforeEach(() => {
  work = mkdtempSync(join(tmpdir(), 'supercargo-herd-'))
  mkdirSync(join(work, 'from'))
})
afterEach(async () => {
  await server?.kill()
  rmSync(work, { recursive: true, force: true })
})

async function serveAndStage(
  bytes: Uint8Array,
  downloadsMax: number,
): Promise<StagedResource & { url: string; authorization: string }> {
  const limits = ['--limits-downloads-max', String(downloadsMax), '--limits-free-bytes-min', '0']
  server = await startStagingServer({ arguments: ['--store', join(work, 'store'), ...limits] })
  writeFileSync(join(work, 'from', 'a.jar'), bytes)
  const client = createClient({ server: server.url })
  const staged = await client.stage({ owner, files: [{ path: join(work, 'from', 'a.jar') }] })
  client.close()
  const url = `${server.url}${routes.v1.file(staged.resourceId, staged.files[0]!.path)}`
  return { ...staged, url, authorization: `Bearer ${revealed(staged.resourceSecret)}` }
}

function revealed(secret: Secret | string): string {
  return typeof secret === 'string' ? secret : secret.reveal()
}

async function metric(line: RegExp): Promise<number> {
  return Number(line.exec(await (await fetch(`${server!.url}${routes.metrics}`)).text())?.[1] ?? 0)
}

describe('a herd', () => {
  it('gets all its bytes, in bounded memory, also who was told to come back', async () => {
    const bytes = randomBytes(8 * mebibyte)
    const { url, authorization } = await serveAndStage(bytes, 40)
    const clients = await runHerd({ url, headers: { authorization }, clients: 60, digest: true })
    const sha256 = createHash('sha256').update(bytes).digest('hex')
    expect(clients.map((client) => client.sha256)).toEqual(clients.map(() => sha256))
    expect(clients.map(({ status }) => status)).toEqual(clients.map(() => 200))
    // How many are told depends on how fast the first are done.
    for (const seconds of clients.flatMap(({ retryAfterSeconds }) => retryAfterSeconds))
      expect(seconds).toBeGreaterThan(0)
    const peak = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${server!.pid}/status`, 'utf8'))?.[1]
    expect(Number(peak) * 1024).toBeLessThan(256 * mebibyte)
    expect(await metric(/^supercargo_active_downloads (\d+)$/m)).toBe(0)
  })

  it('of which somebody stands still: our own client waits for a place and gets its bytes', async () => {
    const bytes = randomBytes(24 * mebibyte)
    const staged = await serveAndStage(bytes, 1)
    const still = connect(Number(new URL(staged.url).port), '127.0.0.1')
    still.pause()
    still.write(
      `GET ${new URL(staged.url).pathname} HTTP/1.1\r\nHost: t\r\nAuthorization: ${staged.authorization}\r\n\r\n`,
    )
    await expect.poll(() => metric(/^supercargo_active_downloads (\d+)$/m)).toBe(1)
    const client = createClient({ server: server!.url })
    try {
      const { resourceId, resourceSecret: secret } = staged
      const fetching = client.fetch({ resourceId, secret, to: join(work, 'to') })
      await expect
        .poll(() => metric(/^supercargo_errors_total\{code="too-many-downloads"\} (\d+)$/m))
        .toBeGreaterThan(0)
      still.destroy()
      await fetching
      expect(readFileSync(join(work, 'to', 'a.jar')).equals(bytes)).toBe(true)
    } finally {
      still.destroy()
      client.close()
    }
  })
})
