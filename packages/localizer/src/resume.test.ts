/** Resumption: cuts, ranges, ETags and left-overs never lead to a byte that is not right. */
import { createHash } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { cut, scriptedServer, serve } from './testing/scripted-server.ts'
import { bytesOf, sha256, workbench } from './testing/workbench.ts'

const content = bytesOf(3000)
const digest = sha256(content)
/** Where a partial file of this digest is kept. */
const partialName = createHash('sha256').update(digest).digest('hex').slice(0, 32)

describe('a cut transfer', () => {
  it('gives the right bytes wherever it is cut', async () => {
    await using server = await scriptedServer(() => {})
    for (const length of [0, 1, 2, 511, 512, 513, 1500, 2998, 2999]) {
      await using bench = await workbench()
      let first = true
      server.script = (request, response) => {
        serve(request, response, content, { etag: '"v1"', ...(first ? { cutAfter: length } : {}) })
        first = false
      }
      const report = await bench.run([{ uri: server.url('/a.jar'), to: 'a.jar' }])
      expect(sha256(Buffer.from(await bench.read('a.jar'), 'latin1')), `cut after ${length}`).toBe(digest)
      expect(report.roots[0]!.items[0]).toMatchObject({ digest, sizeBytes: 3000, attempts: 2 })
    }
  })

  it('goes on from the bytes that are held, under If-Range', async () => {
    await using bench = await workbench()
    await using server = await scriptedServer((request, response, number) => {
      serve(request, response, content, { etag: '"v1"', ...(number < 4 ? { cutAfter: 900 } : {}) })
    })
    await bench.run([{ uri: server.url('/a.jar'), to: 'a.jar' }])
    expect(server.requests.map(({ headers }) => headers.range)).toEqual([
      undefined,
      'bytes=900-',
      'bytes=1800-',
      'bytes=2700-',
    ])
    expect(server.requests.slice(1).every(({ headers }) => headers['if-range'] === '"v1"')).toBe(true)
    expect(sha256(Buffer.from(await bench.read('a.jar'), 'latin1'))).toBe(digest)
  })

  it('counts attempts only while nothing is gained', async () => {
    await using bench = await workbench()
    await using server = await scriptedServer((request, response) =>
      serve(request, response, content, { etag: '"v1"', cutAfter: 100 }),
    )
    await bench.run([{ uri: server.url('/a.jar'), to: 'a.jar' }], { limits: { attemptsMax: 2 } })
    expect(server.requests.length).toBe(30)
  })

  it('fails for good when attempts gain nothing', async () => {
    await using bench = await workbench()
    await using server = await scriptedServer((request, response) =>
      serve(request, response, content, { cutAfter: 100 }),
    )
    await expect(
      bench.run([{ uri: server.url('/a.jar'), to: 'a.jar' }], { limits: { attemptsMax: 3 } }),
    ).rejects.toMatchObject({
      kind: 'interrupted',
      context: { item: 'a.jar', attempts: 3 },
    })
    expect(server.requests.length).toBe(3)
    expect(await bench.files()).toEqual({})
  })

  it.each([
    ['a weak ETag', 'W/"v1"'],
    ['no ETag', undefined],
  ])('is fetched again as a whole with %s and no digest', async (_, etag) => {
    await using bench = await workbench()
    await using server = await scriptedServer((request, response, number) => {
      serve(request, response, content, {
        ...(etag === undefined ? {} : { etag }),
        ...(number === 1 ? { cutAfter: 1000 } : {}),
      })
    })
    await bench.run([{ uri: server.url('/a.jar'), to: 'a.jar' }])
    expect(server.requests.map(({ headers }) => headers.range)).toEqual([undefined, undefined])
    expect(sha256(Buffer.from(await bench.read('a.jar'), 'latin1'))).toBe(digest)
  })

  it('is continued without an ETag when the digest is known', async () => {
    await using bench = await workbench()
    await using server = await scriptedServer((request, response, number) =>
      serve(request, response, content, number === 1 ? { cutAfter: 1000 } : {}),
    )
    await bench.run([{ uri: server.url('/a.jar'), to: 'a.jar', digest }])
    expect(server.requests.map(({ headers }) => headers.range)).toEqual([undefined, 'bytes=1000-'])
  })
})

describe('a file without a digest that was complete when the run failed for another', () => {
  const large = bytesOf(1_500_000)
  const later = bytesOf(1_500_000, 2)

  it.each([
    ['costs one byte more, which says that the version is the same', '"v1"', large, ['bytes=1499999-']],
    ['is begun anew when it is another version', '"v2"', later, ['bytes=1499999-', undefined]],
  ])('%s', async (_, etag, bytes, ranges) => {
    await using bench = await workbench()
    let isSecond = false
    await using server = await scriptedServer((request, response) => {
      if (request.url === '/b.jar' && !isSecond) return void response.writeHead(404).end()
      if (request.url === '/b.jar') return serve(request, response, content)
      serve(request, response, isSecond ? bytes : large, { etag: isSecond ? etag : '"v1"' })
    })
    const items = ['a.jar', 'b.jar'].map((to) => ({ uri: server.url(`/${to}`), to }))
    // One after the other: the first is complete when the second fails.
    const limits = { concurrencyMax: 1 }
    await expect(bench.run(items, { limits })).rejects.toMatchObject({ kind: 'notFound' })
    isSecond = true
    const before = server.requests.length
    await bench.run(items, { limits })
    const asked = server.requests.slice(before).filter(({ path }) => path === '/a.jar')
    expect(asked.map(({ headers }) => headers.range)).toEqual(ranges)
    expect(await bench.read('a.jar')).toBe(bytes.toString('latin1'))
    expect(Object.keys(await bench.files())).toEqual(['a.jar', 'b.jar'])
  })
})

describe('an answer to a range', () => {
  const cases: [string, (start: number) => { status: number; range?: string; body: Buffer }][] = [
    ['200 with the whole', () => ({ status: 200, body: content })],
    ['206 from another place', () => ({ status: 206, range: `bytes 512-2999/3000`, body: content.subarray(512) })],
    ['206 from the start', () => ({ status: 206, range: `bytes 0-2999/3000`, body: content })],
    [
      '206 with an unknown total',
      (start) => ({ status: 206, range: `bytes ${start}-2999/*`, body: content.subarray(start) }),
    ],
    ['206 without Content-Range', (start) => ({ status: 206, body: content.subarray(start) })],
    [
      '206 that ends too early',
      (start) => ({ status: 206, range: `bytes ${start}-2000/3000`, body: content.subarray(start, 2001) }),
    ],
    ['416 with another total', () => ({ status: 416, range: 'bytes */99', body: Buffer.alloc(0) })],
    ['416 without a total', () => ({ status: 416, body: Buffer.alloc(0) })],
    ['multipart/byteranges', () => ({ status: 206, body: Buffer.from('--x\r\n') })],
  ]
  it.each(cases)('%s leads to the right bytes and to nothing stitched', async (_, answer) => {
    await using bench = await workbench()
    await using server = await scriptedServer((request, response, number) => {
      const start = Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? Number.NaN)
      if (Number.isNaN(start))
        return serve(request, response, content, { etag: '"v1"', ...(number === 1 ? { cutAfter: 1000 } : {}) })
      const { status, range, body } = answer(start)
      response
        .writeHead(status, {
          etag: '"v1"',
          'content-length': body.length,
          ...(range === undefined ? {} : { 'content-range': range }),
        })
        .end(body)
    })
    await bench.run([{ uri: server.url('/a.jar'), to: 'a.jar' }])
    expect(sha256(Buffer.from(await bench.read('a.jar'), 'latin1'))).toBe(digest)
    expect(server.requests.length).toBeLessThanOrEqual(3)
  })

  it('206 with another total than before begins anew', async () => {
    await using bench = await workbench()
    const longer = Buffer.concat([content, Buffer.from('more')])
    await using server = await scriptedServer((request, response, number) =>
      number === 1
        ? serve(request, response, content, { etag: '"v1"', cutAfter: 1000 })
        : serve(request, response, longer, { etag: '"v2"' }),
    )
    await bench.run([{ uri: server.url('/a.jar'), to: 'a.jar' }])
    expect(sha256(Buffer.from(await bench.read('a.jar'), 'latin1'))).toBe(sha256(longer))
  })

  it('that was not asked for is corrupt', async () => {
    await using bench = await workbench()
    await using server = await scriptedServer((_, response) =>
      response.writeHead(206, { 'content-range': 'bytes 0-2/3' }).end('abc'),
    )
    await expect(bench.run([{ uri: server.url('/a'), to: 'a' }])).rejects.toMatchObject({
      kind: 'corrupt',
      code: 'unasked-range',
    })
  })
})

describe('a source that changes', () => {
  it('is begun anew, and never stitched', async () => {
    await using bench = await workbench()
    const versions = [bytesOf(3000, 1), bytesOf(3000, 2)]
    await using server = await scriptedServer((request, response, number) =>
      serve(request, response, versions[Math.min(number, 2) - 1]!, {
        etag: `"v${Math.min(number, 2)}"`,
        ...(number === 1 ? { cutAfter: 1500 } : {}),
      }),
    )
    await bench.run([{ uri: server.url('/a'), to: 'a' }])
    expect(sha256(Buffer.from(await bench.read('a'), 'latin1'))).toBe(sha256(versions[1]!))
  })

  it('three times is given up as changing', async () => {
    await using bench = await workbench()
    await using server = await scriptedServer((request, response, number) =>
      serve(request, response, bytesOf(3000, number), { etag: `"v${number}"`, cutAfter: 1000 }),
    )
    await expect(
      bench.run([{ uri: server.url('/a'), to: 'a' }], { limits: { attemptsMax: 50 } }),
    ).rejects.toMatchObject({
      kind: 'corrupt',
      code: 'source-changing',
    })
    expect(server.requests.length).toBeLessThan(10)
  })
})

describe('what an earlier run has left', () => {
  it('is continued when the digest is known', async () => {
    await using bench = await workbench()
    const incoming = join(bench.root, '.supercargo', 'incoming')
    await mkdir(incoming, { recursive: true })
    await writeFile(join(incoming, partialName), content.subarray(0, 2000))
    await using server = await scriptedServer((request, response) => serve(request, response, content))
    await bench.run([{ uri: server.url('/a.jar'), to: 'a.jar', digest }])
    expect(server.requests.map(({ headers }) => headers.range)).toEqual(['bytes=2000-'])
    expect(sha256(Buffer.from(await bench.read('a.jar'), 'latin1'))).toBe(digest)
  })

  it('needs no request when it is complete', async () => {
    await using bench = await workbench()
    const incoming = join(bench.root, '.supercargo', 'incoming')
    await mkdir(incoming, { recursive: true })
    await writeFile(join(incoming, partialName), content)
    await bench.run([{ uri: 'http://127.0.0.1:1/a.jar', to: 'a.jar', digest, sizeBytes: 3000 }])
    expect(sha256(await readFile(join(bench.root, 'a.jar')))).toBe(digest)
  })

  it('is thrown away when its bytes are not the right ones', async () => {
    await using bench = await workbench()
    const incoming = join(bench.root, '.supercargo', 'incoming')
    await mkdir(incoming, { recursive: true })
    for (const damaged of [bytesOf(2000, 7), bytesOf(3000, 7), bytesOf(5000, 7)]) {
      await writeFile(join(incoming, partialName), damaged)
      await using server = await scriptedServer((request, response) => serve(request, response, content))
      await bench.run([{ uri: server.url('/a.jar'), to: `a${damaged.length}.jar`, digest, sizeBytes: 3000 }])
      expect(sha256(await readFile(join(bench.root, `a${damaged.length}.jar`)))).toBe(digest)
      await mkdir(incoming, { recursive: true })
    }
  })

  it('is removed when no plan names it any more', async () => {
    await using bench = await workbench()
    const incoming = join(bench.root, '.supercargo', 'incoming')
    await mkdir(join(incoming, 'old.d'), { recursive: true })
    await writeFile(join(incoming, 'old'), 'x')
    await using server = await scriptedServer((_, response) => response.writeHead(404).end())
    await expect(bench.run([{ uri: server.url('/a'), to: 'a' }])).rejects.toMatchObject({ kind: 'notFound' })
    await expect(readFile(join(incoming, 'old'))).rejects.toMatchObject({ code: 'ENOENT' })
  })
})

describe('bytes that do not match', () => {
  it('are fetched once more from 0, and then refused', async () => {
    await using bench = await workbench()
    await using server = await scriptedServer((request, response) => serve(request, response, bytesOf(3000, 9)))
    await expect(bench.run([{ uri: server.url('/a.jar'), to: 'a.jar', digest }])).rejects.toMatchObject({
      kind: 'corrupt',
      code: 'digest-mismatch',
    })
    expect(server.requests.length).toBe(2)
    expect(await bench.files()).toEqual({})
  })

  it('once are of no consequence', async () => {
    await using bench = await workbench()
    await using server = await scriptedServer((request, response, number) =>
      serve(request, response, number === 1 ? bytesOf(3000, 9) : content),
    )
    await bench.run([{ uri: server.url('/a.jar'), to: 'a.jar', digest }])
    expect(sha256(await readFile(join(bench.root, 'a.jar')))).toBe(digest)
  })

  it.each([
    ['fewer', 2999],
    ['more', 3001],
  ])('%s than the plan says are refused before they are taken', async (_, sizeBytes) => {
    await using bench = await workbench()
    await using server = await scriptedServer((request, response) => serve(request, response, content))
    await expect(bench.run([{ uri: server.url('/a.jar'), to: 'a.jar', sizeBytes }])).rejects.toMatchObject({
      kind: 'corrupt',
      code: 'size-mismatch',
    })
  })

  it('without a length that go on for ever stop at the size that is known', async () => {
    await using bench = await workbench()
    await using server = await scriptedServer((_, response) => {
      const more = (): void => {
        if (!response.destroyed) response.write(content, () => setImmediate(more))
      }
      more()
    })
    await expect(bench.run([{ uri: server.url('/a.jar'), to: 'a.jar', sizeBytes: 10_000 }])).rejects.toMatchObject({
      kind: 'corrupt',
      code: 'too-many-bytes',
    })
  })

  it('of a chunked answer that is cut are not taken for the whole', async () => {
    await using bench = await workbench()
    await using server = await scriptedServer((_, response, number) => {
      response.writeHead(200, { 'transfer-encoding': 'chunked' })
      if (number === 1) cut(response, content.subarray(0, 100))
      else response.end(content)
    })
    await bench.run([{ uri: server.url('/a.jar'), to: 'a.jar' }])
    expect(sha256(await readFile(join(bench.root, 'a.jar')))).toBe(digest)
  })
})

describe('a large file', () => {
  it('is hashed on the thread while it arrives, also across a cut', async () => {
    await using bench = await workbench()
    const large = bytesOf(24 << 20)
    await using server = await scriptedServer((request, response, number) =>
      serve(request, response, large, { etag: '"v1"', ...(number === 1 ? { cutAfter: 13 << 20 } : {}) }),
    )
    const report = await bench.run([{ uri: server.url('/large.jar'), to: 'large.jar' }])
    expect(server.requests.length).toBe(2)
    expect(report.roots[0]!.items[0]!.digest).toBe(sha256(large))
    expect(sha256(await readFile(join(bench.root, 'large.jar')))).toBe(sha256(large))
  })
})
