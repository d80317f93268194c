/** The requests of stock Spark and of Hadoop's shell, in their order, and what each is answered. */
import { createHash, randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { download, hadoop, remoteError, upload } from '../../testing/hadoop-client.ts'
import { rawRequest } from '../../testing/raw-http.ts'
import { startTestServer, type TestServer } from '../../testing/test-server.ts'

let server: TestServer
beforeAll(async () => {
  server = await startTestServer()
})
afterAll(() => server.stop())

const directory = '/spark/spark-upload-0a1b2c3d-0000-4000-8000-0123456789ab'

describe('the sequence of spark-submit and of its driver', () => {
  it('uploads and downloads, with the answers that no Hadoop client stumbles over', async () => {
    const bytes = randomBytes(300_000)
    const path = `${directory}/app.jar`
    const made = await hadoop(server, 'PUT', directory, 'MKDIRS', { permission: '755', unmaskedpermission: '777' })
    expect([made.status, made.text]).toEqual([200, '{"boolean":true}'])
    const before = await hadoop(server, 'GET', path, 'GETFILESTATUS')
    expect(remoteError(before)).toMatchObject({ status: 404, thrown: 'FileNotFoundException' })
    expect((await upload(server, path, bytes)).status).toBe(201)
    const status = await hadoop(server, 'GET', path, 'GETFILESTATUS')
    expect(status.json.FileStatus).toMatchObject({ type: 'FILE', length: 300_000, pathSuffix: '', permission: '644' })
    const got = await download(server, path)
    expect([got.status, got.bytes.equals(bytes)]).toEqual([200, true])
    expect(got.headers.get('content-length')).toBe('300000')
    const listed = await hadoop(server, 'GET', directory, 'LISTSTATUS')
    expect(listed.json.FileStatuses?.FileStatus.map((each) => each.pathSuffix)).toEqual(['app.jar'])
    // At any Content-Type a Hadoop 3.5 client fails.
    for (const answer of [made, before, status, listed]) expect(answer.headers.get('content-type')).toBeNull()
  })

  it('is redirected by 307 before any byte is sent, and stores nothing at the first step', async () => {
    const path = `${directory}/first-step.jar`
    const first = await fetch(`${server.url}/webhdfs/v1${path}?op=CREATE&overwrite=true`, {
      method: 'PUT',
      redirect: 'manual',
      body: 'bytes at the wrong step',
    })
    expect(first.status).toBe(307)
    expect(new URL(first.headers.get('location')!).searchParams.get('op')).toBe('CREATE')
    expect((await hadoop(server, 'GET', path, 'GETFILESTATUS')).status).toBe(404)
    await upload(server, path, 'x')
    const open = await hadoop(server, 'GET', path, 'OPEN')
    expect([open.status, open.text]).toEqual([307, ''])
    expect(await server.incoming()).toEqual([])
  })

  it('stores the same bytes once', async () => {
    const bytes = randomBytes(100_000)
    await upload(server, '/once/a.jar', bytes)
    await upload(server, '/once/b.jar', bytes)
    expect(server.store.usage().namespaces.once).toBe(100_000)
  })

  it('reads from an offset, for a length, and beyond neither', async () => {
    await upload(server, '/spark/range', 'one two three')
    const part = async (parameters: Record<string, string>) =>
      (await download(server, '/spark/range', parameters)).bytes.toString()
    expect(await part({ offset: '4', length: '3' })).toBe('two')
    expect(await part({ offset: '8' })).toBe('three')
    expect(await part({ offset: '8', length: '100' })).toBe('three')
    expect(await part({ length: '0' })).toBe('')
    for (const offset of ['13', '99']) {
      const outside = await hadoop(server, 'GET', '/spark/range', 'OPEN', { offset })
      expect(remoteError(outside)).toEqual({
        status: 403,
        thrown: 'EOFException',
        message: `the file has 13 bytes; there is none at ${offset}`,
      })
    }
    await upload(server, '/spark/empty', '')
    expect((await download(server, '/spark/empty')).bytes.length).toBe(0)
  })

  it('serves many executors at once, each of which gets all bytes', async () => {
    const bytes = randomBytes(256 << 10)
    await upload(server, '/spark/many.jar', bytes)
    const digest = createHash('sha256').update(bytes).digest('hex')
    const got = await Promise.all(
      Array.from({ length: 100 }, async () => {
        const { bytes: part } = await download(server, '/spark/many.jar')
        return createHash('sha256').update(part).digest('hex')
      }),
    )
    expect(new Set(got)).toEqual(new Set([digest]))
  })
})

describe('the tree of names', () => {
  it('is that of a file system: directories, listings in pages, sums', async () => {
    await hadoop(server, 'PUT', '/tree/a/b', 'MKDIRS')
    await upload(server, '/tree/a/x', 'xx')
    await upload(server, '/tree/a/b/y', 'yyy')
    const names = async (operation: string, parameters = {}) =>
      (await hadoop(server, 'GET', '/tree/a', operation, parameters)).json
    expect((await names('LISTSTATUS')).FileStatuses?.FileStatus).toMatchObject([
      { pathSuffix: 'b', type: 'DIRECTORY' },
      { pathSuffix: 'x', type: 'FILE', length: 2 },
    ])
    expect((await names('LISTSTATUS_BATCH', { startafter: 'b' })).DirectoryListing).toMatchObject({
      partialListing: { FileStatuses: { FileStatus: [{ pathSuffix: 'x' }] } },
      remainingEntries: 0,
    })
    expect((await names('GETCONTENTSUMMARY')).ContentSummary).toMatchObject({
      directoryCount: 2,
      fileCount: 2,
      length: 5,
    })
    expect((await hadoop(server, 'GET', '/tree/a/x', 'LISTSTATUS')).json.FileStatuses?.FileStatus).toMatchObject([
      { pathSuffix: '', type: 'FILE' },
    ])
    expect((await hadoop(server, 'GET', '/', 'GETHOMEDIRECTORY')).json).toEqual({ Path: '/' })
  })

  it('gives a file a new name, as the upload of Hadoop’s shell needs it', async () => {
    const move = async (from: string, destination: string) =>
      (await hadoop(server, 'PUT', from, 'RENAME', { destination })).json.boolean
    await upload(server, '/moves/f._COPYING_', 'moved')
    expect(await move('/moves/f._COPYING_', '/moves/f')).toBe(true)
    expect((await download(server, '/moves/f')).bytes.toString()).toBe('moved')
    await hadoop(server, 'PUT', '/moves/d', 'MKDIRS')
    expect(await move('/moves/f', '/moves/d')).toBe(true)
    expect((await download(server, '/moves/d/f')).bytes.toString()).toBe('moved')
    await upload(server, '/moves/f', 'another')
    expect(await move('/moves/f', '/moves/d')).toBe(false)
    expect(await move('/moves/none', '/moves/g')).toBe(false)
    expect(await move('/moves/f', '/moves/none/g')).toBe(false)
    expect(await move('/moves/d', '/moves/d/e')).toBe(false)
  })

  it('releases what is removed or replaced, at once', async () => {
    await upload(server, '/gone/a', 'first')
    await upload(server, '/gone/a', 'second')
    await upload(server, '/gone/d/b', 'third')
    const ids = async (): Promise<string[]> => {
      const found: string[] = []
      for await (const { entry } of server.frontDoor.names.below({ namespace: 'gone', tree: 'anonymous', path: '' }))
        if (entry.type === 'file') found.push(entry.resourceId)
      return found
    }
    const before = await ids()
    expect(before.length).toBe(2)
    const kept = await hadoop(server, 'DELETE', '/gone/d', 'DELETE')
    expect(remoteError(kept)).toMatchObject({ status: 403, thrown: 'PathIsNotEmptyDirectoryException' })
    expect((await hadoop(server, 'DELETE', '/gone/d', 'DELETE', { recursive: 'true' })).json).toEqual({ boolean: true })
    expect((await hadoop(server, 'DELETE', '/gone/a', 'DELETE')).json).toEqual({ boolean: true })
    expect((await hadoop(server, 'DELETE', '/gone/a', 'DELETE')).json).toEqual({ boolean: false })
    for (const id of before) expect(await server.store.read(id)).toBeUndefined()
  })

  it('has no name for what the collector took', async () => {
    await upload(server, '/taken/a', 'bytes')
    const entry = await server.frontDoor.names.look({ namespace: 'taken', tree: 'anonymous', path: 'a' })
    await server.store.release(entry?.type === 'file' ? entry.resourceId : '')
    const status = await hadoop(server, 'GET', '/taken/a', 'OPEN')
    expect(remoteError(status)).toMatchObject({ status: 404, message: expect.stringContaining('upload it again') })
    expect((await upload(server, '/taken/a', 'new', {})).status).toBe(201)
    expect((await download(server, '/taken/a')).bytes.toString()).toBe('new')
  })
})

describe('the address of the second step', () => {
  it('is the one that the client used, or ours where the client used that', async () => {
    const named = await startTestServer({
      podUrl: 'http://supercargo.supercargo:10000',
      publicUrl: 'https://staging.example.org/prefix',
    })
    try {
      const redirected = async (host: string): Promise<string> => {
        const answer = await rawRequest(
          named.port,
          `PUT /webhdfs/v1/spark/a%20b?op=CREATE HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 0\r\n\r\n`,
        )
        return answer.headers.location!
      }
      const rest = '/webhdfs/v1/spark/a%20b?op=CREATE&data=true'
      expect(await redirected('localhost:7777')).toBe(`http://localhost:7777${rest}`)
      expect(await redirected('supercargo.supercargo:10000')).toBe(`http://supercargo.supercargo:10000${rest}`)
      expect(await redirected('staging.example.org')).toBe(`https://staging.example.org/prefix${rest}`)
      expect(await redirected('staging.example.org:443')).toBe(`https://staging.example.org/prefix${rest}`)
      expect(await redirected('evil.example')).toBe(`http://evil.example${rest}`)
    } finally {
      await named.stop()
    }
  })
})
