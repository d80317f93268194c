/** One file by several connections: when, with which requests, and through everything that can happen to one of them. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { type ScriptedServer, scriptedServer, serve } from './testing/scripted-server.ts'
import { bytesOf, sha256, type Workbench, workbench } from './testing/workbench.ts'

const content = bytesOf(40 << 20)
const digest = sha256(content)
/** So slow that one connection is the limit; several bring it in a few seconds. */
const slow = { etag: '"1"', bytesPerSecond: 8 << 20 }

async function localized(bench: Workbench): Promise<string> {
  return sha256(await readFile(join(bench.root, 'a')))
}

function rangesOf(server: ScriptedServer): string[] {
  return server.requests.flatMap(({ headers }) => (headers.range === undefined ? [] : [headers.range]))
}

describe('a large file', () => {
  it('comes by several connections where one is the limit, each pinned to the version', async () => {
    await using bench = await workbench()
    await using server = await scriptedServer((request, response) => serve(request, response, content, slow))
    await bench.run([{ uri: server.url('/a'), to: 'a' }])
    expect(await localized(bench)).toBe(digest)
    expect(rangesOf(server).length).toBeGreaterThanOrEqual(2)
    expect(rangesOf(server)[0]).toBe(`bytes=${16 << 20}-${(32 << 20) - 1}`)
    for (const { headers } of server.requests.slice(1)) expect(headers['if-match']).toBe('"1"')
    expect(await readdir(join(bench.root, '.supercargo'))).not.toContain('incoming')
  })

  it.each([
    ['without an ETag', { bytesPerSecond: 40 << 20 }],
    ['with a weak one', { etag: 'W/"1"', bytesPerSecond: 40 << 20 }],
  ])('%s comes by one, for nothing would tell two versions apart', async (_, served) => {
    await using bench = await workbench()
    await using server = await scriptedServer((request, response) => serve(request, response, content, served))
    await bench.run([{ uri: server.url('/a'), to: 'a' }])
    expect(await localized(bench)).toBe(digest)
    expect(server.requests.length).toBe(1)
  })

  it('comes by one when the budget pays for one transfer', async () => {
    await using bench = await workbench()
    const quicker = { etag: '"1"', bytesPerSecond: 40 << 20 }
    await using server = await scriptedServer((request, response) => serve(request, response, content, quicker))
    await bench.run([{ uri: server.url('/a'), to: 'a' }], {}, { memoryBudgetBytes: 32 << 20 })
    expect(await localized(bench)).toBe(digest)
    expect(server.requests.length).toBe(1)
  })
})

describe('while several connections bring a file,', () => {
  it('one that is cut costs what it had not brought', async () => {
    await using bench = await workbench()
    let cuts = 0
    await using server = await scriptedServer((request, response) => {
      const isCut = request.headers.range !== undefined && cuts++ < 2
      serve(request, response, content, isCut ? { etag: '"1"', cutAfter: 1 << 20 } : slow)
    })
    const report = await bench.run([{ uri: server.url('/a'), to: 'a' }])
    expect(await localized(bench)).toBe(digest)
    expect(report.roots[0]!.items[0]!.attempts).toBeGreaterThanOrEqual(2)
    const asked = server.requests.slice(1).map(({ headers }) => headers.range ?? 'everything')
    expect(asked).not.toContain('everything')
  })

  it('a version that changes is begun anew, and never mixed', async () => {
    await using bench = await workbench()
    const other = bytesOf(content.length, 2)
    await using server = await scriptedServer((request, response, number) =>
      number === 1
        ? serve(request, response, content, slow)
        : serve(request, response, other, { ...slow, etag: '"2"' }),
    )
    await bench.run([{ uri: server.url('/a'), to: 'a' }])
    expect(await localized(bench)).toBe(sha256(other))
  })

  it('a server that answers a range with everything is asked for everything, by one', async () => {
    await using bench = await workbench()
    await using server = await scriptedServer((request, response, number) =>
      serve(request, response, content, {
        etag: '"1"',
        noRanges: true,
        ...(number === 1 ? { bytesPerSecond: 8 << 20 } : { bytesPerSecond: 60 << 20 }),
      }),
    )
    await bench.run([{ uri: server.url('/a'), to: 'a' }])
    expect(await localized(bench)).toBe(digest)
    expect(rangesOf(server).length).toBeLessThanOrEqual(8)
    expect(server.requests.at(-1)!.headers.range).toBeUndefined()
  })

  it.each([
    ['other bounds', (from: number) => `bytes ${from + 1}-${content.length - 1}/${content.length}`],
    ['no total', (from: number) => `bytes ${from}-${content.length - 1}/*`],
  ])('an answer with %s is never written', async (_, range) => {
    await using bench = await workbench()
    await using server = await scriptedServer((request, response, number) => {
      const from = /^bytes=(\d+)-/.exec(request.headers.range ?? '')
      if (number === 1) return serve(request, response, content, slow)
      if (from === null) return serve(request, response, content, { etag: '"1"' })
      response.writeHead(206, { etag: '"1"', 'content-range': range(Number(from[1])) })
      response.end(Buffer.alloc(16 << 20))
    })
    await bench.run([{ uri: server.url('/a'), to: 'a', digest }])
    expect(await localized(bench)).toBe(digest)
  })

  it('an abort ends all of them, and a later run asks for what is missing only', async () => {
    await using bench = await workbench()
    let open = 0
    let sent = 0
    await using server = await scriptedServer((request, response) => {
      open++
      response.on('close', () => {
        open--
      })
      const write = response.write.bind(response)
      response.write = ((chunk: Buffer) => {
        sent += chunk.length
        return write(chunk)
      }) as typeof response.write
      serve(request, response, content, slow)
    })
    const stop = new AbortController()
    const run = bench.run([{ uri: server.url('/a'), to: 'a' }], {}, { signal: stop.signal })
    await expect.poll(() => sent, { timeout: 15_000 }).toBeGreaterThan(14 << 20)
    stop.abort(new Error('SIGTERM'))
    await expect(run).rejects.toMatchObject({ kind: 'interrupted' })
    await expect.poll(() => open).toBe(0)
    server.requests.length = 0
    await bench.run([{ uri: server.url('/a'), to: 'a' }])
    expect(await localized(bench)).toBe(digest)
    for (const { headers } of server.requests) expect(headers.range).toBeDefined()
    expect(server.requests[0]!.headers.range).not.toMatch(/^bytes=0-/)
  })
})
