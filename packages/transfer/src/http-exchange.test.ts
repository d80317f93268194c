/** One exchange: time-outs, answers that come early, bodies that fail, wait or are written, and the signal that ends it. */
import { getEventListeners } from 'node:events'
import { Readable } from 'node:stream'
import { buffer, text } from 'node:stream/consumers'
import { SupercargoError } from '@supercargo/protocol'
import { afterEach, describe, expect, it } from 'vitest'
import type { BodyPump } from './http-exchange.ts'
import { LoopbackServers } from './testing/loopback-servers.ts'

const servers = new LoopbackServers()
afterEach(() => servers.close())

describe('time-outs', () => {
  it('end an exchange without an answer', async () => {
    const url = await servers.tcp(() => undefined)
    await expect(servers.client({ idleTimeoutMs: 60 }).request({ url })).rejects.toMatchObject({
      kind: 'interrupted',
      code: 'stalled',
    })
  })

  it('end a connection that never stands: TCP without its TLS', async () => {
    const url = await servers.tcp(() => undefined)
    url.protocol = 'https:'
    const client = servers.client({ connectTimeoutMs: 60, idleTimeoutMs: 60_000 })
    await expect(client.request({ url })).rejects.toMatchObject({ kind: 'unavailable', code: 'connect-timeout' })
  })

  it('end an upload that the other side does not take', async () => {
    const url = await servers.tcp((socket) => socket.pause())
    const body = new Readable({
      read() {
        this.push(Buffer.alloc(1 << 20))
      },
    })
    await expect(servers.client({ idleTimeoutMs: 100 }).request({ method: 'PUT', url, body })).rejects.toMatchObject({
      code: 'stalled',
    })
    expect(body.destroyed).toBe(true)
  })

  it('do not blame the other side while we are the slow one', async () => {
    const { url } = await servers.http((_, response) => response.end(Buffer.alloc(8 << 20)))
    const { stream } = await servers.client({ idleTimeoutMs: 150 }).request({ url })
    await new Promise((resolve) => stream.once('readable', resolve))
    // Longer than the time-out, several times over.
    for (const until = performance.now() + 700; performance.now() < until; )
      await new Promise((resolve) => setTimeout(resolve, 10))
    let bytes = 0
    for await (const chunk of stream as AsyncIterable<Buffer>) bytes += chunk.length
    expect(bytes).toBe(8 << 20)
  })
})

describe('an answer before the end of the body', () => {
  it.each([413, 200])('%i is seen, and the rest of the body is not sent', async (status) => {
    const { url } = await servers.http((_, response) => {
      response.writeHead(status, { connection: 'close' })
      response.end('enough')
    })
    let sent = 0
    const body = new Readable({
      read() {
        sent += 1 << 16
        setImmediate(() => this.push(sent > 1 << 30 ? null : Buffer.alloc(1 << 16)))
      },
    })
    const response = await servers.client().request({ method: 'POST', url, body })
    expect([response.status, await response.text()]).toEqual([status, 'enough'])
    expect(body.destroyed).toBe(true)
    expect(sent).toBeLessThan(1 << 28)
  })
})

describe('a body', () => {
  it('that fails is the failure, and nothing complete arrives', async () => {
    let complete = false
    const { url } = await servers.http((request) => {
      request.on('end', () => {
        complete = true
      })
      request.resume()
      request.on('error', () => undefined)
    })
    const failure = new SupercargoError('corrupt', 'file-changed', 'it changed')
    const body = Readable.from(
      (async function* () {
        yield Buffer.alloc(1000)
        throw failure
      })(),
    )
    await expect(servers.client().request({ method: 'PUT', url, body })).rejects.toBe(failure)
    expect(complete).toBe(false)
  })

  it('that is destroyed on the way does not pass for a complete one', async () => {
    const { url } = await servers.http((request) => request.resume().on('error', () => undefined))
    const body = new Readable({ read() {} })
    body.push('x')
    setImmediate(() => body.destroy())
    await expect(servers.client().request({ method: 'PUT', url, body })).rejects.toMatchObject({ kind: 'interrupted' })
  })
})

describe('a body that is written instead of read', () => {
  it('arrives, also when its one buffer is used again and again', async () => {
    let received = Buffer.alloc(0)
    const { url } = await servers.http(async (request, response) => {
      received = await buffer(request)
      response.end('ok')
    })
    const chunk = Buffer.alloc(1 << 20)
    const body: BodyPump = async (write) => {
      for (let number = 0; number < 8; number++) await write(chunk.fill(number))
    }
    await (await servers.client().request({ method: 'PUT', url, body })).text()
    expect(received.length).toBe(8 << 20)
    for (let number = 0; number < 8; number++) expect(received[(number << 20) + 12_345]).toBe(number)
  })

  it('that fails is the failure', async () => {
    const { url } = await servers.http((request) => request.resume().on('error', () => undefined))
    const failure = new SupercargoError('corrupt', 'file-changed', 'it changed')
    const body: BodyPump = async (write) => {
      await write(Buffer.alloc(1000))
      throw failure
    }
    await expect(servers.client().request({ method: 'PUT', url, body })).rejects.toBe(failure)
  })

  it('stops when the answer is there, and when the connection is not', async () => {
    let ended = 0
    const endless: BodyPump = async (write) => {
      try {
        for (;;) await write(Buffer.alloc(1 << 16))
      } finally {
        ended++
      }
    }
    const { url } = await servers.http((_, response) => response.writeHead(413, { connection: 'close' }).end('enough'))
    const response = await servers.client().request({ method: 'PUT', url, body: endless })
    expect([response.status, await response.text()]).toEqual([413, 'enough'])
    await expect.poll(() => ended).toBe(1)
    const cutting = await servers.tcp((socket) => socket.once('data', () => socket.resetAndDestroy()))
    await expect(servers.client().request({ method: 'PUT', url: cutting, body: endless })).rejects.toMatchObject({
      kind: 'interrupted',
    })
    await expect.poll(() => ended).toBe(2)
  })
})

describe('a body that waits to be asked for', () => {
  const asking = { expect: '100-continue' }

  it('is sent when it is, not sent when it is refused, and sent in the end when nobody says anything', async () => {
    let begun = 0
    const body = (): BodyPump => async (write) => {
      begun++
      await write(Buffer.from('hello'))
    }
    const { url, server } = await servers.http(async (request, response) => void response.end(await text(request)))
    const ask = async (): Promise<string> =>
      (await servers.client().request({ method: 'PUT', url, headers: asking, body: body() })).text()
    expect([await ask(), begun]).toEqual(['hello', 1])
    server.on('checkContinue', (_, response) => response.writeHead(409).end('no'))
    expect([await ask(), begun]).toEqual(['no', 1])
    server.removeAllListeners('checkContinue')
    server.on('checkContinue', async (request, response) => void response.end(await text(request)))
    expect([await ask(), begun]).toEqual(['hello', 2])
  })

  it('may be a stream', async () => {
    const { url } = await servers.http(async (request, response) => void response.end(await text(request)))
    const response = await servers
      .client()
      .request({ method: 'PUT', url, headers: asking, body: Readable.from(['hello']) })
    expect(await response.text()).toBe('hello')
  })
})

describe('a signal', () => {
  it('ends the exchange wherever it is, with its reason, and nobody listens to it afterwards', async () => {
    const reason = new SupercargoError('interrupted', 'stopped', 'enough')
    const { url } = await servers.http((request, response) => {
      if (request.url === '/body') {
        response.writeHead(200, { 'content-length': '10' })
        response.write('abc')
      }
    })
    const before = servers.client()
    await expect(before.request({ url, signal: AbortSignal.abort(reason) })).rejects.toBe(reason)

    const head = new AbortController()
    const waiting = servers.client().request({ url, signal: head.signal })
    setTimeout(() => head.abort(reason), 20)
    await expect(waiting).rejects.toBe(reason)

    const body = new AbortController()
    const response = await servers.client().request({ url: new URL('/body', url), signal: body.signal })
    const reading = response.text()
    setTimeout(() => body.abort(reason), 20)
    await expect(reading).rejects.toBe(reason)
    for (const { signal } of [head, body]) expect(getEventListeners(signal, 'abort')).toEqual([])
  })
})
