/** What is no request, or goes nowhere, is answered and disturbs nobody. */
import { afterEach, describe, expect, it } from 'vitest'
import { formBody, formRequest, v0Owner } from '../testing/form.ts'
import { RawClient, rawRequest } from '../testing/raw-http.ts'
import { startTestServer, type TestServer, type TestServerOptions } from '../testing/test-server.ts'

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

describe('a request that no route takes', () => {
  it('is 404 without repeating the URL, and 405 with Allow where the method is wrong', async () => {
    await start()
    const unknown = await fetch(`${server.url}/none/of-these?token=canary`)
    expect(unknown.status).toBe(404)
    expect(unknown.headers.get('content-type')).toBe('application/problem+json')
    expect(await unknown.text()).not.toContain('canary')
    for (const [method, path, allow] of [
      ['PUT', '/api/v0/resources/', 'OPTIONS, POST'],
      ['POST', `/api/v0/resources/${'a'.repeat(26)}`, 'GET, HEAD, OPTIONS'],
      ['PUT', '/api/v1/resources', 'GET, HEAD, OPTIONS, POST'],
      ['POST', '/api/v1/resources/x/files/a/b', 'GET, HEAD, OPTIONS'],
      ['POST', '/livez', 'GET, HEAD, OPTIONS'],
    ] as const) {
      const answer = await fetch(server.url + path, { method, body: 'x' })
      expect([answer.status, answer.headers.get('allow')], `${method} ${path}`).toEqual([405, allow])
      expect(answer.headers.get('content-type')).toBe('application/problem+json')
    }
    const options = await fetch(`${server.url}/api/v1/resources`, { method: 'OPTIONS' })
    expect([options.status, options.headers.get('allow')]).toEqual([204, 'GET, HEAD, OPTIONS, POST'])
    expect((await rawRequest(server.port, 'TRACE /livez HTTP/1.1\r\nHost: t\r\n\r\n')).status).toBe(405)
  })

  it.each([
    ['/%zz', 400],
    [`/api/v0/resources/${'x'.repeat(300)}`, 414],
    ['/api/v1/resources/%c0%ae%c0%ae', 400],
  ])('%s is a problem of status %d', async (path, status) => {
    await start()
    const answer = await rawRequest(server.port, `GET ${path} HTTP/1.1\r\nHost: t\r\n\r\n`)
    expect(answer.status).toBe(status)
    expect(answer.headers['content-type']).toBe('application/problem+json')
  })
})

describe('what is no request', () => {
  const cases: readonly (readonly [string, number, string])[] = [
    ['a head of 20 KB (case 35)', 431, `GET / HTTP/1.1\r\nHost: t\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`],
    [
      '3000 headers (case 35)',
      431,
      `GET / HTTP/1.1\r\nHost: t\r\n${Array.from({ length: 3000 }, (_, n) => `x${n}: y\r\n`).join('')}\r\n`,
    ],
    [
      'a secret of 17 KB (case 36)',
      431,
      `GET /api/v0/resources/x HTTP/1.1\r\nHost: t\r\nAuthorization: ${'x'.repeat(17_000)}\r\n\r\n`,
    ],
    [
      'a length and chunks at once (case 34)',
      400,
      'POST /api/v0/resources HTTP/1.1\r\nHost: t\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    ],
    [
      'two lengths (case 34)',
      400,
      'POST /api/v0/resources HTTP/1.1\r\nHost: t\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc',
    ],
    ['a negative length', 400, 'POST /api/v0/resources HTTP/1.1\r\nHost: t\r\nContent-Length: -1\r\n\r\n'],
    ['a folded header (case 34)', 400, 'GET /livez HTTP/1.1\r\nHost: t\r\nX: a\r\n b\r\n\r\n'],
    ['bare line feeds (case 34)', 400, 'GET /livez HTTP/1.1\nHost: t\n\n'],
    ['no host', 400, 'GET /livez HTTP/1.1\r\n\r\n'],
    ['TLS to a plain port', 400, '\x16\x03\x01\x02\x00\x01\x00'],
  ]
  it.each(cases)('%s is answered and the connection closed', async (_title, status, text) => {
    await start()
    const client = await RawClient.open(server.port)
    await client.send(Buffer.from(text, 'latin1'))
    const answer = await client.answer()
    expect(answer.status).toBe(status)
    await client.whenClosed()
  })

  it('behind a whole request does not spoil its answer (case 5)', async () => {
    await start()
    const client = await RawClient.open(server.port)
    await client.send(
      Buffer.concat([formRequest('/api/v0/resources/', v0Form('abc')), Buffer.from('extra bytes\r\n\r\n')]),
    )
    await client.whenClosed()
    const text = client.received.toString('latin1')
    expect(text).toContain(' 200 OK')
    expect(text).toContain(' 400 Bad Request')
  })

  it('two requests sent together are answered in order (case 33)', async () => {
    await start()
    const client = await RawClient.open(server.port)
    await client.send(
      Buffer.concat([
        formRequest('/api/v0/resources/', v0Form('abc')),
        Buffer.from('GET /api/v0/ping HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n'),
      ]),
    )
    await client.whenClosed()
    expect(client.received.toString('latin1')).toMatch(/200 OK.*resourceId.*200 OK.*pong$/s)
  })

  it('a body that nobody wanted does not become the next request (case 40)', async () => {
    await start()
    const hidden = 'GET /api/v0/ping HTTP/1.1\r\nHost: t\r\n\r\n'
    const client = await RawClient.open(server.port)
    await client.send(`GET /livez HTTP/1.1\r\nHost: t\r\nContent-Length: ${hidden.length}\r\n\r\n${hidden}`)
    await client.answer()
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(client.received.toString('latin1')).not.toContain('pong')
    client.destroy()
  })

  it('a request of HTTP/1.0 is answered and closed (case 33)', async () => {
    await start()
    const client = await RawClient.open(server.port)
    await client.send('GET /livez HTTP/1.0\r\n\r\n')
    await client.whenClosed()
    expect(client.received.toString('latin1')).toContain('200 OK')
  })
})
