/** GETs over plain connections of our own: every way in which a body ends, at whichever byte, lent or read as a stream. */
import type { Socket } from 'node:net'
import { SupercargoError } from '@supercargo/protocol'
import { afterEach, describe, expect, it } from 'vitest'
import { receive } from './receive.ts'
import { LoopbackServers } from './testing/loopback-servers.ts'

const servers = new LoopbackServers()
afterEach(() => servers.close())

const body = Buffer.from(Array.from({ length: 300 }, (_, index) => index % 251))
const plain = Buffer.concat([Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 300\r\nETag: "1"\r\n\r\n'), body])
const chunked = Buffer.concat([
  Buffer.from('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nC8\r\n'),
  ...[body.subarray(0, 200), Buffer.from('\r\n64\r\n'), body.subarray(200), Buffer.from('\r\n0\r\n\r\n')],
])
const closing = Buffer.concat([Buffer.from('HTTP/1.0 200 OK\r\n\r\n'), body])

/** Answers every request with these pieces, one after the other has arrived, and then does what is said. */
async function saying(pieces: readonly Buffer[], after: (socket: Socket) => void = () => undefined): Promise<URL> {
  return await servers.tcp((socket) => {
    socket.setNoDelay(true)
    socket.on('data', () => {
      const next = (index: number): void => {
        const piece = pieces[index]
        if (piece === undefined) return after(socket)
        socket.write(piece, () => setImmediate(() => next(index + 1)))
      }
      next(0)
    })
  })
}

async function taken(url: URL, lent: boolean): Promise<Buffer> {
  const client = servers.client({ idleTimeoutMs: 5000 })
  const { stream } = await client.request({ url })
  const chunks: Buffer[] = []
  await receive(stream, (chunk) => void chunks.push(Buffer.from(chunk)), { lent, source: 'it' })
  return Buffer.concat(chunks)
}

describe.each([true, false])('a body that is lent: %s,', (lent) => {
  it.each([
    ['with a length', plain],
    ['in chunks', chunked],
    ['that ends with its connection', closing],
  ])('%s is whole, at whichever byte it is divided', async (name, wire) => {
    for (let at = 1; at < wire.length; at += 7) {
      const url = await saying([wire.subarray(0, at), wire.subarray(at)], (socket) =>
        name.includes('connection') ? socket.end() : undefined,
      )
      expect((await taken(url, lent)).equals(body)).toBe(true)
      servers.close()
    }
  })

  it.each([
    ['with a length', plain],
    ['in chunks', chunked],
  ])('%s is interrupted, at whichever byte it is cut', async (_, wire) => {
    for (let at = 0; at < wire.length; at += 7) {
      const url = await saying([wire.subarray(0, at)], (socket) => socket.end())
      await expect(taken(url, lent)).rejects.toMatchObject({ kind: 'interrupted' })
      servers.close()
    }
  })

  it.each([
    ['with a length', 'Content-Length: 400000\r\n', ['', '']],
    ['in chunks', 'Transfer-Encoding: chunked\r\n', ['61A80\r\n', '\r\n0\r\n\r\n']],
    ['that ends with its connection', 'Connection: close\r\n', ['', '']],
  ])(
    '%s that came with its head is whole, however late it is taken and however slowly',
    async (name, field, around) => {
      const large = Buffer.from(Array.from({ length: 400_000 }, (_, index) => (index * 7 + (index >> 8)) % 256))
      const wire = [Buffer.from(`HTTP/1.1 200 OK\r\n${field}\r\n${around[0]}`), large, Buffer.from(around[1]!)]
      const url = await saying([Buffer.concat(wire)], (socket) => name.includes('connection') && socket.end())
      const client = servers.client()
      for (const turns of [0, 1, 10]) {
        const { stream } = await client.request({ url })
        for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve))
        const chunks: Buffer[] = []
        const slowly = async (chunk: Buffer): Promise<void> => {
          chunks.push(Buffer.from(chunk))
          await new Promise((resolve) => setImmediate(resolve))
        }
        await receive(stream, slowly, { lent, source: 'it' })
        expect(Buffer.concat(chunks).equals(large)).toBe(true)
      }
    },
  )

  it('waits for its taker, who gets all of it in order', async () => {
    const large = Buffer.alloc(3 << 20, 7)
    const { url } = await servers.http((_, response) => response.end(large))
    const { stream } = await servers.client().request({ url })
    let bytes = 0
    let busy = false
    const write = async (chunk: Buffer): Promise<void> => {
      expect(busy).toBe(false)
      busy = true
      bytes += chunk.length
      await new Promise((resolve) => setImmediate(resolve))
      busy = false
    }
    await receive(stream, write, { lent, source: 'it' })
    expect(bytes).toBe(large.length)
  })
})

describe('a connection', () => {
  it('is used again after every kind of body but the one that ends it', async () => {
    const sockets = new Set<Socket>()
    const { url } = await servers.http((request, response) => {
      sockets.add(request.socket)
      if (request.url === '/chunked') response.write('a')
      response.end('b')
    })
    const client = servers.client()
    for (const path of ['/', '/chunked', '/', '/chunked']) {
      expect(await (await client.request({ url: new URL(path, url) })).text()).toMatch(/^a?b$/)
      await new Promise((resolve) => setImmediate(resolve))
    }
    expect(sockets.size).toBe(1)
  })

  it('sends a header with a line break to nobody', async () => {
    const { url, server } = await servers.http((_, response) => response.end())
    let asked = 0
    server.on('request', () => asked++)
    for (const headers of [{ 'x-a': 'b\r\nx-c: d' }, { 'x\r\n': 'b' }])
      await expect(servers.client().request({ url, headers })).rejects.toThrow()
    expect(asked).toBe(0)
  })

  it('passes over interim answers', async () => {
    const url = await saying([Buffer.from('HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n'), plain])
    expect((await taken(url, true)).equals(body)).toBe(true)
  })

  it('is closed when its body is not wanted, and when the signal aborts', async () => {
    const { url, server } = await servers.http(
      (_, response) => void response.writeHead(200).write(Buffer.alloc(1 << 20)),
    )
    const open = (): Promise<number> => new Promise((done) => server.getConnections((_, count) => done(count)))
    const client = servers.client()
    const first = await client.request({ url })
    first.discard()
    await expect.poll(open).toBe(0)
    const stop = new AbortController()
    const second = await client.request({ url, signal: stop.signal })
    const ended = receive(second.stream, () => undefined, { lent: true, source: 'it' })
    stop.abort(new Error('enough'))
    await expect(ended).rejects.toMatchObject({ kind: 'interrupted' })
    await expect.poll(open).toBe(0)
  })
})

describe('a request that is given up', () => {
  it('on a kept connection ends, also when the reason is the failure of another connection', async () => {
    let requests = 0
    const { url } = await servers.http((_, response) => {
      requests++
      if (requests === 1) response.end('first')
    })
    const client = servers.client()
    expect(await (await client.request({ url })).text()).toBe('first')
    const stop = new AbortController()
    const reason = new SupercargoError('interrupted', 'connection-lost', 'the other one was cut')
    const asked = client.request({ url, signal: stop.signal })
    const refused = expect(asked).rejects.toBe(reason)
    await expect.poll(() => requests).toBe(2)
    stop.abort(reason)
    await refused
  })
})
