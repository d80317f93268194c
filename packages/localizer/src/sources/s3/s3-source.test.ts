/** The S3 source where a store misbehaves in ways that no real one does on request: refusals, redirects, wrong bytes. */
import { createHash } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { crc32 } from 'node:zlib'
import { encodedKey } from '@supercargo/transfer/s3'
import { describe, expect, it } from 'vitest'
import { readHadoopConfiguration } from '../../hadoop/configuration.ts'
import { type ScriptedServer, scriptedServer, serve } from '../../testing/scripted-server.ts'
import { describeSource } from '../../testing/source-contract.ts'
import { bytesOf, sha256, workbench } from '../../testing/workbench.ts'
import { Redactor } from '../secret-text.ts'
import type { Source } from '../source.ts'
import { createS3Source } from './s3-source.ts'
import { s3Uri } from './s3-uri.ts'

const secret = 'canary-canary-canary'

function properties(server: ScriptedServer, more: Record<string, string> = {}): Record<string, string> {
  const keys = { 'fs.s3a.access.key': 'key', 'fs.s3a.secret.key': secret }
  return { 'fs.s3a.endpoint': server.origin, ...keys, ...more }
}

function plan(server: ScriptedServer, more: Record<string, string> = {}, attemptsMax = 2): object {
  return { hadoop: { properties: properties(server, more) }, limits: { attemptsMax } }
}

async function sourceOf(
  server: ScriptedServer,
  more: Record<string, string> = {},
  options: { now?: () => number; environment?: Record<string, string> } = {},
): Promise<Source> {
  const hadoop = await readHadoopConfiguration({ properties: properties(server, more) })
  const shared = { origins: {}, idleTimeoutMs: 5000, socketsMax: 4, redactor: new Redactor() }
  return createS3Source({ hadoop, environment: {}, ...shared, ...options })
}

const item = { kind: 'uri', uri: 's3a://cargo/a.jar' } as const
const items = [{ uri: item.uri, to: 'a.jar' }]

/** A refusal as S3 words it. */
function refuse(response: ServerResponse, status: number, code: string, more = '', headers: object = {}): void {
  const body = `<?xml version="1.0"?>\n<Error><Code>${code}</Code><Message>in words &amp; so on</Message>${more}</Error>`
  response.writeHead(status, { 'content-type': 'application/xml', ...headers }).end(body)
}

function regionOf(request: IncomingMessage): string | undefined {
  return /Credential=[^/]+\/\d+\/([^/]+)\/s3/.exec(request.headers.authorization ?? '')?.[1]
}

/** As a store with conditions on ranges. */
function serveObject(request: IncomingMessage, response: ServerResponse, bytes: Buffer, headers: object = {}): void {
  const etag = `"${sha256(bytes).slice(-32)}"`
  const condition = request.headers['if-match']
  if (condition !== undefined && condition !== etag) return refuse(response, 412, 'PreconditionFailed')
  const end = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '')
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value)
  if (end === null) return serve(request, response, bytes, { etag })
  const [from, to] = [Number(end[1]), Math.min(Number(end[2]), bytes.length - 1)]
  response
    .writeHead(206, { etag, 'content-length': to - from + 1, 'content-range': `bytes ${from}-${to}/${bytes.length}` })
    .end(bytes.subarray(from, to + 1))
}

describeSource(
  'S3',
  async () => {
    const contents = new Map<string, Buffer>()
    const server = await scriptedServer((request, response) => {
      const bytes = contents.get(request.url!)
      if (bytes === undefined) refuse(response, 404, 'NoSuchKey')
      else serveObject(request, response, bytes)
    })
    const source = await sourceOf(server)
    const uri = (name: string) => ({ kind: 'uri', uri: s3Uri('cargo', name) }) as const
    return {
      source,
      put: async (name, bytes) => {
        contents.set(`/cargo/${encodedKey(name)}`, bytes)
        return uri(name)
      },
      missing: () => uri('missing'),
      [Symbol.asyncDispose]: async () => {
        source.close()
        await server.close()
      },
    }
  },
  { replaceable: true },
)

describe('a refusal', () => {
  it.each([
    [403, 'AccessDenied', 'denied', 's3-access-denied', /s3:GetObject/],
    [403, 'InvalidAccessKeyId', 'denied', 's3-unknown-key', /store/],
    [403, 'SignatureDoesNotMatch', 'denied', 's3-wrong-signature', /secret key/],
    [400, 'ExpiredToken', 'denied', 's3-expired-token', /new ones/],
    [400, 'InvalidToken', 'denied', 's3-invalid-token', /new ones/],
    [403, 'RequestTimeTooSkewed', 'denied', 's3-clock-skewed', /clock/],
    [404, 'NoSuchKey', 'notFound', 's3-no-such-key', /slash/],
    [404, 'NoSuchBucket', 'notFound', 's3-no-such-bucket', /path\.style/],
    [404, 'NoSuchVersion', 'notFound', 's3-no-such-version', undefined],
    [403, 'InvalidObjectState', 'denied', 's3-archived', /restore/],
    [403, 'KMS.DisabledException', 'denied', 's3-key-denied', /kms:Decrypt/],
    [405, 'MethodNotAllowed', 'invalid', 'http-405', undefined],
    [418, 'SomethingNew', 'invalid', 'http-418', undefined],
  ])('%d %s ends at once as %s', async (status, code, kind, ours, hint) => {
    await using bench = await workbench()
    await using server = await scriptedServer((_, response) => refuse(response, status, code))
    const run = bench.run(items, plan(server, {}, 5))
    const known = { kind, code: ours, context: { attempts: 1 } }
    await expect(run).rejects.toMatchObject(
      hint === undefined ? known : { ...known, hint: expect.stringMatching(hint) },
    )
    expect(await bench.files()).toEqual({})
  })

  it.each([
    [503, 'SlowDown'],
    [500, 'InternalError'],
    [400, 'RequestTimeout'],
    [503, ''],
    [502, 'html'],
    [429, 'TooManyRequests'],
  ])('%d %s is tried again', async (status, code) => {
    await using bench = await workbench()
    await using server = await scriptedServer((request, response, number) => {
      if (number > 2) serveObject(request, response, Buffer.from('cargo'))
      else if (code === 'html') response.writeHead(status, { 'content-type': 'text/html' }).end('<html>bad gateway')
      else refuse(response, status, code)
    })
    await bench.run(items, plan(server, {}, 3))
    expect(await bench.files()).toEqual({ 'a.jar': 'cargo' })
    expect(server.requests).toHaveLength(3)
  })

  it('says when to come back', async () => {
    await using server = await scriptedServer((_, response) =>
      refuse(response, 503, 'SlowDown', '', { 'retry-after': '7' }),
    )
    const source = await sourceOf(server)
    await expect(source.open(item, { offset: 0 })).rejects.toMatchObject({ code: 's3-busy', retryAfterMs: 7000 })
    source.close()
  })

  it('tells a deleted object from one that never was', async () => {
    await using bench = await workbench()
    await using server = await scriptedServer((_, response) =>
      refuse(response, 404, 'NoSuchKey', '', { 'x-amz-delete-marker': 'true' }),
    )
    await expect(bench.run(items, plan(server))).rejects.toMatchObject({ kind: 'notFound', code: 's3-deleted' })
  })

  it('for want of a customer’s key says so', async () => {
    await using bench = await workbench()
    await using server = await scriptedServer((_, response) => {
      const text = 'The object was stored using a form of Server Side Encryption.'
      response.writeHead(400).end(`<Error><Code>InvalidRequest</Code><Message>${text}</Message></Error>`)
    })
    const refused = { code: 's3-encrypted', hint: expect.stringContaining('fs.s3a.encryption.key') }
    await expect(bench.run(items, plan(server))).rejects.toMatchObject(refused)
  })

  it('by a page instead of a store says what is wrong with the address', async () => {
    await using bench = await workbench()
    await using server = await scriptedServer((_, response) =>
      response.writeHead(403, { 'content-type': 'text/html' }).end('<html>log in</html>'),
    )
    const refused = { kind: 'denied', code: 'http-403', hint: expect.stringContaining('fs.s3a.endpoint') }
    await expect(bench.run(items, plan(server))).rejects.toMatchObject(refused)
  })

  it('shows no secret, whatever the store repeats', async () => {
    await using bench = await workbench()
    await using server = await scriptedServer((request, response) => {
      response
        .writeHead(403)
        .end(`<Error><Code>AccessDenied</Code><Message>${secret} ${request.headers.authorization}</Message></Error>`)
    })
    const redactor = new Redactor()
    const error = (await bench.run(items, plan(server), { redactor }).catch((failure: unknown) => failure)) as Error
    expect(redactor.scrub(error.message)).not.toContain(secret)
    expect(server.requests.map(({ headers, path }) => JSON.stringify([headers, path])).join()).not.toContain(secret)
  })
})

describe('a page with status 200', () => {
  it('is not taken for a jar', async () => {
    await using bench = await workbench()
    await using server = await scriptedServer((_, response) =>
      response.writeHead(200, { 'content-type': 'text/html' }).end('<html>log in</html>'),
    )
    await expect(bench.run(items, plan(server))).rejects.toMatchObject({ kind: 'corrupt', code: 'html-page' })
  })

  it.each(['<html><body>log in</body></html>', 'not <xml', '{}', ''])(
    '(%s) is not taken for a listing',
    async (body) => {
      await using bench = await workbench()
      await using server = await scriptedServer((_, response) => response.writeHead(200).end(body))
      const run = bench.run([{ uri: 's3a://cargo/dir/', to: 'x' }], plan(server))
      await expect(run).rejects.toMatchObject({ kind: 'corrupt', code: 's3-bad-listing' })
    },
  )
})

describe('another place', () => {
  it('is never sent a signed request: the store is to be named itself', async () => {
    await using bench = await workbench()
    await using other = await scriptedServer((_, response) => response.end('cargo'))
    for (const status of [301, 302, 303, 307, 308]) {
      await using server = await scriptedServer((_, response) =>
        response.writeHead(status, { location: `${other.origin}/cargo/a.jar` }).end(),
      )
      await expect(bench.run(items, plan(server))).rejects.toMatchObject({ kind: 'unsafe', code: 's3-redirect' })
    }
    expect(other.requests).toEqual([])
  })

  it.each([
    ['301 and a field', 301, 'PermanentRedirect', '', { 'x-amz-bucket-region': 'eu-west-3' }],
    ['400 and words', 400, 'AuthorizationHeaderMalformed', '<Region>eu-west-3</Region>', {}],
  ])(
    'is another region only (%s): the same host is asked with another signature, and stays in it',
    async (_, status, code, more, headers) => {
      await using bench = await workbench()
      await using server = await scriptedServer((request, response) => {
        if (regionOf(request) === 'eu-west-3') serveObject(request, response, Buffer.from('cargo'))
        else refuse(response, status, code, more, headers)
      })
      await bench.run([...items, { uri: 's3a://cargo/b.jar', to: 'b.jar' }], {
        ...plan(server),
        limits: { concurrencyMax: 1 },
      })
      expect(await bench.files()).toEqual({ 'a.jar': 'cargo', 'b.jar': 'cargo' })
      expect(server.requests).toHaveLength(3)
    },
  )

  it('that is wrong as well, or not to be believed, is an error with the region in it', async () => {
    await using bench = await workbench()
    await using server = await scriptedServer((request, response) =>
      refuse(
        response,
        400,
        'AuthorizationHeaderMalformed',
        `<Region>${regionOf(request) === 'r-1' ? 'r-2' : 'r-1'}</Region>`,
      ),
    )
    await expect(bench.run(items, plan(server))).rejects.toMatchObject({ kind: 'invalid', code: 's3-wrong-region' })
    expect(server.requests).toHaveLength(2)
    const strict = plan(server, { 'fs.s3a.cross.region.access.enabled': 'false' })
    await expect(bench.run(items, strict)).rejects.toMatchObject({
      message: expect.stringContaining('r-1'),
      hint: expect.stringContaining('fs.s3a.endpoint.region'),
    })
    expect(server.requests).toHaveLength(3)
  })

  it.each(['http://169.254.169.254', 'http://[fd00:ec2::254]'])(
    '%s is refused: it hands out credentials',
    async (endpoint) => {
      await using bench = await workbench()
      const hadoop = {
        properties: { 'fs.s3a.endpoint': endpoint, 'fs.s3a.access.key': 'k', 'fs.s3a.secret.key': secret },
      }
      await expect(bench.run(items, { hadoop })).rejects.toMatchObject({ kind: 'unsafe', code: 'address-refused' })
    },
  )
})

describe('a clock', () => {
  it('that is wrong is put right by what the answer says, once', async () => {
    const times: number[] = []
    await using server = await scriptedServer((request, response) => {
      const date = String(request.headers['x-amz-date'])
      const at = Date.parse(date.replace(/^(....)(..)(..)T(..)(..)(..)Z$/, '$1-$2-$3T$4:$5:$6Z'))
      times.push(at)
      if (Math.abs(at - Date.now()) > 900_000) refuse(response, 403, 'RequestTimeTooSkewed')
      else serveObject(request, response, Buffer.from('cargo'))
    })
    const source = await sourceOf(server, {}, { now: () => Date.now() - 86_400_000 })
    for (const _ of [1, 2]) (await source.open(item, { offset: 0 })).discard()
    expect(times).toHaveLength(3)
    source.close()
  })
})

describe('a listing', () => {
  const page = (objects: string, next?: string): string =>
    `<ListBucketResult><IsTruncated>${next !== undefined}</IsTruncated>${next === undefined ? '' : `<NextContinuationToken>${next}</NextContinuationToken>`}${objects}</ListBucketResult>`
  const object = (key: string, size = 5): string => `<Contents><Key>${key}</Key><Size>${size}</Size></Contents>`
  const folder = [{ uri: 's3a://cargo/dir/', to: 'x' }]

  it('keeps names as they are, white space and escapes too', async () => {
    await using bench = await workbench()
    await using server = await scriptedServer((request, response) => {
      const url = new URL(request.url!, 'http://s')
      if (!url.searchParams.has('list-type')) return serveObject(request, response, Buffer.from('cargo'))
      const last = url.searchParams.has('continuation-token')
      response.end(
        last ? page(object('dir/007') + object('dir/&lt;b&gt; &amp;#1 ')) : page(object('dir/a&#x20;'), 'a+b/=='),
      )
    })
    await bench.run(folder, plan(server))
    expect(Object.keys(await bench.files())).toEqual(['x/007', 'x/<b> &#1 ', 'x/a '])
    expect(server.requests[1]!.path).toContain('continuation-token=a%2Bb%2F%3D%3D')
  })

  it.each([
    ['goes round in a circle', () => page(object('dir/a'), 'same')],
    [
      'is cut without saying how it goes on',
      () => '<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>',
    ],
    ['has an object without a name', () => page('<Contents><Size>1</Size></Contents>')],
    ['has an object without a size', () => page('<Contents><Key>dir/a</Key></Contents>')],
  ])('that %s is corrupt', async (_, body) => {
    await using bench = await workbench()
    await using server = await scriptedServer((_request, response) => response.end(body()))
    await expect(bench.run(folder, plan(server))).rejects.toMatchObject({ kind: 'corrupt', code: 's3-bad-listing' })
  })

  it.each(['dir/../../etc/passwd', 'dir//a', 'dir/a/', 'dir/a\u0001', 'dir/.supercargo/journal'])(
    'with the key %j is refused before anything is fetched',
    async (key) => {
      await using bench = await workbench()
      await using server = await scriptedServer((_, response) => response.end(page(object(key) + object('dir/b'))))
      await expect(bench.run([{ uri: 's3a://cargo/dir/', to: '.' }], plan(server))).rejects.toMatchObject({
        kind: expect.stringMatching(/^(unsafe|corrupt|invalid)$/),
      })
      expect(server.requests).toHaveLength(1)
    },
  )

  it('is tried again when the store is busy', async () => {
    await using bench = await workbench()
    await using server = await scriptedServer((request, response, number) => {
      if (number === 1) refuse(response, 503, 'SlowDown')
      else if (request.url!.includes('list-type')) response.end(page(object('dir/a')))
      else serveObject(request, response, Buffer.from('cargo'))
    })
    await bench.run(folder, plan(server))
    expect(await bench.files()).toEqual({ 'x/a': 'cargo' })
  })
})

describe('a checksum', () => {
  const bytes = bytesOf(100_000)
  const crcOf = (data: Buffer): string => {
    const value = Buffer.alloc(4)
    value.writeUInt32BE(crc32(data))
    return value.toString('base64')
  }
  const sha = (data: Buffer): Buffer => createHash('sha256').update(data).digest()

  it('that does not fit is tried once more from the start, then is corrupt, and nothing stays', async () => {
    await using bench = await workbench()
    await using server = await scriptedServer((request, response) =>
      serveObject(request, response, bytes, { 'x-amz-checksum-crc32': crcOf(Buffer.from('other')) }),
    )
    await expect(bench.run(items, plan(server))).rejects.toMatchObject({ kind: 'corrupt', code: 'checksum-mismatch' })
    expect(server.requests).toHaveLength(2)
    server.script = (request, response) =>
      serveObject(request, response, bytes, { 'x-amz-checksum-crc32': crcOf(bytes) })
    await bench.run(items, plan(server))
    expect(server.requests.at(-1)!.headers.range).toBeUndefined()
  })

  it('is compared after a cut too', async () => {
    await using bench = await workbench()
    const large = bytesOf(3_000_000)
    await using server = await scriptedServer((request, response, number) => {
      // Only the answer with the whole states it.
      if (number === 1) response.setHeader('x-amz-checksum-crc32', crcOf(Buffer.from('other')))
      serve(request, response, large, { etag: '"one"', ...(number === 1 ? { cutAfter: 2_000_000 } : {}) })
    })
    await expect(bench.run(items, plan(server))).rejects.toMatchObject({ code: 'checksum-mismatch' })
    expect(server.requests[1]!.headers.range).toBe('bytes=2000000-')
  })

  it.each([
    ['of parts fits', 40_000, 200],
    ['of parts that cannot be looked up is passed over', 40_000, 403],
    ['of parts of unequal size is passed over', 30_000, 200],
  ])('%s', async (_, partBytes, status) => {
    await using bench = await workbench()
    const parts = [bytes.subarray(0, 40_000), bytes.subarray(40_000, 80_000), bytes.subarray(80_000)]
    const value = `${sha(Buffer.concat(parts.map(sha))).toString('base64')}-3`
    await using server = await scriptedServer((request, response) => {
      if (request.method === 'HEAD') response.writeHead(status, { 'content-length': partBytes }).end()
      else serveObject(request, response, bytes, { 'x-amz-checksum-sha256': value })
    })
    await bench.run(items, plan(server))
    expect(server.requests.map(({ method, path }) => `${method} ${path}`)).toEqual([
      'GET /cargo/a.jar',
      'HEAD /cargo/a.jar?partNumber=1',
    ])
  })

  it.each(['x-amz-checksum-crc32', 'x-amz-checksum-sha256', 'x-amz-checksum-new'])(
    'in the field %s that cannot be read is passed over',
    async (field) => {
      await using bench = await workbench()
      await using server = await scriptedServer((request, response) =>
        serveObject(request, response, bytes, { [field]: '???' }),
      )
      await bench.run(items, plan(server))
      expect((await bench.read('a.jar')).length).toBe(bytes.length)
    },
  )

  it('is asked for at AWS, and elsewhere only when that is wanted', async () => {
    await using server = await scriptedServer((request, response) => serveObject(request, response, bytes))
    for (const [more, mode] of [
      [{}, undefined],
      [{ 'fs.s3a.checksum.validation': 'true' }, 'ENABLED'],
    ] as const) {
      const source = await sourceOf(server, more)
      ;(await source.open(item, { offset: 0 })).discard()
      expect(server.requests.at(-1)!.headers['x-amz-checksum-mode']).toBe(mode)
      source.close()
    }
  })
})

describe('an object', () => {
  it('that may be read and not described is read', async () => {
    await using bench = await workbench()
    await using server = await scriptedServer((request, response) => {
      if (request.method === 'HEAD') response.writeHead(403).end()
      else serveObject(request, response, Buffer.from('cargo'))
    })
    await bench.run(items, plan(server, { 'fs.s3a.checksum.validation': 'true' }))
    expect(await bench.files()).toEqual({ 'a.jar': 'cargo' })
  })

  it('that changes after a cut is fetched anew, and never mixed', async () => {
    await using bench = await workbench()
    const [one, two] = [bytesOf(3_000_000), bytesOf(3_000_000, 2)]
    await using server = await scriptedServer((request, response, number) => {
      if (number === 1) serve(request, response, one, { etag: '"one"', cutAfter: 2_000_000 })
      else serveObject(request, response, two)
    })
    await bench.run(items, plan(server))
    expect(Buffer.from(await bench.read('a.jar'), 'latin1').equals(two)).toBe(true)
    expect(server.requests[1]!.headers).toMatchObject({ 'if-match': '"one"', range: 'bytes=2000000-' })
  })

  it('that changes again and again is an error', async () => {
    await using bench = await workbench()
    await using server = await scriptedServer((request, response, number) => {
      if (request.headers['if-match'] !== undefined) refuse(response, 412, 'PreconditionFailed')
      else serve(request, response, bytesOf(3_000_000, number), { etag: `"${number}"`, cutAfter: 2_000_000 })
    })
    await expect(bench.run(items, plan(server, {}, 8))).rejects.toMatchObject({
      kind: 'corrupt',
      code: 'source-changing',
    })
  })

  it('of another who pays, or of a version, is asked for as such', async () => {
    await using server = await scriptedServer((request, response) => serveObject(request, response, Buffer.from('x')))
    const source = await sourceOf(server, { 'fs.s3a.requester.pays.enabled': 'true' })
    ;(await source.open({ ...item, uri: `${item.uri}?versionId=a/b` }, { offset: 0 })).discard()
    expect(server.requests[0]).toMatchObject({
      path: '/cargo/a.jar?versionId=a%2Fb',
      headers: { 'x-amz-request-payer': 'requester', authorization: expect.stringContaining('x-amz-request-payer') },
    })
    source.close()
  })
})
