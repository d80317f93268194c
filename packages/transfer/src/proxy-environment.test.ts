/** Exchanges through a proxy of the environment: a real one on this machine, and names that nobody but it knows. */
import type { IncomingHttpHeaders } from 'node:http'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import type { HttpClient } from './http-client.ts'
import { proxiesOf } from './proxy-environment.ts'
import { LoopbackServers } from './testing/loopback-servers.ts'

const servers = new LoopbackServers()
afterEach(() => servers.close())

interface Asked {
  readonly line: string
  readonly headers: IncomingHttpHeaders
}

/** Answers plain requests itself, and refuses or drops tunnels. */
async function proxy(connectAnswer: string | undefined, status = 200): Promise<{ host: string; asked: Asked[] }> {
  const asked: Asked[] = []
  const { url, server } = await servers.http((request, response) => {
    asked.push({ line: `${request.method} ${request.url}`, headers: request.headers })
    response.writeHead(status).end('through')
  })
  server.on('connect', (request, socket) => {
    asked.push({ line: `${request.method} ${request.url}`, headers: request.headers })
    servers.adopt(() => socket.destroy())
    if (connectAnswer !== undefined) socket.end(`HTTP/1.1 ${connectAnswer}\r\ncontent-length: 0\r\n\r\n`)
  })
  return { host: url.host, asked }
}

function clientWith(environment: Record<string, string>, more: object = {}): HttpClient {
  return servers.client({ proxyFor: proxiesOf(environment), ...more })
}

describe('a proxy of the environment', () => {
  it('gets the whole address of a plain request, and the user and password of its own URL', async () => {
    const { host, asked } = await proxy(undefined)
    const client = clientWith({ HTTP_PROXY: `http://me:p%40ss%3Aword@${host}` })
    const response = await client.request({ url: new URL('http://files.example/a%20b.jar?v=1') })
    expect(await response.text()).toBe('through')
    expect(asked[0]!.line).toBe('GET http://files.example/a%20b.jar?v=1')
    expect(asked[0]!.headers.host).toBe('files.example')
    const authorization = asked[0]!.headers['proxy-authorization']!
    expect(Buffer.from(authorization.replace('Basic ', ''), 'base64').toString()).toBe('me:p@ss:word')
  })

  it('is asked for a tunnel to an https address, and sees nothing but its host', async () => {
    const { host, asked } = await proxy('502 Bad Gateway')
    const client = clientWith({ https_proxy: `http://${host}` })
    const exchange = client.request({ url: new URL('https://files.example/canary'), headers: { cookie: 'canary' } })
    await expect(exchange).rejects.toMatchObject({ kind: 'unavailable', code: 'proxy-failed', retry: true })
    expect(asked.map((each) => each.line)).toEqual(['CONNECT files.example:443'])
    expect(JSON.stringify(asked)).not.toContain('canary')
  })

  it.each(['407 Proxy Authentication Required', '403 Forbidden'])(
    'that answers a tunnel with %s is denied for good, and its password is not shown',
    async (answer) => {
      const { host } = await proxy(answer)
      const client = clientWith({ HTTPS_PROXY: `http://me:canary@${host}` })
      const error = await client.request({ url: new URL('https://files.example/') }).catch((failure: Error) => failure)
      expect(error).toMatchObject({ kind: 'denied', code: 'proxy-refused', hint: expect.any(String) })
      expect([(error as Error).message, String((error as Error).cause)].join()).not.toContain('canary')
      expect((error as Error).message).toContain(host)
    },
  )

  it('that makes no tunnel is given up after the time for a connection', async () => {
    const { host } = await proxy(undefined)
    const client = clientWith({ HTTPS_PROXY: `http://${host}` }, { connectTimeoutMs: 150 })
    await expect(client.request({ url: new URL('https://files.example/') })).rejects.toMatchObject({
      kind: 'unavailable',
      code: 'connect-timeout',
      message: expect.stringContaining(host),
    })
  })

  it('that is not there is unavailable', async () => {
    const client = clientWith({ HTTP_PROXY: 'http://127.0.0.1:9' })
    await expect(client.request({ url: new URL('http://files.example/') })).rejects.toMatchObject({
      kind: 'unavailable',
      code: 'connection-refused',
    })
  })

  it('is not used for addresses that NO_PROXY, the loopback or the cluster take out', async () => {
    const { host, asked } = await proxy(undefined)
    const { url } = await servers.http((_, response) => response.end('direct'))
    const client = clientWith({ HTTP_PROXY: `http://${host}` })
    expect(await (await client.request({ url })).text()).toBe('direct')
    expect(asked).toEqual([])
    const proxyFor = proxiesOf({ HTTP_PROXY: 'http://proxy.example', NO_PROXY: '10.0.0.0/8,.corp.example' })
    const cases = ['10.1.2.3', 'a.corp.example', 'supercargo.default.svc:10000', 'a.b.svc.cluster.local', 'localhost']
    for (const name of cases) expect(proxyFor(new URL(`http://${name}/`))).toBeUndefined()
    expect(proxyFor(new URL('http://files.example/'))?.host).toBe('proxy.example')
  })

  it('cannot carry an address that is refused', async () => {
    const { host, asked } = await proxy(undefined)
    const client = clientWith({ HTTP_PROXY: `http://${host}` })
    await expect(client.request({ url: new URL('http://169.254.169.254/latest') })).rejects.toMatchObject({
      kind: 'unsafe',
      code: 'address-refused',
    })
    expect(asked).toEqual([])
  })

  it('of another kind is refused by name, without its password', () => {
    const proxyFor = proxiesOf({ HTTP_PROXY: 'socks5://me:canary@proxy.example:1080' })
    expect(() => proxyFor(new URL('http://files.example/'))).toThrow(/^(?!.*canary).*socks5/)
  })

  it('keeps its connection for the next request', async () => {
    const sockets = new Set<Socket>()
    const target = await servers.http((_, response) => response.end('ok'))
    const port = (target.server.address() as AddressInfo).port
    const relay = createServer((socket) => {
      sockets.add(socket)
      const onward = connect(port, '127.0.0.1')
      socket.pipe(onward).pipe(socket)
      for (const end of [socket, onward]) end.on('error', () => end.destroy())
    })
    await new Promise<void>((resolve) => relay.listen(0, '127.0.0.1', resolve))
    servers.adopt(() => {
      for (const socket of sockets) socket.destroy()
      relay.close()
    })
    const client = clientWith({ HTTP_PROXY: `http://127.0.0.1:${(relay.address() as AddressInfo).port}` })
    for (let round = 0; round < 3; round++) {
      await (await client.request({ url: new URL('http://files.example/') })).text()
      await new Promise((resolve) => setImmediate(resolve))
    }
    expect(sockets.size).toBe(1)
  })
})
