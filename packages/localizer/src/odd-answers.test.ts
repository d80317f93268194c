/** Answers and addresses that are odd lead to the right bytes or to one clear reason, and nobody learns more than he should. */
import { mkdir, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net'
import { networkInterfaces } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { scriptedServer, serve } from './testing/scripted-server.ts'
import { bytesOf, workbench } from './testing/workbench.ts'

const content = bytesOf(2000)
const closing: (() => void)[] = []
afterEach(() => {
  for (const close of closing.splice(0)) close()
})

/** A server that says exactly these bytes to whoever connects. */
async function saying(answer: Buffer | string): Promise<string> {
  const sockets = new Set<Socket>()
  const server = createTcpServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {
      // The client has heard enough.
    })
    socket.once('data', () => socket.end(answer))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  closing.push(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

describe('the head of an answer (case 48)', () => {
  it.each([
    ['of a megabyte', `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(1 << 20)}\r\n\r\nbytes`],
    [
      'of 5000 fields',
      `HTTP/1.1 200 OK\r\n${Array.from({ length: 5000 }, (_, n) => `X-${n}: y\r\n`).join('')}\r\nbytes`,
    ],
    ['with bytes that no field may have', 'HTTP/1.1 200 OK\r\nX: a\u0000b\r\nContent-Length: 5\r\n\r\nbytes'],
    ['with two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nbytes!'],
    ['that is none', 'SSH-2.0-OpenSSH_9.9\r\n'],
  ])('%s is refused and leaves nothing', async (_, answer) => {
    await using bench = await workbench()
    const origin = await saying(answer)
    await expect(
      bench.run([{ uri: `${origin}/a.jar`, to: 'a.jar' }], { limits: { attemptsMax: 2 } }),
    ).rejects.toMatchObject({ kind: 'corrupt' })
    expect(await bench.files()).toEqual({})
  })
})

describe('a body (case 29)', () => {
  it('that is longer than its length is refused, and its rest is not taken for the next answer', async () => {
    await using bench = await workbench()
    const origin = await saying('HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\njar and HTTP/1.1 200 OK')
    await expect(bench.run([{ uri: `${origin}/a.jar`, to: 'a.jar' }])).rejects.toMatchObject({ kind: 'corrupt' })
    expect(await bench.files()).toEqual({})
  })
})

describe('a login by cookie (case 49)', () => {
  it('is not taken part in: no cookie is kept, and the chain ends with a reason', async () => {
    await using bench = await workbench()
    await using server = await scriptedServer((request, response, number) => {
      const to = request.url === '/login' ? '/a.jar' : '/login'
      response.writeHead(302, { location: to, 'set-cookie': `session=${number}; Path=/` }).end()
    })
    await expect(bench.run([{ uri: server.url('/a.jar'), to: 'a.jar' }])).rejects.toMatchObject({
      code: 'too-many-redirects',
      retry: false,
    })
    expect(server.requests.length).toBeLessThan(20)
    for (const { headers } of server.requests) expect(headers.cookie).toBeUndefined()
  })
})

describe('a request', () => {
  it('is a GET, always, so that a signed URL holds (case 50)', async () => {
    await using bench = await workbench()
    await using server = await scriptedServer((request, response, number) =>
      request.method === 'GET'
        ? serve(request, response, content, { etag: '"1"', ...(number === 1 ? { cutAfter: 500 } : {}) })
        : response.writeHead(403).end(),
    )
    await bench.run([{ uri: server.url('/a.jar?X-Amz-Signature=s'), to: 'a.jar' }])
    expect(server.requests.map(({ method, path }) => [method, path])).toEqual([
      ['GET', '/a.jar?X-Amz-Signature=s'],
      ['GET', '/a.jar?X-Amz-Signature=s'],
    ])
  })

  it('does not carry the fragment, and carries the path as it was written (cases 1, 2)', async () => {
    await using bench = await workbench()
    await using server = await scriptedServer((request, response) => serve(request, response, content))
    await bench.run([{ uri: server.url('/a%2Cb%20c+d,e%23f.jar?x=1,2#alias'), to: 'alias' }])
    expect(server.requests.map(({ path }) => path)).toEqual(['/a%2Cb%20c+d,e%23f.jar?x=1,2'])
    expect(Object.keys(await bench.files())).toEqual(['alias'])
  })

  it('carries no credential that the plan does not name: neither ~/.netrc nor the environment is asked (case 136)', async () => {
    await using bench = await workbench()
    await using server = await scriptedServer((request, response) => serve(request, response, content))
    const home = join(bench.directory, 'home')
    await mkdir(home)
    await writeFile(
      join(home, '.netrc'),
      'machine 127.0.0.1 login canary password canary\ndefault login canary password canary\n',
    )
    const before = { ...process.env }
    Object.assign(process.env, {
      HOME: home,
      NETRC: join(home, '.netrc'),
      AWS_ACCESS_KEY_ID: 'canary',
      HTTP_AUTH: 'canary',
    })
    try {
      await bench.run([{ uri: server.url('/a'), to: 'a' }])
    } finally {
      for (const name of ['HOME', 'NETRC', 'AWS_ACCESS_KEY_ID', 'HTTP_AUTH']) {
        if (before[name] === undefined) delete process.env[name]
        else process.env[name] = before[name]
      }
    }
    expect(server.requests[0]!.headers.authorization).toBeUndefined()
    expect(JSON.stringify(server.requests)).not.toContain('canary')
  })
})

const hasIpv6 = Object.values(networkInterfaces()).some((addresses) =>
  addresses?.some(({ address }) => address === '::1'),
)

describe('an address (cases 15, 128)', () => {
  it('may have its scheme in capitals', async () => {
    await using bench = await workbench()
    await using server = await scriptedServer((request, response) => serve(request, response, content))
    await bench.run([{ uri: server.url('/a').replace('http', 'HTTP'), to: 'a' }])
    expect(server.requests.length).toBe(1)
  })

  it.runIf(hasIpv6)('may be an IPv6 literal', async () => {
    await using bench = await workbench()
    const server = createServer((_, response) => response.end('over IPv6'))
    await new Promise<void>((resolve) => server.listen(0, '::1', resolve))
    closing.push(() => {
      server.close()
      server.closeAllConnections()
    })
    const { port } = server.address() as AddressInfo
    await bench.run([{ uri: `http://[::1]:${port}/a`, to: 'a' }])
    expect(await bench.files()).toEqual({ a: 'over IPv6' })
  })
})
