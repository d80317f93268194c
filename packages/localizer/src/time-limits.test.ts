/** Stalls, deadlines and failures: nothing hangs, and the message says what it waited for. */
import { describe, expect, it } from 'vitest'
import { scriptedServer, serve } from './testing/scripted-server.ts'
import { bytesOf, workbench } from './testing/workbench.ts'

const content = bytesOf(50_000)

describe('a transfer that', () => {
  it('stops without ending is taken up again', async () => {
    await using bench = await workbench()
    await using server = await scriptedServer((request, response, number) => {
      if (number > 1) return serve(request, response, content, { etag: '"1"' })
      response.writeHead(200, { etag: '"1"', 'content-length': content.length }).write(content.subarray(0, 20_000))
    })
    await bench.run([{ uri: server.url('/a'), to: 'a' }], { limits: { idleTimeoutMs: 200 } })
    expect(server.requests[1]!.headers.range).toBe('bytes=20000-')
  })

  it('trickles, though never silent, is a stall too', async () => {
    await using bench = await workbench()
    await using server = await scriptedServer((request, response, number) => {
      if (number > 1) return serve(request, response, content, { etag: '"1"' })
      response.writeHead(200, { etag: '"1"', 'content-length': content.length })
      let position = 0
      const timer = setInterval(() => response.write(content.subarray(position, ++position)), 50)
      response.on('close', () => clearInterval(timer))
    })
    const began = performance.now()
    await bench.run([{ uri: server.url('/a'), to: 'a' }], { limits: { idleTimeoutMs: 300 } })
    expect(performance.now() - began).toBeLessThan(2500)
    expect(server.requests.length).toBe(2)
  })

  it('is accepted and never answered is tried again', async () => {
    await using bench = await workbench()
    await using server = await scriptedServer((request, response, number) => {
      if (number > 1) serve(request, response, content)
    })
    await bench.run([{ uri: server.url('/a'), to: 'a' }], { limits: { idleTimeoutMs: 200 } })
    expect(server.requests.length).toBe(2)
  })
})

describe('the deadline', () => {
  it('ends everything and says how far each item came', async () => {
    await using bench = await workbench()
    await using server = await scriptedServer((request, response) => {
      if (request.url === '/refused') return void response.writeHead(503).end()
      response.writeHead(200, { 'content-length': content.length })
      response.write(content.subarray(0, 10_240))
    })
    const began = performance.now()
    const error = await bench
      .run(
        [
          { uri: server.url('/slow'), to: 'slow.jar', sizeBytes: content.length },
          { uri: server.url('/refused'), to: 'refused.jar' },
        ],
        { limits: { deadlineMs: 900, attemptsMax: 100 } },
      )
      .catch((failure: unknown) => failure)
    expect(performance.now() - began).toBeLessThan(2000)
    expect(error).toMatchObject({ kind: 'unavailable' })
    const message = (error as Error).message
    // The 503 may also be given up first, when its next attempt would lie behind the deadline.
    if ((error as { code: string }).code === 'deadline') {
      expect(message).toContain('not finished within 900 ms')
      expect(message).toContain('slow.jar: 10 KiB of 49 KiB')
      expect(message).toMatch(/refused\.jar: 0 B, \d+ failures, last: .* 503/)
    } else expect(message).toMatch(/refused\.jar.*503/)
  })

  it('counts the waiting for a server that does not answer at all', async () => {
    await using bench = await workbench()
    await using server = await scriptedServer(() => {})
    await expect(
      bench.run([{ uri: server.url('/a'), to: 'a' }], { limits: { deadlineMs: 300 } }),
    ).rejects.toMatchObject({
      kind: 'unavailable',
      code: 'deadline',
      message: expect.stringContaining('a: 0 B'),
    })
  })
})

describe('a failure for good', () => {
  it('stops the others at once, and is the one reported', async () => {
    await using bench = await workbench()
    await using server = await scriptedServer((request, response) => {
      if (request.url === '/gone') return void setTimeout(() => response.writeHead(404).end(), 50)
      response.writeHead(200, { 'content-length': content.length }).write('x')
    })
    const items = Array.from({ length: 9 }, (_, index) => ({ uri: server.url(`/${index}`), to: `${index}` }))
    const began = performance.now()
    await expect(
      bench.run([...items.slice(0, 5), { uri: server.url('/gone'), to: 'gone' }, ...items.slice(5)]),
    ).rejects.toMatchObject({
      kind: 'notFound',
      context: { item: 'gone' },
    })
    expect(performance.now() - began).toBeLessThan(1500)
    await expect.poll(() => server.requests.length).toBeLessThanOrEqual(10)
  })

  it('of the caller: an abort ends the run in less than a second', async () => {
    await using bench = await workbench()
    await using server = await scriptedServer(
      (_, response) => void response.writeHead(200, { 'content-length': 1e9 }).write(content),
    )
    const stop = new AbortController()
    const run = bench.run([{ uri: server.url('/a'), to: 'a' }], {}, { signal: stop.signal })
    await expect.poll(() => server.requests.length).toBe(1)
    const began = performance.now()
    stop.abort(new Error('SIGTERM'))
    await expect(run).rejects.toMatchObject({ kind: 'interrupted' })
    expect(performance.now() - began).toBeLessThan(1000)
    expect(await bench.files()).toEqual({})
  })
})
