/** An upload of the 2017 client arrives whole or leaves nothing, however it is cut or split. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { forEachLimited } from '@supercargo/transfer'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { formBody, formRequest, testBoundary, v0Owner } from '../testing/form.ts'
import { RawClient, rawRequest, until } from '../testing/raw-http.ts'
import { startTestServer, type TestServer } from '../testing/test-server.ts'

const path = '/api/v0/resources/'

let server: TestServer
beforeAll(async () => {
  server = await startTestServer({ limits: { idleTimeoutMs: 400 } })
})
afterAll(() => server.stop())

async function resourceCount(): Promise<number> {
  return (await readdir(join(server.directory, 'resources'))).length
}

/** Nothing written, nothing reserved, nobody at work. */
function clean(): Promise<true> {
  return until(
    async () => {
      const idle = (await server.incoming()).length === 0 && server.store.usage().reservedBytes === 0
      const metrics = await (await fetch(`${server.url}/metrics`)).text()
      return idle && /^supercargo_active_uploads 0$/m.test(metrics) ? true : undefined
    },
    5000,
    () => 'a failed upload left something',
  )
}

function form(payload: string | Uint8Array): Buffer {
  return formBody([
    { name: 'resources', type: 'multipart/form-data', encoding: 'binary', body: payload },
    { name: 'resourcesOwner', type: 'application/json', body: v0Owner },
  ])
}

describe('an upload that is cut', () => {
  it('leaves nothing, at whichever byte of the captured request (cases 1, 2)', async () => {
    const captured = await readFile(new URL('../testing/v0-upload.http', import.meta.url))
    const before = await resourceCount()
    const lengths = Array.from({ length: captured.length - 1 }, (_, index) => index + 1)
    await forEachLimited(lengths, 16, async (bytes) => {
      const client = await RawClient.open(server.port)
      await client.send(captured.subarray(0, bytes))
      if (bytes % 2 === 0) client.socket.resetAndDestroy()
      else client.socket.end()
      await client.whenClosed()
      expect(client.received.toString('latin1')).not.toContain('200 OK')
    })
    await clean()
    expect(await resourceCount()).toBe(before)
  })

  it('leaves nothing when its last chunk is missing (case 3)', async () => {
    const before = await resourceCount()
    const body = form('x'.repeat(1000))
    const client = await RawClient.open(server.port)
    const head = `POST ${path} HTTP/1.1\r\nHost: t\r\nContent-Type: multipart/form-data; boundary=${testBoundary}\r\nTransfer-Encoding: chunked\r\n\r\n`
    await client.send(`${head}${body.length.toString(16)}\r\n${body.toString('latin1')}\r\n`)
    client.socket.end()
    await client.whenClosed()
    await clean()
    expect(await resourceCount()).toBe(before)
  })

  it('is given up with 408 when it stalls (case 4)', async () => {
    const request = formRequest(path, form('x'.repeat(1000)))
    const client = await RawClient.open(server.port)
    await client.send(request.subarray(0, request.length - 300))
    const answer = await client.answer()
    expect(answer.status).toBe(408)
    expect(JSON.parse(answer.body.toString()).code).toBe('upload-idle')
    await client.whenClosed()
    await clean()
  })
})

describe('a form', () => {
  it('arrives whole however the network splits it (case 24)', async () => {
    // Beginnings of the boundary inside the payload are what trips parsers.
    const payload = `\r\n--${testBoundary.slice(0, 5)}\r\n--${testBoundary.slice(0, -1)}\r\n--\r\n\r`
    const request = formRequest(path, form(payload))
    const splits = Array.from({ length: request.length - 1 }, (_, index) => index + 1)
    await forEachLimited(splits, 8, async (split) => {
      const client = await RawClient.open(server.port)
      client.socket.setNoDelay(true)
      await client.send(request.subarray(0, split))
      if (split > 150) await new Promise((resolve) => setImmediate(resolve))
      await client.send(request.subarray(split))
      const answer = await client.answer()
      expect(answer.status, `split at ${split}`).toBe(200)
      client.destroy()
      if (split % 10 !== 0) return
      const { resourceId, resourceSecret } = JSON.parse(answer.body.toString())
      const fetched = await fetch(`${server.url}/api/v0/resources/${resourceId}`, {
        headers: { authorization: resourceSecret },
      })
      expect(await fetched.text()).toBe(payload)
    })
  })

  it('arrives whole byte by byte', async () => {
    const payload = `\r\n--${testBoundary.slice(0, -1)}\r\n-`
    const client = await RawClient.open(server.port)
    client.socket.setNoDelay(true)
    for (const byte of formRequest(path, form(payload))) await client.send(Buffer.of(byte))
    const { resourceId, resourceSecret } = JSON.parse((await client.answer()).body.toString())
    client.destroy()
    const fetched = await fetch(`${server.url}/api/v0/resources/${resourceId}`, {
      headers: { authorization: resourceSecret },
    })
    expect(await fetched.text()).toBe(payload)
  })

  it.each([1, 65_535, 65_536, 65_537, 1_048_575, 1_048_576, 1_048_577, 5_000_000])(
    'of %d bytes comes back exactly (case 31)',
    async (size) => {
      const payload = Buffer.alloc(size)
      for (let index = 0; index < size; index += 1) payload[index] = (index * 31 + (index >> 8)) & 0xff
      const answer = await rawRequest(server.port, formRequest(path, form(payload)))
      const { resourceId, resourceSecret } = JSON.parse(answer.body.toString())
      const fetched = await fetch(`${server.url}/api/v0/resources/${resourceId}`, {
        headers: { authorization: resourceSecret },
      })
      expect(Buffer.from(await fetched.arrayBuffer()).equals(payload)).toBe(true)
    },
  )

  it('may have a preamble and an epilogue (case 25)', async () => {
    const body = Buffer.concat([Buffer.from('a preamble\r\n'), form('abc'), Buffer.from('an epilogue')])
    expect((await rawRequest(server.port, formRequest(path, body))).status).toBe(200)
  })

  it.each([
    ['without its last boundary (case 22)', form('abc').subarray(0, -(testBoundary.length + 8))],
    ['that is something else', Buffer.from('not a form at all')],
    ['of no bytes', Buffer.alloc(0)],
  ])('%s is refused with 400 and leaves nothing', async (_title, body) => {
    const answer = await rawRequest(server.port, formRequest(path, body))
    expect(answer.status).toBe(400)
    expect(answer.headers['content-type']).toBe('application/problem+json')
    await clean()
  })
})
