/** The addresses in our answers, behind proxies that take a prefix away, keep it, end TLS, or put their own name first. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { rawRequest } from '../testing/raw-http.ts'
import { startTestServer, type TestServer } from '../testing/test-server.ts'
import { prefixRemover } from './own-url.ts'

let server: TestServer
let unnamed: TestServer
beforeAll(async () => {
  const trustedProxies = ['127.0.0.1']
  server = await startTestServer({
    publicUrl: 'https://staging.example.org/cargo',
    podUrl: 'http://supercargo.supercargo:10000',
    trustedProxies,
  })
  unnamed = await startTestServer({ trustedProxies })
})
afterAll(() => Promise.all([server.stop(), unnamed.stop()]))

const steps = '/webhdfs/v1/spark/a%20b?op=CREATE'

async function ask({ port }: TestServer, path: string, host: string, fields: Record<string, string> = {}) {
  const head = Object.entries({ host, 'content-length': '0', ...fields }).map(
    ([name, value]) => `${name}: ${value}\r\n`,
  )
  return await rawRequest(port, `${path.includes('op=') ? 'PUT' : 'GET'} ${path} HTTP/1.1\r\n${head.join('')}\r\n`)
}

async function redirected(to: TestServer, path: string, host: string, fields?: Record<string, string>) {
  return (await ask(to, path, host, fields)).headers.location
}

describe('the second step of WebHDFS', () => {
  it.each<[string, string, string, Record<string, string>, string]>([
    ['the host of a configured address', steps, 'staging.example.org', {}, 'https://staging.example.org/cargo'],
    [
      'the same, with the prefix kept',
      `/cargo${steps}`,
      'staging.example.org',
      {},
      'https://staging.example.org/cargo',
    ],
    ['the address for pods', steps, 'supercargo.supercargo:10000', {}, 'http://supercargo.supercargo:10000'],
    ["the proxy's own name", steps, '127.0.0.1:10000', {}, 'https://staging.example.org/cargo'],
    [
      "the proxy's own name, and ours told",
      steps,
      'upstream',
      { 'x-forwarded-host': 'staging.example.org' },
      'https://staging.example.org/cargo',
    ],
    [
      'another name, told',
      steps,
      'upstream',
      { 'x-forwarded-host': 'alias.example', 'x-forwarded-proto': 'https', 'x-forwarded-prefix': '/p' },
      'https://alias.example/p',
    ],
    [
      'another name, told, with our prefix kept',
      `/cargo${steps}`,
      'u',
      { forwarded: 'for=10.0.0.1;host=alias.example;proto=https' },
      'https://alias.example/cargo',
    ],
  ])('leads to where the client came from: %s', async (_, path, host, fields, base) => {
    expect(await redirected(server, path, host, fields)).toBe(`${base}${steps}&data=true`)
  })

  it('leads to what the client wrote where nothing is configured', async () => {
    expect(await redirected(unnamed, steps, 'node:31000')).toBe(`http://node:31000${steps}&data=true`)
  })
})

describe('a path prefix', () => {
  it('that a proxy kept is no part of the path, also of a request that waits for 100', async () => {
    expect((await ask(server, '/cargo/livez', 'x')).status).toBe(200)
    expect((await ask(server, '/livez', 'x')).status).toBe(200)
    expect((await ask(server, '/cargo/other', 'x')).status).toBe(404)
    expect((await ask(unnamed, '/cargo/livez', 'x')).status).toBe(404)
    const waiting = await rawRequest(
      server.port,
      'POST /cargo/api/v1/resources HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n{}',
    )
    expect([waiting.status, JSON.parse(waiting.body.toString()).code]).toEqual([400, 'invalid-input'])
  })

  it('is in the description of the API', async () => {
    const { servers } = JSON.parse(
      (await ask(server, '/cargo/api/v1/openapi.json', 'staging.example.org')).body.toString(),
    )
    expect(servers).toEqual([{ url: 'https://staging.example.org/cargo' }])
  })

  it.each([
    ['/api', '/api/v1/resources', '/api/v1/resources'],
    ['/api', '/api/api/v1/resources', '/api/v1/resources'],
    ['/c', '/c/c/token/file', '/c/token/file'],
    ['/c', '/c/token/file', '/c/token/file'],
    ['/a/b', '/a/b/readyz?x', '/readyz?x'],
    ['/a', '/ab/readyz', '/ab/readyz'],
    ['/', '/readyz', '/readyz'],
  ])('%s of %s leaves %s', (prefix, path, rest) => {
    expect(prefixRemover([undefined, `https://h.example${prefix}`])(path)).toBe(rest)
  })
})
