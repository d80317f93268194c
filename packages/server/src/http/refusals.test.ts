/** A refusal comes before the body where it can, and reaches the client where it cannot. */
import { afterEach, describe, expect, it } from 'vitest'
import { formBody, formRequest, v0Owner } from '../testing/form.ts'
import { RawClient, rawRequest } from '../testing/raw-http.ts'
import { startTestServer, type TestServer, type TestServerOptions } from '../testing/test-server.ts'
import { call, callJson, createUpload, digestOf, testOwner } from '../testing/v1-api.ts'

let server: TestServer
afterEach(() => server.stop())

async function start(limits: TestServerOptions['limits'] = {}): Promise<void> {
  server = await startTestServer({ limits: { idleTimeoutMs: 1000, ...limits } })
}

function v0Form(payload: Uint8Array | string): Buffer {
  return formBody([
    { name: 'resources', type: 'multipart/form-data', body: payload },
    { name: 'resourcesOwner', body: v0Owner },
  ])
}

/** Sends the head and keeps sending a body until the server has answered or cut. */
async function stubbornSender(head: string, bodyBytes: number): Promise<RawClient> {
  const client = await RawClient.open(server.port)
  await client.send(head)
  const block = Buffer.alloc(64 << 10)
  for (let sent = 0; sent < bodyBytes && !client.closed; sent += block.length) await client.send(block)
  return client
}

const bigHead = (length: number, extra = '') =>
  `POST /api/v0/resources/ HTTP/1.1\r\nHost: t\r\nContent-Type: multipart/form-data; boundary=x\r\nContent-Length: ${length}\r\n${extra}\r\n`

describe('a refusal that comes while the client still sends', () => {
  it('is read by the client, every time (cases 8, 39)', async () => {
    await start({ resourceBytesMax: 1000 })
    for (let round = 0; round < 20; round++) {
      const client = await stubbornSender(bigHead(3 << 20), 3 << 20)
      const answer = await client.answer()
      expect(answer.status).toBe(413)
      expect(answer.headers.connection).toBe('close')
      expect(client.failure).toBeUndefined()
      client.destroy()
    }
    expect(await server.incoming()).toEqual([])
  })

  it('ends the connection of a client that never stops', async () => {
    await start({ resourceBytesMax: 1000 })
    const client = await stubbornSender(bigHead(1 << 30), 64 << 20)
    await client.whenClosed()
    expect(client.received.toString('latin1')).toContain(' 413 ')
  })

  it('comes when the body crosses a limit on its way (case 9)', async () => {
    await start({ fileBytesMax: 500_000 })
    const form = v0Form(Buffer.alloc(600_000))
    expect((await rawRequest(server.port, formRequest('/api/v0/resources/', form))).status).toBe(413)
    expect(await server.incoming()).toEqual([])
    expect(server.store.usage().reservedBytes).toBe(0)
  })
})

describe('a client that expects "100 Continue" (case 10)', () => {
  it('is told to go on, and its upload is taken', async () => {
    await start()
    const form = v0Form('abc')
    const request = formRequest('/api/v0/resources/', form, { Expect: '100-continue' })
    const headEnd = request.indexOf('\r\n\r\n') + 4
    const client = await RawClient.open(server.port)
    await client.send(request.subarray(0, headEnd))
    while (!client.received.toString('latin1').includes('100 Continue'))
      await new Promise((resolve) => setTimeout(resolve, 5))
    await client.send(request.subarray(headEnd))
    expect((await client.answer()).status).toBe(200)
    client.destroy()
  })

  it.each([
    ['is too large', { resourceBytesMax: 10 }, 413, bigHead(3 << 20, 'Expect: 100-continue\r\n')],
    ['finds no space', { storeBytesMax: 1000 }, 507, bigHead(3 << 20, 'Expect: 100-continue\r\n')],
    [
      'is of a wrong type',
      {},
      415,
      bigHead(10, 'Expect: 100-continue\r\n').replace('multipart/form-data', 'text/plain'),
    ],
    [
      'has no secret',
      {},
      401,
      `PUT /api/v1/resources/${'0'.repeat(26)}/blobs/${digestOf('')} HTTP/1.1\r\nHost: t\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n`,
    ],
    ['goes nowhere', {}, 404, 'POST /none HTTP/1.1\r\nHost: t\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n'],
  ])('gets the final status and sends nothing when it %s', async (_title, limits, status, head) => {
    await start(limits)
    const client = await RawClient.open(server.port)
    await client.send(head)
    const answer = await client.answer()
    expect(client.received.toString('latin1')).not.toContain('100 Continue')
    expect(answer.status).toBe(status)
    await client.whenClosed()
  })

  it('of anything else gets 417 (case 11)', async () => {
    await start()
    expect((await rawRequest(server.port, bigHead(10, 'Expect: wonders\r\n'))).status).toBe(417)
  })
})

describe('space that is not there', () => {
  it('is refused with 507 before the body, in every way of staging', async () => {
    await start({ storeBytesMax: 1_000_000 })
    const files = [{ path: 'a', sizeBytes: 2_000_000, digest: digestOf('a') }]
    const answer = await callJson(server, 'POST', '', { owner: testOwner, files })
    expect(answer.status).toBe(507)
    expect((await answer.json()) as object).toMatchObject({ kind: 'exhausted' })
    const client = await RawClient.open(server.port)
    await client.send(
      `POST /api/v1/resources HTTP/1.1\r\nHost: t\r\nContent-Type: application/x-tar\r\nSupercargo-Owner: ${JSON.stringify(testOwner)}\r\nContent-Length: 2000000\r\n\r\n`,
    )
    expect((await client.answer()).status).toBe(507)
    client.destroy()
    expect((await rawRequest(server.port, bigHead(3 << 20))).status).toBe(507)
    expect(server.store.usage().reservedBytes).toBe(0)
  })
})

describe('too many uploads at once (case 100)', () => {
  it('are told to come back, before their bodies; downloads and the rest go on', async () => {
    await start({ uploadsMax: 2 })
    const held: RawClient[] = []
    for (let n = 0; n < 2; n++) {
      const client = await RawClient.open(server.port)
      await client.send(formRequest('/api/v0/resources/', v0Form('abc')).subarray(0, -5))
      held.push(client)
    }
    while (!/^supercargo_active_uploads 2$/m.test(await (await fetch(`${server.url}/metrics`)).text()));
    const answer = await rawRequest(server.port, bigHead(3 << 20))
    expect(answer.status).toBe(503)
    expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0)
    expect(JSON.parse(answer.body.toString())).toMatchObject({ code: 'too-many-uploads', kind: 'unavailable' })
    expect((await fetch(`${server.url}/api/v0/ping`)).status).toBe(200)
    expect((await createUpload(server, { a: 'x' })).missing.length).toBe(1)
    for (const client of held) client.destroy()
  })
})

describe('a slow sender', () => {
  it('below the least average is given up with 408 and leaves nothing (case 96)', async () => {
    await start({ bytesPerSecondMin: 100_000, slowGraceMs: 300, idleTimeoutMs: 1000 })
    const request = formRequest('/api/v0/resources/', v0Form(Buffer.alloc(5000)))
    const client = await RawClient.open(server.port)
    for (const byte of request) {
      if (client.received.length > 0) break
      await client.send(Buffer.of(byte))
      await new Promise((resolve) => setTimeout(resolve, 2))
    }
    const answer = await client.answer()
    expect(answer.status).toBe(408)
    expect(JSON.parse(answer.body.toString()).code).toBe('upload-too-slow')
    client.destroy()
    expect(await server.incoming()).toEqual([])
  })

  it('of a small JSON body is given up as well', async () => {
    await start({ idleTimeoutMs: 200 })
    const client = await RawClient.open(server.port)
    await client.send(
      'POST /api/v1/resources HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{',
    )
    expect((await client.answer()).status).toBe(408)
    client.destroy()
  })
})

describe('an upload of v1', () => {
  it('keeps the committed blobs of a tar that is cut, and can go on', async () => {
    await start()
    const files = { a: 'first', b: 'x'.repeat(100_000) }
    const { resourceId: id, resourceSecret: secret } = await createUpload(server, files)
    const { tarBody } = await import('../testing/tar.ts')
    const body = tarBody(Object.values(files).map((text) => ({ name: digestOf(text), body: text })))
    const client = await RawClient.open(server.port)
    await client.send(
      `POST /api/v1/resources/${id}/blobs HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer ${secret}\r\nContent-Type: application/x-tar\r\nContent-Length: ${body.length}\r\n\r\n`,
    )
    await client.send(body.subarray(0, 60_000))
    while ((await server.store.blobProgress(id, digestOf('first')))?.complete !== true)
      await new Promise((resolve) => setTimeout(resolve, 5))
    client.socket.resetAndDestroy()
    const answer = await call(server, 'POST', `/${id}/commit`, { secret })
    expect((await answer.json()) as object).toMatchObject({ code: 'incomplete', missing: [digestOf(files.b)] })
    const again = await call(server, 'POST', `/${id}/blobs`, {
      secret,
      body,
      headers: { 'content-type': 'application/x-tar' },
    })
    expect(again.status).toBe(200)
    expect((await call(server, 'POST', `/${id}/commit`, { secret })).status).toBe(200)
  })
})
