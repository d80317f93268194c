/** The client: pooled connections that went stale, redirects and who sees credentials, addresses, answers. */
import { Agent } from 'node:http'
import type { Socket } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { exchange } from './http-exchange.ts'
import { LoopbackServers } from './testing/loopback-servers.ts'

const servers = new LoopbackServers()
afterEach(() => servers.close())

describe('a pooled connection', () => {
  /** Closes each connection as soon as its second request arrives: the race with a server's keep-alive time-out. */
  async function flaky(): Promise<{ url: URL; requests: string[] }> {
    const requests: string[] = []
    const served = new WeakSet<Socket>()
    const { url } = await servers.http((request, response) => {
      requests.push(`${request.method} ${request.url}`)
      if (served.has(request.socket)) return void request.socket.destroy()
      served.add(request.socket)
      response.end('ok')
    })
    return { url, requests }
  }

  it('that went stale is replaced, however many of them there are', async () => {
    const { url, requests } = await flaky()
    const client = servers.client()
    const texts = await Promise.all([1, 2, 3].map(async () => (await client.request({ url })).text()))
    expect(texts).toEqual(['ok', 'ok', 'ok'])
    await new Promise((resolve) => setImmediate(resolve))
    expect(await (await client.request({ url })).text()).toBe('ok')
    expect(requests.length).toBeGreaterThan(4)
  })

  it('that went stale fails an exchange with a body: the flow decides whether to send it again', async () => {
    const { url } = await flaky()
    const client = servers.client()
    await (await client.request({ method: 'PUT', url, body: 'x' })).text()
    await new Promise((resolve) => setImmediate(resolve))
    await expect(client.request({ method: 'POST', url, body: 'x' })).rejects.toMatchObject({
      kind: 'interrupted',
      code: 'connection-lost',
    })
  })

  it('is used again after a small, an empty and a bodiless answer', async () => {
    const sockets = new Set<Socket>()
    const { url } = await servers.http((request, response) => {
      sockets.add(request.socket)
      if (request.url === '/none') response.writeHead(204).end()
      else if (request.method === 'HEAD') response.writeHead(200, { 'content-length': String(10 * 2 ** 30) }).end()
      else response.end('small')
    })
    const client = servers.client()
    for (const [method, path] of [
      ['GET', '/'],
      ['HEAD', '/'],
      ['DELETE', '/none'],
      ['GET', '/'],
    ] as const) {
      const response = await client.request({ method, url: new URL(path, url) })
      const ended = new Promise((resolve) => response.stream.once('close', resolve))
      response.discard()
      await ended
      await new Promise((resolve) => setImmediate(resolve))
    }
    // GETs have connections of their own.
    expect(sockets.size).toBe(2)
  })

  it('is let go when the rest of an answer is long', async () => {
    const { url } = await servers.http((_, response) => response.end(Buffer.alloc(64 << 20)))
    const response = await servers.client().request({ url })
    response.discard()
    expect(response.stream.destroyed).toBe(true)
  })
})

describe('redirects', () => {
  it('are followed when asked for, and credentials are asked for each address', async () => {
    const seen: (string | undefined)[] = []
    const other = await servers.http((request, response) => {
      seen.push(request.headers.authorization)
      response.end(request.url)
    })
    const { url } = await servers.http((request, response) => {
      seen.push(request.headers.authorization)
      response.writeHead(307, { location: `${other.url.href}there?signed=1` }).end()
    })
    const response = await servers.client().request({
      url,
      redirectsMax: 3,
      headers: (target) => (target.origin === url.origin ? { authorization: 'Bearer x' } : {}),
    })
    expect(await response.text()).toBe('/there?signed=1')
    expect(response.url.pathname).toBe('/there')
    expect(seen).toEqual(['Bearer x', undefined])
  })

  it('are answers when not asked for', async () => {
    const { url } = await servers.http((_, response) => response.writeHead(302, { location: '/x' }).end())
    expect((await servers.client().request({ url })).status).toBe(302)
  })

  it.each([
    ['/', 'too-many-redirects', 'corrupt'],
    ['', 'bad-redirect', 'corrupt'],
    ['http://[', 'bad-redirect', 'corrupt'],
    ['file:///etc/passwd', 'bad-redirect', 'unsafe'],
    ['http://169.254.169.254/latest/meta-data', 'address-refused', 'unsafe'],
    ['http://[::ffff:169.254.169.254]/', 'address-refused', 'unsafe'],
    ['http://[fe80::1]/', 'address-refused', 'unsafe'],
  ])('to %j end with %s', async (location, code, kind) => {
    const { url } = await servers.http((_, response) =>
      response.writeHead(302, location === '' ? {} : { location }).end(),
    )
    await expect(servers.client().request({ url, redirectsMax: 2 })).rejects.toMatchObject({ code, kind })
  })
})

describe('addresses', () => {
  const noOwn = { metadata: false, own: false }

  it.each(['127.0.0.1', 'localhost', '[::1]', '[::ffff:127.0.0.1]', '0.0.0.0', '2130706433'])(
    'of this machine are refused where they must not be dialled: %s',
    async (host) => {
      let dialled = false
      const url = await servers.tcp(() => {
        dialled = true
      })
      await expect(
        servers.client({ policy: noOwn }).request({ url: new URL(`http://${host}:${url.port}/`) }),
      ).rejects.toMatchObject({ kind: 'unsafe', code: 'address-refused' })
      expect(dialled).toBe(false)
    },
  )

  it('are checked also on a connection that is there already', async () => {
    const { url } = await servers.http((_, response) => response.end('ok'))
    const agent = new Agent({ keepAlive: true })
    servers.adopt(() => agent.destroy())
    const settings = {
      method: 'GET',
      url,
      headers: {},
      body: undefined,
      agent,
      connectTimeoutMs: 1000,
      idleTimeoutMs: 1000,
      signal: undefined,
      onInterim: undefined,
    }
    const first = await exchange({ ...settings, policy: { metadata: false, own: true } })
    first.resume()
    await new Promise((resolve) => first.once('close', resolve))
    await new Promise((resolve) => setImmediate(resolve))
    await expect(exchange({ ...settings, policy: noOwn })).rejects.toMatchObject({ code: 'address-refused' })
  })
})

describe('an answer', () => {
  it('that is no HTTP is corrupt, and no answer at all is unavailable', async () => {
    const garbage = await servers.tcp((socket) => socket.end('SSH-2.0-OpenSSH\r\n'))
    await expect(servers.client().request({ url: garbage })).rejects.toMatchObject({
      kind: 'corrupt',
      code: 'not-http',
    })
    const { url, server } = await servers.http(() => undefined)
    await new Promise((resolve) => server.close(resolve))
    await expect(servers.client().request({ url })).rejects.toMatchObject({
      kind: 'unavailable',
      code: 'connection-refused',
      hint: expect.any(String),
    })
  })

  it('is read as text up to a bound', async () => {
    const { url } = await servers.http((_, response) => response.end('x'.repeat(5_000_000)))
    expect((await (await servers.client().request({ url })).text(1000)).length).toBe(1000)
  })

  it('tells of interim answers', async () => {
    const { url } = await servers.http((_, response) => {
      response.writeProcessing()
      response.end()
    })
    const interim: number[] = []
    await servers.client().request({ url, onInterim: (status) => interim.push(status) })
    expect(interim).toEqual([102])
  })
})
