/** The HTTP source: the contract, every status, redirects, credentials, encodings, and pages instead of jars. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { scriptedServer, serve } from '../testing/scripted-server.ts'
import { describeSource } from '../testing/source-contract.ts'
import { bytesOf, sha256, workbench } from '../testing/workbench.ts'
import { createHttpSource } from './http.ts'
import { Redactor } from './secret-text.ts'

describeSource(
  'http',
  async () => {
    const contents = new Map<string, Buffer>()
    const server = await scriptedServer((request, response) => {
      const bytes = contents.get(request.url!)
      if (bytes === undefined) response.writeHead(request.url === '/denied' ? 403 : 404).end()
      else serve(request, response, bytes, { etag: `"${sha256(bytes)}"` })
    })
    const source = createHttpSource({ origins: {}, idleTimeoutMs: 5000, socketsMax: 4, redactor: new Redactor() })
    const uri = (name: string) => ({ kind: 'uri', uri: server.url(`/${encodeURIComponent(name)}`) }) as const
    return {
      source,
      put: async (name, bytes) => {
        contents.set(`/${encodeURIComponent(name)}`, bytes)
        return uri(name)
      },
      denied: async () => uri('denied'),
      missing: () => uri('missing'),
      [Symbol.asyncDispose]: async () => {
        source.close()
        await server.close()
      },
    }
  },
  { replaceable: true },
)

const content = bytesOf(2000)

describe('a status', () => {
  it.each([
    [400, 'invalid'],
    [401, 'denied'],
    [403, 'denied'],
    [404, 'notFound'],
    [405, 'invalid'],
    [406, 'invalid'],
    [407, 'denied'],
    [410, 'notFound'],
    [414, 'invalid'],
    [431, 'invalid'],
    [201, 'corrupt'],
    [204, 'corrupt'],
    [205, 'corrupt'],
    [304, 'corrupt'],
  ])('%d fails at once as %s, and leaves nothing', async (status, kind) => {
    await using bench = await workbench()
    await using server = await scriptedServer((_, response) => response.writeHead(status).end())
    await expect(bench.run([{ uri: server.url('/a.jar'), to: 'a.jar' }])).rejects.toMatchObject({ kind })
    expect(server.requests.length).toBe(1)
    expect(await bench.files()).toEqual({})
  })

  it.each([408, 421, 425, 429, 500, 502, 503, 504, 520, 527])('%d is tried again', async (status) => {
    await using bench = await workbench()
    await using server = await scriptedServer((request, response, number) =>
      number === 1
        ? response.writeHead(status, { 'content-type': 'text/html' }).end('<html>')
        : serve(request, response, content),
    )
    await bench.run([{ uri: server.url('/a.jar'), to: 'a.jar' }])
    expect(server.requests.length).toBe(2)
  })

  it('503 with Retry-After is not asked again any sooner', async () => {
    await using bench = await workbench()
    const times: number[] = []
    await using server = await scriptedServer((request, response, number) => {
      times.push(performance.now())
      if (number === 1) response.writeHead(503, { 'retry-after': '1' }).end()
      else serve(request, response, content)
    })
    await bench.run([{ uri: server.url('/a.jar'), to: 'a.jar' }])
    expect(times[1]! - times[0]!).toBeGreaterThanOrEqual(990)
  })

  it('503 with a Retry-After beyond the deadline ends the run at once', async () => {
    await using bench = await workbench()
    await using server = await scriptedServer((_, response) =>
      response.writeHead(503, { 'retry-after': '315360000' }).end(),
    )
    await expect(
      bench.run([{ uri: server.url('/a.jar'), to: 'a.jar' }], { limits: { deadlineMs: 20_000 } }),
    ).rejects.toMatchObject({ kind: 'unavailable' })
  })

  it('of an expired signed URL says so', async () => {
    await using bench = await workbench()
    await using server = await scriptedServer((_, response) => response.writeHead(403).end())
    const uri = server.url('/a.jar?X-Amz-Signature=topsecretsignature')
    const error = await bench.run([{ uri, to: 'a.jar' }]).catch((failure: unknown) => failure)
    expect(error).toMatchObject({ kind: 'denied', hint: expect.stringContaining('expires') })
    expect(JSON.stringify([(error as Error).message, error])).not.toContain('topsecretsignature')
  })
})

describe('a redirect', () => {
  it('is followed, and what is behind it is fetched', async () => {
    await using bench = await workbench()
    await using server = await scriptedServer((request, response) =>
      request.url === '/a' ? response.writeHead(302, { location: '/b' }).end() : serve(request, response, content),
    )
    await bench.run([{ uri: server.url('/a'), to: 'a' }])
    expect(sha256(await readFile(join(bench.root, 'a')))).toBe(sha256(content))
  })

  it.each([
    ['to itself', () => '/a', 'too-many-redirects'],
    ['without a Location', () => undefined, 'bad-redirect'],
    ['to another scheme', () => 'file:///etc/passwd', 'bad-redirect'],
    ['to the metadata service', () => 'http://169.254.169.254/latest/meta-data', 'address-refused'],
    ['to the metadata service, written as a number', () => 'http://2852039166/', 'address-refused'],
  ])('%s is refused', async (_, location, code) => {
    await using bench = await workbench()
    await using server = await scriptedServer((_request, response) => {
      const to = location()
      response.writeHead(302, to === undefined ? {} : { location: to }).end()
    })
    await expect(bench.run([{ uri: server.url('/a'), to: 'a' }])).rejects.toMatchObject({ code, retry: false })
  })

  it('to another origin carries no credential there', async () => {
    await using bench = await workbench()
    await using other = await scriptedServer((request, response) => serve(request, response, content))
    await using server = await scriptedServer((_, response) =>
      response.writeHead(307, { location: other.url('/b') }).end(),
    )
    const headerFile = join(bench.directory, 'headers')
    await writeFile(headerFile, 'Authorization: Bearer canary-token\nX-Api-Key: canary-key\n')
    const uri = server.url('/a').replace('http://', 'http://user:canary-password@')
    await bench.run([{ uri, to: 'a' }], { http: { [server.origin]: { headerFile } } })
    expect(server.requests[0]!.headers).toMatchObject({
      authorization: 'Bearer canary-token',
      'x-api-key': 'canary-key',
    })
    expect(JSON.stringify(other.requests)).not.toContain('canary')
  })
})

describe('credentials', () => {
  it.each([
    ['CRLF', 'X-Token: abc123\r\n'],
    ['a byte order mark', '\ufeffX-Token: abc123'],
    ['comments and blank lines', '# comment\n\nX-Token:   abc123  \n'],
  ])('are read from a file with %s', async (_, text) => {
    await using bench = await workbench()
    await using server = await scriptedServer((request, response) => serve(request, response, content))
    const headerFile = join(bench.directory, 'headers')
    await writeFile(headerFile, text)
    await bench.run([{ uri: server.url('/a'), to: 'a' }], { http: { [server.origin]: { headerFile } } })
    expect(server.requests[0]!.headers['x-token']).toBe('abc123')
  })

  it.each([
    ['', 'has no header'],
    ['canary without colon', 'line 1'],
    ['X: ok\nY: canary\u0001', 'line 2'],
    ['Range: bytes=0-canary', 'may not set "range"'],
  ])('in the file %j are refused with its name and not its text', async (text, says) => {
    await using bench = await workbench()
    const headerFile = join(bench.directory, 'headers')
    await writeFile(headerFile, text)
    const error = await bench
      .run([{ uri: 'http://127.0.0.1:9/a', to: 'a' }], { http: { 'http://127.0.0.1:9': { headerFile } } })
      .catch((failure: Error) => failure)
    expect(error).toMatchObject({ kind: 'invalid', message: expect.stringContaining(headerFile) })
    expect((error as Error).message).toContain(says)
    expect((error as Error).message).not.toContain('canary')
  })

  it('that were exchanged on disk are read again after a 401, once', async () => {
    await using bench = await workbench()
    const headerFile = join(bench.directory, 'headers')
    await writeFile(headerFile, 'Authorization: Bearer old-token')
    await using server = await scriptedServer((request, response) => {
      if (request.headers.authorization === 'Bearer new-token') return serve(request, response, content)
      return void writeFile(headerFile, 'Authorization: Bearer new-token').then(() => response.writeHead(401).end())
    })
    await bench.run([{ uri: server.url('/a'), to: 'a' }], { http: { [server.origin]: { headerFile } } })
    expect(server.requests.length).toBe(2)
  })

  it('that stay wrong are not sent again and again', async () => {
    await using bench = await workbench()
    const headerFile = join(bench.directory, 'headers')
    await writeFile(headerFile, 'Authorization: Bearer wrong-token')
    await using server = await scriptedServer((_, response) => response.writeHead(401).end())
    await expect(
      bench.run([{ uri: server.url('/a'), to: 'a' }], { http: { [server.origin]: { headerFile } } }),
    ).rejects.toMatchObject({ kind: 'denied' })
    expect(server.requests.length).toBe(1)
  })

  it('of one origin are not for another port of the same host', async () => {
    await using bench = await workbench()
    await using server = await scriptedServer((request, response) => serve(request, response, content))
    const headerFile = join(bench.directory, 'headers')
    await writeFile(headerFile, 'Authorization: Bearer canary-token')
    await bench.run([{ uri: server.url('/a'), to: 'a' }], { http: { 'http://127.0.0.1:1': { headerFile } } })
    expect(server.requests[0]!.headers.authorization).toBeUndefined()
  })

  it('a CA file that is missing or empty is an error before any connection', async () => {
    await using bench = await workbench()
    const caFile = join(bench.directory, 'ca.pem')
    const http = { 'https://127.0.0.1:9': { caFile } }
    await expect(bench.run([{ uri: 'https://127.0.0.1:9/a', to: 'a' }], { http })).rejects.toMatchObject({
      message: expect.stringContaining(caFile),
    })
    await writeFile(caFile, '')
    await expect(bench.run([{ uri: 'https://127.0.0.1:9/a', to: 'a' }], { http })).rejects.toMatchObject({
      code: 'ca-file-empty',
    })
  })
})

describe('bytes that are encoded unasked', () => {
  const packed = gzipSync(content)
  const encoded = () =>
    scriptedServer((request, response) => {
      expect(request.headers['accept-encoding']).toBe('identity')
      response.writeHead(200, { 'content-encoding': 'gzip', 'content-length': packed.length }).end(packed)
    })

  it('are refused when nothing is known of them', async () => {
    await using bench = await workbench()
    await using server = await encoded()
    await expect(bench.run([{ uri: server.url('/a.tar.gz'), to: 'a.tar.gz' }])).rejects.toMatchObject({
      kind: 'corrupt',
      code: 'content-encoded',
    })
  })

  it('are taken as they are when the digest says so', async () => {
    await using bench = await workbench()
    await using server = await encoded()
    await bench.run([
      { uri: server.url('/a.tar.gz'), to: 'a.tar.gz', digest: sha256(packed), sizeBytes: packed.length },
    ])
    expect(sha256(await readFile(join(bench.root, 'a.tar.gz')))).toBe(sha256(packed))
  })

  it('are refused with a word about the encoding when the digest is of something else', async () => {
    await using bench = await workbench()
    await using server = await encoded()
    await expect(
      bench.run([{ uri: server.url('/a'), to: 'a', digest: sha256(content), sizeBytes: content.length }]),
    ).rejects.toMatchObject({
      code: 'digest-mismatch',
      hint: expect.stringContaining('gzip'),
    })
  })
})

describe('a page instead of a jar', () => {
  const page = Buffer.from('\n<!DOCTYPE html><title>Sign in</title>')
  it('is recognised', async () => {
    await using bench = await workbench()
    await using server = await scriptedServer((request, response) =>
      serve(request, response, page, { type: 'text/html; charset=utf-8' }),
    )
    await expect(bench.run([{ uri: server.url('/a.jar'), to: 'lib/a.jar' }])).rejects.toMatchObject({
      kind: 'corrupt',
      code: 'html-page',
    })
  })

  it.each([
    ['a page that is wanted', 'index.html', page, 'text/html'],
    ['a jar of the wrong type', 'a.jar', content, 'text/html'],
    ['a jar of no type', 'a.jar', content, 'text/plain'],
  ])('%s is no such thing', async (_, to, bytes, type) => {
    await using bench = await workbench()
    await using server = await scriptedServer((request, response) => serve(request, response, bytes, { type }))
    await bench.run([{ uri: server.url('/x'), to }])
    expect(Object.keys(await bench.files())).toEqual([to])
  })
})
