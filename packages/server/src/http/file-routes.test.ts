/** The bytes of a file come exactly, in part, again, or not at all; never wrongly. */
import { randomBytes } from 'node:crypto'
import { chmod, truncate } from 'node:fs/promises'
import { request as httpRequest } from 'node:http'
import { join } from 'node:path'
import { digestHex, toDigestField } from '@supercargo/protocol'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { RawClient, rawRequest, until } from '../testing/raw-http.ts'
import { startTestServer, type TestServer } from '../testing/test-server.ts'
import { call, createUpload, digestOf, stageFiles } from '../testing/v1-api.ts'

const bytes = randomBytes(3_500_001)

let server: TestServer
let staged: Awaited<ReturnType<typeof stageFiles>>
beforeAll(async () => {
  server = await startTestServer({ limits: { idleTimeoutMs: 500 } })
  staged = await stageFiles(server, { 'a/b.jar': bytes, empty: '' })
})
afterAll(() => server.stop())

function get(path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Response> {
  return call(server, method, `/${staged.id}/files/${path}`, { secret: staged.secret, headers })
}

function requestText(path: string): string {
  return `GET /api/v1/resources/${staged.id}/files/${path} HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer ${staged.secret}\r\n\r\n`
}

/** The way of an uncommon failure to the log. */
function logged(code: string): Promise<true> {
  return until(
    () => (server.logged().includes(`"${code}"`) ? true : undefined),
    5000,
    () => `${code} was not logged`,
  )
}

function activeDownloads(): Promise<true> {
  return until(
    async () =>
      /^supercargo_active_downloads 0$/m.test(await (await fetch(`${server.url}/metrics`)).text()) ? true : undefined,
    5000,
    () => 'a download is still counted',
  )
}

describe('the bytes of a file', () => {
  it('come with length, digest, and a strong entity tag that is the digest', async () => {
    const answer = await get('a/b.jar')
    expect(answer.status).toBe(200)
    expect(answer.headers.get('content-length')).toBe(String(bytes.length))
    expect(answer.headers.get('etag')).toBe(`"${digestOf(bytes)}"`)
    expect(answer.headers.get('repr-digest')).toBe(toDigestField(digestOf(bytes)))
    expect(answer.headers.get('accept-ranges')).toBe('bytes')
    expect(answer.headers.get('content-type')).toBe('application/octet-stream')
    expect(answer.headers.get('x-content-type-options')).toBe('nosniff')
    expect(answer.headers.get('content-disposition')).toBe('attachment; filename="b.jar"')
    expect(Buffer.from(await answer.arrayBuffer()).equals(bytes)).toBe(true)
  })

  it.each([
    ['bytes=0-0', 0, 1],
    ['bytes=1048575-1048576', 1_048_575, 1_048_577],
    ['bytes=-1', bytes.length - 1, bytes.length],
    ['bytes=1000-', 1000, bytes.length],
    [`bytes=0-${bytes.length + 5}`, 0, bytes.length],
  ])('come in part for %s', async (range, start, end) => {
    const answer = await get('a/b.jar', { range })
    expect(answer.status).toBe(206)
    expect(answer.headers.get('content-range')).toBe(`bytes ${start}-${end - 1}/${bytes.length}`)
    expect(Buffer.from(await answer.arrayBuffer()).equals(bytes.subarray(start, end))).toBe(true)
  })

  it('are not there before the commit, which only the secret lets one know', async () => {
    const { resourceId: id, resourceSecret: secret } = await createUpload(server, { a: 'x' })
    for (const path of [`/${id}`, `/${id}/files/a`, `/${id}/files/none`]) {
      const early = await call(server, 'GET', path, { secret })
      expect([early.status, ((await early.json()) as { code: string }).code], path).toEqual([409, 'not-committed'])
    }
    const problems = await Promise.all(
      [id, staged.id, 'x'.repeat(26)].map(async (other) => {
        const answer = await call(server, 'GET', `/${other}/files/a`, { secret: 'wrong' })
        expect(answer.status).toBe(401)
        return { ...((await answer.json()) as object), requestId: '' }
      }),
    )
    for (const problem of problems) expect(problem).toEqual(problems[0])
  })

  it('are refused outside of the file with 416 and the length', async () => {
    const answer = await get('a/b.jar', { range: `bytes=${bytes.length}-` })
    expect(answer.status).toBe(416)
    expect(answer.headers.get('content-range')).toBe(`bytes */${bytes.length}`)
    expect((await answer.json()) as object).toMatchObject({ code: 'range-not-satisfiable', kind: 'range' })
    expect((await get('empty', { range: 'bytes=0-' })).status).toBe(416)
  })

  it('are not sent again to who has them, 304, and 412 when another version is meant', async () => {
    const etag = `"${digestOf(bytes)}"`
    const unchanged = await get('a/b.jar', { 'if-none-match': etag })
    expect([unchanged.status, unchanged.headers.get('etag')]).toEqual([304, etag])
    expect((await get('a/b.jar', { 'if-match': '"other"' })).status).toBe(412)
    expect((await get('a/b.jar', { range: 'bytes=0-0', 'if-range': '"other"' })).status).toBe(200)
  })

  it('are described by HEAD with the same headers and no body', async () => {
    const byGet = await get('a/b.jar')
    await byGet.arrayBuffer()
    const byHead = await get('a/b.jar', { range: 'bytes=0-0' }, 'HEAD')
    expect(byHead.status).toBe(200)
    const fields = (answer: Response) =>
      Object.fromEntries(
        [...answer.headers].filter(([name]) => !['date', 'x-request-id', 'connection', 'keep-alive'].includes(name)),
      )
    expect(fields(byHead)).toEqual(fields(byGet))
    expect((await byHead.arrayBuffer()).byteLength).toBe(0)
  })

  it('of an empty file are none, and complete', async () => {
    const answer = await get('empty')
    expect([answer.status, answer.headers.get('content-length'), await answer.text()]).toEqual([200, '0', ''])
  })

  it.each(['none', 'a', 'a/', 'a/b.jar/', 'a/../a/b.jar', 'a%2F..%2Fempty', '..%2f..%2fFORMAT', '%00', 'a\\b.jar'])(
    'are not found under the path %s (case 119)',
    async (path) => {
      const answer = await rawRequest(server.port, requestText(path))
      expect(answer.status).toBe(404)
      expect(JSON.parse(answer.body.toString()).code).toBe('no-such-file')
    },
  )

  it('are found by the encoded slash too: it is the same path', async () => {
    expect((await get('a%2Fb.jar', {}, 'HEAD')).status).toBe(200)
  })

  it('go on after the resource was released (law 5)', async () => {
    const large = randomBytes(30_000_000)
    const own = await stageFiles(server, { large })
    const client = await RawClient.open(server.port)
    client.socket.pause()
    await client.send(
      `GET /api/v1/resources/${own.id}/files/large HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer ${own.secret}\r\n\r\n`,
    )
    await until(
      async () =>
        /^supercargo_active_downloads [1-9]/m.test(await (await fetch(`${server.url}/metrics`)).text())
          ? true
          : undefined,
      5000,
      () => 'no download',
    )
    expect((await call(server, 'DELETE', `/${own.id}`, { secret: own.secret })).status).toBe(204)
    await server.store.maintenance.removeBlobs('spark', [digestOf(large)], Number.MAX_SAFE_INTEGER, 0)
    client.socket.resume()
    expect((await client.answer()).body.equals(large)).toBe(true)
    client.destroy()
  })
})

describe('a download that fails', () => {
  it('never ends cleanly when the blob becomes short (case 60)', async () => {
    const large = randomBytes(8_000_000)
    const own = await stageFiles(server, { large })
    const hex = digestHex(digestOf(large))
    const blob = join(server.directory, 'blobs', 'spark', hex.slice(0, 2), hex)
    const client = await RawClient.open(server.port)
    client.socket.pause()
    await client.send(
      `GET /api/v1/resources/${own.id}/files/large HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer ${own.secret}\r\n\r\n`,
    )
    await until(
      async () =>
        /^supercargo_active_downloads [1-9]/m.test(await (await fetch(`${server.url}/metrics`)).text())
          ? true
          : undefined,
      5000,
      () => 'no download',
    )
    await chmod(blob, 0o600)
    await truncate(blob, 100)
    client.socket.resume()
    await client.whenClosed()
    const body = client.received.subarray(client.received.indexOf('\r\n\r\n') + 4)
    expect(body.length).toBeLessThan(large.length)
    await activeDownloads()
  })

  it('is 422 before any byte when the blob has another size', async () => {
    const own = await stageFiles(server, { x: 'to be cut' })
    const hex = digestHex(digestOf('to be cut'))
    const blob = join(server.directory, 'blobs', 'spark', hex.slice(0, 2), hex)
    await chmod(blob, 0o600)
    await truncate(blob, 3)
    const answer = await call(server, 'GET', `/${own.id}/files/x`, { secret: own.secret })
    expect(answer.status).toBe(422)
    expect(await answer.text()).not.toContain(server.directory)
  })

  it('because the reader takes nothing is given up, and its buffers are returned (case 97)', async () => {
    const own = await stageFiles(server, { large: randomBytes(30_000_000) })
    const client = await RawClient.open(server.port)
    client.socket.pause()
    await client.send(
      `GET /api/v1/resources/${own.id}/files/large HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer ${own.secret}\r\n\r\n`,
    )
    await logged('reader-idle')
    await activeDownloads()
    client.destroy()
  })

  it('because the reader went away is noted, and its buffers are returned (case 106)', async () => {
    const own = await stageFiles(server, { large: randomBytes(30_000_000) })
    const client = await RawClient.open(server.port)
    await client.send(
      `GET /api/v1/resources/${own.id}/files/large HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer ${own.secret}\r\n\r\n`,
    )
    await until(
      () => (client.received.length > 100_000 ? true : undefined),
      5000,
      () => 'no bytes',
    )
    client.socket.resetAndDestroy()
    await logged('client-gone')
    await activeDownloads()
  })
})

describe('many downloads at once', () => {
  it('are all exact, over connections that are used again', async () => {
    const { Agent } = await import('node:http')
    const agent = new Agent({ keepAlive: true, maxSockets: 12 })
    // One that cuts nobody off: reader and server share this process, which may be held up.
    const patient = await startTestServer()
    const { id, secret } = await stageFiles(patient, { 'a/b.jar': bytes })
    const one = () =>
      new Promise<Buffer>((resolve, reject) => {
        const headers = { authorization: `Bearer ${secret}` }
        httpRequest(`${patient.url}/api/v1/resources/${id}/files/a/b.jar`, { agent, headers }, (answer) => {
          const chunks: Buffer[] = []
          answer.on('data', (chunk: Buffer) => chunks.push(chunk))
          answer.on('end', () => resolve(Buffer.concat(chunks)))
          answer.on('error', reject)
        })
          .on('error', reject)
          .end()
      })
    const results = await Promise.all(Array.from({ length: 48 }, one))
    agent.destroy()
    await patient.stop()
    for (const result of results) expect(result.equals(bytes)).toBe(true)
  })
})
