/** Header fields and ways of asking that mean nothing here change nothing. */
import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { RawClient, rawRequest, until } from '../testing/raw-http.ts'
import { startTestServer, type TestServer } from '../testing/test-server.ts'
import { call, callJson, createUpload, digestOf, stageFiles } from '../testing/v1-api.ts'

let server: TestServer
beforeAll(async () => {
  server = await startTestServer({ podUrl: 'http://pods.example' })
})
afterAll(() => server.stop())

describe('a digest field', () => {
  it.each([
    'nonsense',
    'sha-256=abc',
    'sha-256=:too-short=:',
    'md5=:1B2M2Y8AsgTpgAmY7PhCfg==:',
    'sha-512=:AAAA:',
    ', ,',
  ])('%j is ignored; the digest of the URL decides (case 38)', async (field) => {
    const { resourceId: id, resourceSecret: secret } = await createUpload(server, { a: `bytes ${field}` })
    const options = { secret, body: `bytes ${field}`, headers: { 'repr-digest': field, 'content-digest': field } }
    expect((await call(server, 'PUT', `/${id}/blobs/${digestOf(`bytes ${field}`)}`, options)).status).toBe(201)
  })

  it('in a trailer is not read: wrong bytes are refused, right ones taken, whatever it says (case 37)', async () => {
    const { resourceId: id, resourceSecret: secret } = await createUpload(server, { a: 'right' })
    const put = async (body: string, trailer: string): Promise<number> => {
      const head = `PUT /api/v1/resources/${id}/blobs/${digestOf('right')} HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer ${secret}\r\nTrailer: Repr-Digest\r\nTransfer-Encoding: chunked\r\n\r\n`
      return (await rawRequest(server.port, `${head}5\r\n${body}\r\n0\r\nRepr-Digest: ${trailer}\r\n\r\n`)).status
    }
    expect(await put('wrong', 'sha-256=:AAAA:')).toBe(422)
    expect(await put('right', 'sha-256=:AAAA:')).toBe(201)
  })
})

describe('a client that knows nothing of resumable uploads (cases 53, 54)', () => {
  it.each(['', 'Upload-Draft-Interop-Version: 7\r\n', 'Upload-Complete: ?1\r\n'])(
    'with %j gets one answer and no interim one',
    async (fields) => {
      const bytes = `an upload ${fields}`
      const { resourceId: id, resourceSecret: secret } = await createUpload(server, { a: bytes })
      const client = await RawClient.open(server.port)
      await client.send(
        `PUT /api/v1/resources/${id}/blobs/${digestOf(bytes)} HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer ${secret}\r\n${fields}Content-Length: ${bytes.length}\r\n\r\n${bytes}`,
      )
      expect((await client.answer()).status).toBe(201)
      expect(client.received.toString('latin1').match(/^HTTP\/1\.1 /gm)).toHaveLength(1)
      client.destroy()
    },
  )
})

describe('what a proxy would say', () => {
  it('changes neither an address nor a right nor a log line (cases 108, 112)', async () => {
    const { id, secret } = await stageFiles(server, { a: 'x' })
    const lies = {
      'x-forwarded-for': '203.0.113.77',
      'x-forwarded-host': 'evil.example',
      'x-forwarded-proto': 'gopher',
      'x-original-url': `/api/v1/resources/${id}`,
      'x-http-method-override': 'DELETE',
      forwarded: 'for=203.0.113.77;host=evil.example',
    }
    const minted = await call(server, 'POST', `/${id}/capabilities`, { secret, headers: lies })
    expect(((await minted.json()) as { url: string }).url).toMatch(/^http:\/\/pods\.example\/c\//)
    const host = `POST /api/v1/resources/${id}/capabilities HTTP/1.1\r\nHost: evil.example\r\nAuthorization: Bearer ${secret}\r\nContent-Length: 0\r\n\r\n`
    expect((await rawRequest(server.port, host)).body.toString()).toContain('http://pods.example/c/')
    expect((await fetch(`${server.url}/livez`, { method: 'POST', headers: lies })).status).toBe(405)
    expect((await call(server, 'GET', `/${id}/files/a`, { secret, headers: lies })).status).toBe(200)
    expect(server.logged()).not.toMatch(/evil\.example|203\.0\.113\.77/)
  })

  it('as an absolute URI is the path of it, with the same secret asked for (case 112)', async () => {
    const { id, secret } = await stageFiles(server, { a: 'content of a' })
    const ask = (authorization: string) =>
      rawRequest(
        server.port,
        `GET http://elsewhere.example/api/v1/resources/${id}/files/a HTTP/1.1\r\nHost: t\r\n${authorization}\r\n`,
      )
    expect((await ask('')).status).toBe(401)
    const answer = await ask(`Authorization: Bearer ${secret}\r\n`)
    expect([answer.status, answer.body.toString()]).toEqual([200, 'content of a'])
  })

  it('as OPTIONS * is answered and harms nobody (case 112)', async () => {
    const answer = await rawRequest(server.port, 'OPTIONS * HTTP/1.1\r\nHost: t\r\nContent-Length: 0\r\n\r\n')
    expect(answer.status).toBe(404)
    expect((await fetch(`${server.url}/livez`)).status).toBe(200)
  })
})

describe('another origin (case 130)', () => {
  it('is allowed nothing: no answer has a CORS field', async () => {
    const { id, secret } = await stageFiles(server, { a: 'x' })
    const asking = { origin: 'https://evil.example', 'access-control-request-method': 'DELETE' }
    const answers = [
      await call(server, 'OPTIONS', `/${id}`, { headers: asking }),
      await call(server, 'GET', `/${id}`, { secret, headers: asking }),
      await callJson(server, 'POST', '', { owner: { namespace: 'a', name: 'b' }, files: [] }),
      await fetch(`${server.url}/metrics`, { headers: asking }),
    ]
    for (const answer of answers) {
      expect([...answer.headers.keys()].filter((name) => name.startsWith('access-control'))).toEqual([])
      expect(answer.headers.get('set-cookie')).toBeNull()
    }
  })
})

describe('HTTP/2 (case 109)', () => {
  it('is not spoken: its preface is refused and the connection closed', async () => {
    const client = await RawClient.open(server.port)
    await client.send('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
    await client.whenClosed()
    expect(client.received.toString('latin1')).toMatch(/^HTTP\/1\.1 400 /)
    const upgrade = await rawRequest(
      server.port,
      'GET /livez HTTP/1.1\r\nHost: t\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n\r\n',
    )
    expect(upgrade.status).toBe(200)
  })
})

describe('the head of a request (case 95)', () => {
  it('that never ends is answered with 408 and closed, and so is one that trickles', async () => {
    const http = server.app.fastify.server
    const { headersTimeout } = http
    http.headersTimeout = 300
    try {
      const silent = await RawClient.open(server.port)
      await silent.send('GET /livez HTTP/1.1\r\nHo')
      const trickling = connect(server.port, '127.0.0.1')
      let said = ''
      let closed = false
      trickling.on('data', (text) => {
        said += text
      })
      trickling.on('error', () => {
        // The server has closed while a byte was on its way.
      })
      trickling.on('close', () => {
        closed = true
      })
      trickling.write('GET /livez HTTP/1.1\r\nX: ')
      const timer = setInterval(() => trickling.write('x'), 20)
      await silent.whenClosed()
      await until(
        () => (closed ? true : undefined),
        10_000,
        () => 'the trickling head is still waited for',
      )
      clearInterval(timer)
      expect(silent.received.toString('latin1')).toContain(' 408 ')
      expect(silent.received.toString('latin1')).toContain('headers-too-slow')
      expect(said).toContain(' 408 ')
    } finally {
      http.headersTimeout = headersTimeout
    }
  })
})
