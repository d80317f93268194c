/** A resource is created in steps or at once, and refused whole. */
import { commitResponseSchema, type Digest, manifestSchema } from '@supercargo/protocol'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { formBody, formRequest } from '../testing/form.ts'
import { rawRequest } from '../testing/raw-http.ts'
import { type TarEntry, tarBody } from '../testing/tar.ts'
import { startTestServer, type TestServer } from '../testing/test-server.ts'
import { type CallOptions, call, createUpload, digestOf, testOwner as owner } from '../testing/v1-api.ts'

const tarType = { 'content-type': 'application/x-tar' }

let server: TestServer
beforeAll(async () => {
  server = await startTestServer()
})
afterAll(() => server.stop())

const api = (method: string, path: string, options?: CallOptions) => call(server, method, path, options)
const create = (files: Readonly<Record<string, string>>) => createUpload(server, files)

async function problemOf(answer: Response): Promise<Record<string, unknown>> {
  expect(answer.headers.get('content-type')).toBe('application/problem+json')
  const problem = (await answer.json()) as Record<string, unknown>
  expect(problem.status).toBe(answer.status)
  expect(problem.requestId).toBe(answer.headers.get('x-request-id'))
  return problem
}

describe('a resource in steps', () => {
  it('is created, gets its missing blobs as a tar, is committed, and comes back as manifest, file and bundle', async () => {
    const files = { 'spark-jars/a.jar': 'alpha', 'spark-files/ü b.txt': 'beta', 'copy.jar': 'alpha', empty: '' }
    const { resourceId: id, resourceSecret: secret, missing } = await create(files)
    expect(missing).toEqual([digestOf('alpha'), digestOf('beta')])
    const blobs = await api('POST', `/${id}/blobs`, {
      secret,
      headers: tarType,
      body: tarBody(missing.map((digest) => ({ name: digest, body: digest === digestOf('alpha') ? 'alpha' : 'beta' }))),
    })
    expect(await blobs.json()).toEqual({ received: missing })
    expect((await api('GET', `/${id}`, { secret })).status).toBe(409)
    const committed = await api('POST', `/${id}/commit`, { secret })
    expect(committed.status).toBe(200)
    expect(commitResponseSchema.parse(await committed.json()).files.map((file) => file.path)).toEqual(
      Object.keys(files),
    )
    expect((await api('POST', `/${id}/commit`, { secret })).status).toBe(200)

    const manifest = manifestSchema.parse(await (await api('GET', `/${id}`, { secret })).json())
    expect(manifest.files.length).toBe(4)
    expect(manifest.owner).toEqual([{ namespace: 'spark', apiVersion: 'v1', kind: 'Pod', name: 'driver' }])
    const file = await api('GET', `/${id}/files/spark-files/${encodeURIComponent('ü b.txt')}`, { secret })
    expect(await file.text()).toBe('beta')
    expect(file.headers.get('content-disposition')).toBe(
      `attachment; filename="_ b.txt"; filename*=UTF-8''%C3%BC%20b.txt`,
    )
    const bundle = await api('GET', `/${id}`, { secret, headers: { accept: 'application/x-tar' } })
    expect(bundle.headers.get('content-type')).toBe('application/x-tar')
    expect(await readTar(Buffer.from(await bundle.arrayBuffer()))).toEqual(files)
    const small = await api('GET', `/${id}?sizeBytesMax=4`, { secret, headers: { accept: 'application/x-tar' } })
    expect(Object.keys(await readTar(Buffer.from(await small.arrayBuffer())))).toEqual(['spark-files/ü b.txt', 'empty'])
  })

  it('needs no bytes when the namespace has them all', async () => {
    await stageTar([{ name: 'x', body: 'known bytes' }])
    const { resourceId, resourceSecret, missing } = await create({ y: 'known bytes' })
    expect(missing).toEqual([])
    expect((await api('POST', `/${resourceId}/commit`, { secret: resourceSecret })).status).toBe(200)
  })

  it('names what is missing when it is committed too early', async () => {
    const { resourceId, resourceSecret, missing } = await create({ a: 'not sent' })
    const answer = await api('POST', `/${resourceId}/commit`, { secret: resourceSecret })
    expect(answer.status).toBe(409)
    expect(await problemOf(answer)).toMatchObject({ code: 'incomplete', kind: 'conflict', missing })
    await api('DELETE', `/${resourceId}`, { secret: resourceSecret })
  })

  it('takes blobs whose commits run while the tar goes on, many of them', async () => {
    const files = Object.fromEntries(Array.from({ length: 300 }, (_, n) => [`f${n}`, `content ${n}`]))
    const { resourceId, resourceSecret } = await create(files)
    const body = tarBody(Object.values(files).map((text) => ({ name: digestOf(text), body: text })))
    const answer = await api('POST', `/${resourceId}/blobs`, { secret: resourceSecret, headers: tarType, body })
    expect(((await answer.json()) as { received: string[] }).received.length).toBe(300)
    expect((await api('POST', `/${resourceId}/commit`, { secret: resourceSecret })).status).toBe(200)
  })

  const badBlobs: readonly (readonly [string, number, string, (digest: Digest) => TarEntry])[] = [
    [
      'of a digest that the upload does not name',
      400,
      'unknown-blob',
      () => ({ name: digestOf('other'), body: 'other' }),
    ],
    ['of a name that is no digest', 400, 'unknown-blob', () => ({ name: '../../etc/passwd', body: 'right' })],
    ['of another size', 400, 'size-mismatch', (digest) => ({ name: digest, body: 'right and more' })],
    ['of other bytes (digest mismatch)', 422, 'digest-mismatch', (digest) => ({ name: digest, body: 'wrong' })],
    ['that is a link', 422, 'unsafe-entry', (digest) => ({ name: digest, type: 'symlink', linkname: '/etc/passwd' })],
  ]
  it.each(badBlobs)('refuses a blob %s and can go on afterwards', async (_title, status, code, entry) => {
    const { resourceId, resourceSecret: secret, missing } = await create({ a: 'right' })
    const digest = missing[0] ?? digestOf('right')
    const answer = await api('POST', `/${resourceId}/blobs`, {
      secret,
      headers: tarType,
      body: tarBody([entry(digest)]),
    })
    expect(await problemOf(answer)).toMatchObject({ status, code })
    await api('POST', `/${resourceId}/blobs`, {
      secret,
      headers: tarType,
      body: tarBody([{ name: digest, body: 'right' }]),
    })
    expect((await api('POST', `/${resourceId}/commit`, { secret })).status).toBe(200)
    expect((await api('DELETE', `/${resourceId}`, { secret })).status).toBe(204)
    await server.store.maintenance.removeBlobs('spark', [digest], Number.MAX_SAFE_INTEGER, 0)
  })
})

describe('a resource in one request', () => {
  it('is staged as curl -F would', async () => {
    const body = formBody([
      { name: 'owner', filename: 'owner.json', type: 'application/json', body: JSON.stringify(owner) },
      { name: 'file', filename: 'a.jar', type: 'application/octet-stream', body: 'jar a' },
      { name: 'file', filename: 'lib/b.jar', type: 'application/octet-stream', body: 'jar b' },
    ])
    const answer = await rawRequest(server.port, formRequest('/api/v1/resources', body))
    expect(answer.status).toBe(201)
    const staged = commitResponseSchema.parse(JSON.parse(answer.body.toString()))
    expect(staged.files.map((file) => [file.path, file.sizeBytes])).toEqual([
      ['a.jar', 5],
      ['lib/b.jar', 5],
    ])
    expect(
      await (await api('GET', `/${staged.resourceId}/files/lib/b.jar`, { secret: staged.resourceSecret! })).text(),
    ).toBe('jar b')
  })

  it('may have its owner last, as a plain field, and file names in UTF-8', async () => {
    const body = formBody([
      { name: 'file', filename: 'ü.jar', body: 'x' },
      { name: 'owner', body: JSON.stringify(owner) },
    ])
    const answer = await rawRequest(server.port, formRequest('/api/v1/resources', body))
    expect(commitResponseSchema.parse(JSON.parse(answer.body.toString())).files[0]!.path).toBe('ü.jar')
  })

  const file = { name: 'file', filename: 'a.jar', body: 'a' }
  const ownerPart = { name: 'owner', body: JSON.stringify(owner) }
  it.each([
    ['no owner', 400, 'missing-part', [file]],
    ['no file', 400, 'missing-part', [ownerPart]],
    ['an unknown part', 400, 'unknown-part', [ownerPart, { ...file, name: 'files' }]],
    ['a file without a name', 400, 'missing-filename', [ownerPart, { name: 'file', body: 'a' }]],
    ['a path that leads out (case 119)', 422, 'unsafe-path', [ownerPart, { ...file, filename: '../../x' }]],
    ['an absolute path', 422, 'unsafe-path', [ownerPart, { ...file, filename: '/etc/x' }]],
    ['two files of one path', 400, 'path-conflict', [ownerPart, file, file]],
    ['a bad owner', 400, 'bad-owner', [{ ...ownerPart, body: '{"namespace":"spark"}' }, file]],
  ])('is refused with %s, and leaves nothing', async (_title, status, code, parts) => {
    const answer = await rawRequest(server.port, formRequest('/api/v1/resources', formBody(parts)))
    expect(JSON.parse(answer.body.toString())).toMatchObject({ status, code })
    expect(server.store.usage().reservedBytes).toBe(0)
  })

  it('is staged as a tar, with ./ before its names and directories passed over', async () => {
    const staged = await stageTar([
      { name: './', type: 'directory' },
      { name: './lib/', type: 'directory' },
      { name: './lib/a.jar', body: 'jar' },
    ])
    expect(staged.files.map((entry) => entry.path)).toEqual(['lib/a.jar'])
  })

  it.each([
    [
      'a symbolic link (case 125)',
      422,
      'unsafe-entry',
      tarBody([{ name: 'a', type: 'symlink', linkname: '/etc/passwd' }]),
    ],
    ['a hard link', 422, 'unsafe-entry', tarBody([{ name: 'a', type: 'link', linkname: 'b' }])],
    ['a device', 422, 'unsafe-entry', tarBody([{ name: 'a', type: 'character-device' }])],
    ['a path that leads out', 422, 'unsafe-path', tarBody([{ name: '../a', body: 'x' }])],
    [
      'two entries of one path',
      400,
      'path-conflict',
      tarBody([
        { name: 'a', body: 'x' },
        { name: 'a', body: 'y' },
      ]),
    ],
    ['no end (case 127)', 422, 'bad-bundle', tarBody([{ name: 'a', body: 'x' }]).subarray(0, 1024)],
    ['a cut in an entry', 422, 'bad-bundle', tarBody([{ name: 'a', body: 'x'.repeat(2000) }]).subarray(0, 1200)],
    ['garbage', 422, 'bad-bundle', Buffer.alloc(2048, 'x')],
    ['no bytes', 422, 'bad-bundle', Buffer.alloc(0)],
  ])('is refused as a tar with %s, and leaves nothing', async (_title, status, code, body) => {
    const answer = await api('POST', '', { headers: { ...tarType, 'supercargo-owner': JSON.stringify(owner) }, body })
    expect(await problemOf(answer)).toMatchObject({ status, code })
    expect(server.store.usage().reservedBytes).toBe(0)
  })

  it('may name its owner in the query, and must name it', async () => {
    const body = tarBody([{ name: 'a', body: 'x' }])
    const inQuery = await api('POST', `?owner=${encodeURIComponent(JSON.stringify(owner))}`, { headers: tarType, body })
    expect(inQuery.status).toBe(201)
    expect(await problemOf(await api('POST', '', { headers: tarType, body }))).toMatchObject({ code: 'missing-owner' })
  })

  it('of another media type is refused with 415', async () => {
    const answer = await api('POST', '', { headers: { 'content-type': 'text/plain' }, body: 'x' })
    expect(await problemOf(answer)).toMatchObject({ status: 415, code: 'unsupported-media-type' })
  })
})

async function stageTar(entries: readonly TarEntry[]) {
  const answer = await api('POST', '', {
    headers: { ...tarType, 'supercargo-owner': JSON.stringify(owner) },
    body: tarBody(entries),
  })
  expect(answer.status).toBe(201)
  const staged = commitResponseSchema.parse(await answer.json())
  return { ...staged, resourceSecret: staged.resourceSecret! }
}

async function readTar(bytes: Buffer): Promise<Record<string, string>> {
  const { extract } = await import('tar-stream')
  const files: Record<string, string> = {}
  const tar = extract()
  tar.end(bytes)
  for await (const entry of tar) {
    const chunks: Buffer[] = []
    for await (const chunk of entry) chunks.push(chunk as Buffer)
    files[entry.header.name] = Buffer.concat(chunks).toString()
  }
  return files
}
