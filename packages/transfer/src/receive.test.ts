/** The pump from a socket: complete bytes in order, or the reason why not. */
import type { ServerResponse } from 'node:http'
import { SupercargoError } from '@supercargo/protocol'
import { afterEach, describe, expect, it } from 'vitest'
import { receive } from './receive.ts'
import { LoopbackServers } from './testing/loopback-servers.ts'

const servers = new LoopbackServers()
afterEach(() => servers.close())

async function answered(answer: (response: ServerResponse) => void, idleTimeoutMs = 60_000) {
  const { url } = await servers.http((_, response) => answer(response))
  return (await servers.client({ idleTimeoutMs }).request({ url: new URL('/file', url) })).stream
}

describe('received bytes', () => {
  it('come in order, one at a time while the taker is slow', async () => {
    const bytes = Buffer.from(Array.from({ length: 3 << 20 }, (_, index) => index % 251))
    const stream = await answered((response) => response.end(bytes))
    const taken: Buffer[] = []
    let waiting = 0
    const count = await receive(
      stream,
      (chunk) => {
        expect(waiting++).toBe(0)
        taken.push(chunk)
        return new Promise((resolve) =>
          setImmediate(() => {
            waiting--
            resolve()
          }),
        )
      },
      { bytesMax: bytes.length, bytesExpected: bytes.length, source: 'file' },
    )
    expect(count).toBe(bytes.length)
    expect(Buffer.concat(taken).equals(bytes)).toBe(true)
  })

  it('that are cut are interrupted, at whichever byte', async () => {
    for (const sent of [0, 1, 5000]) {
      const stream = await answered((response) => {
        response.writeHead(200, { 'content-length': '10000' })
        response.flushHeaders()
        response.write(Buffer.alloc(sent), () => response.destroy())
        if (sent === 0) response.destroy()
      }).catch((error: unknown) => error)
      if (stream instanceof Error) expect(stream).toMatchObject({ kind: 'interrupted' })
      else {
        await expect(
          receive(stream as never, () => undefined, { source: 'file', bytesExpected: 10_000 }),
        ).rejects.toMatchObject({
          kind: 'interrupted',
          code: 'connection-lost',
          message: expect.stringContaining('file'),
        })
      }
    }
  })

  it('that end cleanly but early are interrupted when their number is known', async () => {
    const stream = await answered((response) => {
      response.write('abc')
      response.end()
    })
    await expect(receive(stream, () => undefined, { source: 'file', bytesExpected: 4 })).rejects.toMatchObject({
      kind: 'interrupted',
      code: 'cut-short',
      message: 'file: 3 of 4 bytes arrived',
    })
  })

  it('that are too many are corrupt, and the rest is not read', async () => {
    const stream = await answered((response) => response.end(Buffer.alloc(1 << 20)))
    await expect(receive(stream, () => undefined, { source: 'file', bytesMax: 1000 })).rejects.toMatchObject({
      kind: 'corrupt',
      code: 'too-many-bytes',
    })
    expect(stream.destroyed).toBe(true)
  })

  it('that stop coming are stalled', async () => {
    const stream = await answered((response) => {
      response.writeHead(200, { 'content-length': '10' })
      response.write('abc')
    }, 100)
    await expect(receive(stream, () => undefined, { source: 'file' })).rejects.toMatchObject({
      kind: 'interrupted',
      code: 'stalled',
    })
  })

  it.each(['throws', 'rejects'])('stop with the failure of their taker, which %s', async (how) => {
    const stream = await answered((response) => response.end(Buffer.alloc(1 << 20)))
    const failure = new SupercargoError('exhausted', 'disk-full', 'no space')
    const taker = () => {
      if (how === 'throws') throw failure
      return Promise.reject(failure)
    }
    await expect(receive(stream, taker, { source: 'file' })).rejects.toBe(failure)
    expect(stream.destroyed).toBe(true)
  })
})
