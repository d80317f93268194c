/** What a Hadoop client can get wrong, and what its user then reads: a class that it knows, a sentence that says what to do. */
import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { download, hadoop, remoteError, upload } from '../../testing/hadoop-client.ts'
import { RawClient, rawRequest, until } from '../../testing/raw-http.ts'
import { startTestServer, type TestServer } from '../../testing/test-server.ts'

let open: TestServer
beforeAll(async () => {
  open = await startTestServer({ limits: { fileBytesMax: 3_000_000, idleTimeoutMs: 2000 } })
  await upload(open, '/spark/file', 'bytes')
  await hadoop(open, 'PUT', '/spark/directory', 'MKDIRS')
})
afterAll(async () => {
  await open.stop()
})

describe('a request that cannot be done', () => {
  it.each([
    [
      'an unknown operation',
      'GET',
      '/spark/file',
      'FROBNICATE',
      400,
      'IOException',
      /"FROBNICATE" is not possible here/,
    ],
    [
      'permissions',
      'PUT',
      '/spark/file',
      'SETPERMISSION',
      400,
      'IOException',
      /leave out what asks for it \(-p of -put/,
    ],
    ['appending', 'POST', '/spark/file', 'APPEND', 400, 'IOException', /not possible here/],
    ['a checksum', 'GET', '/spark/file', 'GETFILECHECKSUM', 400, 'IOException', /-skipcrccheck/],
    ['no operation', 'GET', '/spark/file', '', 400, 'IllegalArgumentException', /op is missing/],
    ['the wrong method', 'GET', '/spark/file', 'MKDIRS', 400, 'IllegalArgumentException', /asked for by PUT, not GET/],
    ['an inherited name', 'GET', '/spark/file', 'constructor', 400, 'IOException', /not possible here/],
    ['a control character', 'PUT', '/spark/a\nb', 'CREATE', 400, 'InvalidPathException', /control character/],
    ['a name that is too long', 'PUT', `/spark/${'x'.repeat(256)}`, 'CREATE', 400, 'InvalidPathException', /255 bytes/],
    ['no namespace', 'PUT', '/No_Namespace/x', 'CREATE', 400, 'IllegalArgumentException', /write \/<namespace>/],
    ['the top', 'GET', '/', 'LISTSTATUS', 403, 'AccessControlException', /nothing can be listed/],
    ['nothing there', 'GET', '/spark/none', 'OPEN', 404, 'FileNotFoundException', /upload it again/],
    [
      'a directory that is read',
      'GET',
      '/spark/directory',
      'OPEN',
      404,
      'FileNotFoundException',
      /a directory has no bytes/,
    ],
    [
      'a directory where the file goes',
      'PUT',
      '/spark/directory',
      'CREATE',
      403,
      'FileAlreadyExistsException',
      /is a directory/,
    ],
    [
      'a file where the directory goes',
      'PUT',
      '/spark/file/x',
      'CREATE',
      403,
      'ParentNotDirectoryException',
      /remove the file/,
    ],
    [
      'a directory in a file',
      'PUT',
      '/spark/file/x',
      'MKDIRS',
      403,
      'ParentNotDirectoryException',
      /choose another directory/,
    ],
    ['a file that is there', 'PUT', '/spark/file', 'CREATE', 403, 'FileAlreadyExistsException', /overwrite it \(-f\)/],
    [
      'a claim that is none',
      'PUT',
      '/spark/claim=a b/x',
      'CREATE',
      400,
      'IllegalArgumentException',
      /supercargo.io\/claim/,
    ],
  ])('(%s) is refused with what to do', async (_, method, path, operation, status, thrown, message) => {
    expect(remoteError(await hadoop(open, method, path, operation))).toEqual({
      status,
      thrown,
      message: expect.stringMatching(message),
    })
  })

  it.each([
    ['a slash that is hidden', 'a%2f..%2fb', 'InvalidPathException'],
    ['dots', '../secrets', 'InvalidPathException'],
    ['dots behind a directory', 'a/../../b?op=LISTSTATUS', 'InvalidPathException'],
    ['dots that are hidden', '%2e%2e/x', 'InvalidPathException'],
    ['a negative offset', 'file?op=OPEN&offset=-1', 'IllegalArgumentException'],
    ['an offset of words', 'file?op=OPEN&offset=many', 'IllegalArgumentException'],
  ])('(%s) in the address is refused', async (_, rest, thrown) => {
    const address = rest.includes('?') ? rest : `${rest}?op=GETFILESTATUS`
    const answer = await rawRequest(open.port, `GET /webhdfs/v1/spark/${address} HTTP/1.1\r\nHost: x\r\n\r\n`)
    expect(answer.status).toBe(400)
    expect(answer.headers['content-type']).toBeUndefined()
    expect(JSON.parse(answer.body.toString()).RemoteException.exception).toBe(thrown)
  })

  it.each(['a%zzb', 'a%ffb'])('is no request where the address cannot be decoded: %s', async (name) => {
    const answer = await rawRequest(open.port, `GET /webhdfs/v1/spark/${name}?op=OPEN HTTP/1.1\r\nHost: x\r\n\r\n`)
    expect([answer.status, answer.body.toString()]).toEqual([400, expect.stringContaining('not well-formed')])
  })

  it('tells of the locale where Java has put "?" for what it could not write', async () => {
    const line = 'GET /webhdfs/v1/spark/???.jar?op=GETFILESTATUS HTTP/1.1\r\nHost: x\r\n\r\n'
    const answer = await rawRequest(open.port, line)
    expect(JSON.parse(answer.body.toString()).RemoteException.message).toMatch(/LC_ALL=C\.UTF-8/)
  })

  it.each(['a b', 'a%b', 'a%20b', 'a+b;c', 'ü漢😀', '"quoted"', "it's", 'a=b&c', 'a?b', 'a#b', '-', '...'])(
    'is none where a name is only odd: %s',
    async (name) => {
      expect((await upload(open, `/odd/${name}`, name)).status).toBe(201)
      expect((await download(open, `/odd/${name}`)).bytes.toString()).toBe(name)
      const listed = await hadoop(open, 'GET', '/odd', 'LISTSTATUS')
      expect(listed.json.FileStatuses?.FileStatus.map(({ pathSuffix }) => pathSuffix)).toContain(name)
    },
  )
})

describe('an upload', () => {
  it('that is cut off leaves no name and no bytes', async () => {
    const client = await RawClient.open(open.port)
    await client.send(
      'PUT /webhdfs/v1/spark/cut?op=CREATE&data=true HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n',
    )
    await until(
      async () => ((await open.incoming()).length > 0 ? true : undefined),
      5000,
      () => 'nothing arrives',
    )
    client.destroy()
    await until(
      async () => ((await open.incoming()).length === 0 ? true : undefined),
      5000,
      () => 'something is left',
    )
    expect((await hadoop(open, 'GET', '/spark/cut', 'GETFILESTATUS')).status).toBe(404)
    expect(open.store.usage().reservedBytes).toBe(0)
  })

  it('that stalls is given up, and its sender told', async () => {
    const client = await RawClient.open(open.port)
    await client.send(
      'PUT /webhdfs/v1/spark/stall?op=CREATE&data=true HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n',
    )
    const answer = await client.answer(15_000)
    expect([answer.status, answer.body.toString()]).toEqual([408, expect.stringContaining('no byte arrived')])
    client.destroy()
    expect(await open.incoming()).toEqual([])
  })

  it('that is too large is refused with the limit, after its sender was heard to the end', async () => {
    const answer = await upload(open, '/spark/large', randomBytes(8 << 20))
    expect(remoteError(answer)).toMatchObject({ status: 413, thrown: 'IOException' })
    expect(await open.incoming()).toEqual([])
  })

  it('of two to one path ends with the bytes of one of them, whole', async () => {
    const bodies = Array.from({ length: 8 }, () => randomBytes(200_000))
    const answers = await Promise.all(bodies.map((body) => upload(open, '/spark/race', body)))
    expect(answers.map(({ status }) => status)).toEqual(bodies.map(() => 201))
    const { bytes } = await download(open, '/spark/race')
    expect(bodies.some((body) => body.equals(bytes))).toBe(true)
    const first = await Promise.all(bodies.map((body) => upload(open, '/spark/once', body, { overwrite: 'false' })))
    expect(first.filter(({ status }) => status === 201).length).toBe(1)
  })

  it('keeps the old bytes for who reads them while it replaces them', async () => {
    const old = randomBytes(2_000_000)
    await upload(open, '/spark/replaced', old)
    const asked = await hadoop(open, 'GET', '/spark/replaced', 'OPEN')
    const reading = await fetch(asked.headers.get('location')!)
    await upload(open, '/spark/replaced', 'new')
    expect(Buffer.from(await reading.arrayBuffer()).equals(old)).toBe(true)
    expect((await download(open, '/spark/replaced')).bytes.toString()).toBe('new')
  })
})

describe('a reader', () => {
  it('that goes away ends its transfer, and others read on', async () => {
    const bytes = randomBytes(2_500_000)
    await upload(open, '/spark/read', bytes)
    const leaving = await RawClient.open(open.port)
    await leaving.send('GET /webhdfs/v1/spark/read?op=OPEN&data=true HTTP/1.1\r\nHost: x\r\n\r\n')
    await until(
      () => (leaving.received.length > 0 ? true : undefined),
      5000,
      () => 'nothing came',
    )
    leaving.destroy()
    expect((await download(open, '/spark/read')).bytes.equals(bytes)).toBe(true)
    await until(
      async () =>
        (await (await fetch(`${open.url}/metrics`)).text()).includes('supercargo_active_downloads 0')
          ? true
          : undefined,
      5000,
      () => 'the transfer is still counted',
    )
  })
})

describe('a server that cannot take files', () => {
  it('says so in Hadoop’s words: busy, or going away', async () => {
    const busy = await startTestServer({ limits: { uploadsMax: 1 } })
    try {
      const client = await RawClient.open(busy.port)
      await client.send(
        'PUT /webhdfs/v1/spark/slow?op=CREATE&data=true HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n',
      )
      await until(
        async () => ((await busy.incoming()).length > 0 ? true : undefined),
        5000,
        () => 'nothing arrives',
      )
      expect(remoteError(await hadoop(busy, 'PUT', '/spark/x', 'CREATE'))).toMatchObject({
        status: 503,
        thrown: 'IOException',
        message: expect.stringContaining('under way already'),
      })
      busy.app.drain()
      busy.app.interruptUploads()
      const cut = await client.answer()
      expect([cut.status, cut.body.toString()]).toEqual([503, expect.stringContaining('shutting down')])
      client.destroy()
      expect(remoteError(await hadoop(busy, 'PUT', '/spark/x', 'CREATE')).message).toContain('shutting down')
    } finally {
      await busy.stop()
    }
  })
})
