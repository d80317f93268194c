/** The whole server: how it starts, what it keeps, how it stops. */
import { randomBytes } from 'node:crypto'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { collectorStatusSchema, explanationSchema, listingSchema, headers as names } from '@supercargo/protocol'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { checkConfig } from './config.ts'
import { createLog } from './log.ts'
import { type ServerAddress, serve } from './main.ts'
import { formBody, formRequest, v0Owner } from './testing/form.ts'
import { RawClient, until } from './testing/raw-http.ts'
import { call, createUpload, digestOf, stageFiles, testOwner } from './testing/v1-api.ts'

interface Running extends ServerAddress {
  readonly stop: AbortController
  readonly ended: Promise<void>
}

let directory: string
let running: Running[]
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'supercargo-serve-'))
  running = []
})
afterEach(async () => {
  for (const server of running) {
    server.stop.abort()
    await server.ended.catch(() => undefined)
  }
  await rm(directory, { recursive: true })
})

async function start(settings: object = {}): Promise<Running> {
  const config = checkConfig({ listen: '127.0.0.1:0', store: { directory }, drainTimeoutMs: 2000, ...settings })
  const stop = new AbortController()
  const ready = Promise.withResolvers<ServerAddress>()
  const ended = serve(config, { signal: stop.signal, log: createLog({ level: 'silent' }), onReady: ready.resolve })
  ended.catch(ready.reject)
  const server = { ...(await ready.promise), stop, ended }
  running.push(server)
  return server
}

function v0Request(bytes: Uint8Array): Buffer {
  return formRequest(
    '/api/v0/resources/',
    formBody([
      { name: 'resources', body: bytes },
      { name: 'resourcesOwner', body: v0Owner },
    ]),
  )
}

async function metric(server: Running, name: string): Promise<number> {
  const text = await (await fetch(`${server.url}/metrics`)).text()
  return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1])
}

describe('the server', () => {
  it('takes a free port, says it, and is ready', async () => {
    const server = await start()
    expect(server.port).toBeGreaterThan(0)
    expect((await fetch(`${server.url}/readyz`)).status).toBe(200)
    expect((await fetch(`${server.url}/livez`)).status).toBe(200)
  })

  it('has after a restart what was committed before', async () => {
    const first = await start()
    const staged = await stageFiles(first, { a: 'kept' })
    first.stop.abort()
    await first.ended
    const second = await start()
    const answer = await call(second, 'GET', `/${staged.id}/files/a`, { secret: staged.secret })
    expect(await answer.text()).toBe('kept')
  })

  it('refuses a directory that another one uses, and an address that is taken, with a clear error', async () => {
    const server = await start()
    await expect(start()).rejects.toMatchObject({ kind: 'conflict', code: 'store-locked' })
    const other = await mkdtemp(join(tmpdir(), 'supercargo-serve-'))
    await expect(start({ listen: `127.0.0.1:${server.port}`, store: { directory: other } })).rejects.toMatchObject({
      code: 'address-in-use',
    })
    // What had begun was undone: the store is free again.
    const third = await start({ store: { directory: other } })
    third.stop.abort()
    await third.ended
    await rm(other, { recursive: true })
  })

  it('answers for its collector: the list, why a resource is kept, the last sweep', async () => {
    const server = await start()
    const staged = await stageFiles(server, { a: 'x' })
    const open = await createUpload(server, { b: 'y' })
    const explained = explanationSchema.parse(
      await (await call(server, 'GET', `/${staged.id}?explain`, { secret: staged.secret })).json(),
    )
    expect(explained).toMatchObject({ resourceId: staged.id, state: 'unused', verdict: 'keep' })
    const uploading = await (
      await call(server, 'GET', `/${open.resourceId}?explain`, { secret: open.resourceSecret })
    ).json()
    expect(explanationSchema.parse(uploading)).toMatchObject({ state: 'uploading', verdict: 'keep' })
    const listing = listingSchema.parse(await (await call(server, 'GET', '')).json())
    expect(listing.resources.map((row) => [row.resourceId, row.state]).sort()).toEqual(
      [
        [staged.id, 'unused'],
        [open.resourceId, 'uploading'],
      ].sort(),
    )
    const one = listingSchema.parse(await (await call(server, 'GET', '?limit=1&namespace=spark')).json())
    expect([one.resources.length, typeof one.continue]).toEqual([1, 'string'])
    expect((await call(server, 'GET', '?state=wrong')).status).toBe(400)
    expect((await call(server, 'GET', '?limit=0')).status).toBe(400)
    const status = collectorStatusSchema.parse(await (await fetch(`${server.url}/api/v1/collector`)).json())
    expect(status.paused).toBeNull()
    expect((await fetch(`${server.url}/api/v1/collector/release`, { method: 'POST' })).status).toBe(409)
  })
})

describe('a server that is told to stop (case 78)', () => {
  it('ends at once when nothing is under way, idle connections or not', async () => {
    const server = await start({ drainTimeoutMs: 20_000 })
    const idle = await RawClient.open(server.port)
    await idle.send('GET /livez HTTP/1.1\r\nHost: t\r\n\r\n')
    await idle.answer()
    const silent = await RawClient.open(server.port)
    const startMs = performance.now()
    server.stop.abort()
    await server.ended
    expect(performance.now() - startMs).toBeLessThan(10_000)
    for (const client of [idle, silent]) client.destroy()
  })

  it('finishes an upload and a download that began, is not ready, and refuses new uploads', async () => {
    const server = await start({ drainTimeoutMs: 10_000 })
    const large = randomBytes(20_000_000)
    const staged = await stageFiles(server, { large })
    const upload = await RawClient.open(server.port)
    const request = v0Request(Buffer.alloc(100_000))
    await upload.send(request.subarray(0, 50_000))
    const download = await RawClient.open(server.port)
    download.socket.pause()
    await download.send(
      `GET /api/v1/resources/${staged.id}/files/large HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer ${staged.secret}\r\n\r\n`,
    )
    await until(
      async () =>
        (await metric(server, 'supercargo_active_uploads')) + (await metric(server, 'supercargo_active_downloads')) ===
        2
          ? true
          : undefined,
      5000,
      () => 'transfers do not begin',
    )

    server.stop.abort()
    const unready = await until(
      async () => {
        const answer = await fetch(`${server.url}/readyz`)
        return answer.status === 503 ? answer : undefined
      },
      2000,
      () => 'still ready',
    )
    expect(unready.headers.get('connection')).toBe('close')
    const refused = await fetch(`${server.url}/api/v1/resources`, {
      method: 'POST',
      body: JSON.stringify({ owner: testOwner, files: [] }),
      headers: { 'content-type': 'application/json' },
    })
    expect(refused.status).toBe(503)
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
    const small = await RawClient.open(server.port)
    await small.send(v0Request(Buffer.from('abc')))
    expect((await small.answer()).status).toBe(503)

    await upload.send(request.subarray(50_000))
    const taken = await upload.answer()
    expect([taken.status, taken.headers.connection]).toEqual([200, 'close'])
    download.socket.resume()
    expect((await download.answer()).body.equals(large)).toBe(true)
    await server.ended
    for (const client of [upload, download, small]) client.destroy()
  })

  it('keeps what arrived of a resumable upload, and ends in time', async () => {
    const server = await start({ drainTimeoutMs: 1500 })
    const bytes = randomBytes(3_000_000)
    const { resourceId: id, resourceSecret: secret } = await createUpload(server, { blob: bytes })
    const path = `/${id}/blobs/${digestOf(bytes)}`
    const client = await RawClient.open(server.port)
    await client.send(
      `PUT /api/v1/resources${path} HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer ${secret}\r\nContent-Length: ${bytes.length}\r\n\r\n`,
    )
    await client.send(bytes.subarray(0, 2_000_000))
    await until(
      async () => ((await metric(server, 'supercargo_active_uploads')) === 1 ? true : undefined),
      5000,
      () => 'no upload',
    )
    const startMs = performance.now()
    server.stop.abort()
    const answer = await client.answer()
    expect([answer.status, answer.headers[names.uploadOffset]]).toEqual([503, '2000000'])
    await server.ended
    expect(performance.now() - startMs).toBeLessThan(8000)
    client.destroy()
    const again = await start()
    const offset = await call(again, 'HEAD', path, { secret })
    expect(offset.headers.get(names.uploadOffset)).toBe('2000000')
    const rest = await call(again, 'PUT', path, {
      secret,
      body: bytes.subarray(2_000_000),
      headers: { [names.uploadOffset]: '2000000' },
    })
    expect(rest.status).toBe(201)
  })

  it('cuts what does not end in time, and leaves nothing half', async () => {
    const server = await start({ drainTimeoutMs: 500 })
    const client = await RawClient.open(server.port)
    await client.send(v0Request(Buffer.alloc(100_000)).subarray(0, 50_000))
    await until(
      async () => ((await metric(server, 'supercargo_active_uploads')) === 1 ? true : undefined),
      5000,
      () => 'no upload',
    )
    server.stop.abort()
    await server.ended
    client.destroy()
    expect(await readdir(join(directory, 'incoming'))).toEqual([])
    expect(await readdir(join(directory, 'resources'))).toEqual([])
  })

  it('frees its port', async () => {
    const server = await start()
    server.stop.abort()
    await server.ended
    const probe = createServer()
    await new Promise<void>((resolve, reject) => probe.once('error', reject).listen(server.port, '127.0.0.1', resolve))
    probe.close()
  })
})
