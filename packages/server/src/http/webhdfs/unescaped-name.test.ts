/** A name that a Hadoop client writes into the request line as it is means the same as one that is escaped; all else stays no request. */
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { download, hadoop, upload } from '../../testing/hadoop-client.ts'
import { RawClient, rawRequest } from '../../testing/raw-http.ts'
import { startTestServer, type TestServer } from '../../testing/test-server.ts'

let server: TestServer
beforeAll(async () => {
  server = await startTestServer()
  await upload(server, '/spark/é漢😀.jar', 'bytes')
})
afterAll(() => server.stop())

const connections = promisify((done: (error: Error | null, count: number) => void) =>
  server.app.fastify.server.getConnections(done),
)

const ask = (path: string, operation: string, method = 'GET') =>
  Buffer.from(
    `${method} /webhdfs/v1${path}?op=${operation} HTTP/1.1\r\nHost: x:1\r\nConnection: keep-alive\r\n${method === 'PUT' ? 'Content-Length: 0\r\n' : ''}\r\n`,
  )

describe('a name beyond ASCII that is not escaped', () => {
  it('is found, redirected to by an escaped address, and the connection closed with its answer', async () => {
    const client = await RawClient.open(server.port)
    await client.send(ask('/spark/é漢😀.jar', 'GETFILESTATUS'))
    const status = await client.answer()
    expect([status.status, status.headers.connection]).toEqual([200, 'close'])
    expect(JSON.parse(status.body.toString()).FileStatus.length).toBe(5)
    await client.whenClosed()
    const made = await rawRequest(server.port, ask('/spark/ü', 'CREATE', 'PUT'))
    expect(made.headers.location).toBe('http://x:1/webhdfs/v1/spark/%c3%bc?op=CREATE&data=true')
  })

  it('may follow other requests of its connection', async () => {
    const client = await RawClient.open(server.port)
    await client.send(ask('/spark', 'LISTSTATUS'))
    expect((await client.answer()).status).toBe(200)
    await client.send(ask('/spark/é漢😀.jar', 'OPEN'))
    await client.whenClosed()
    expect(client.received.toString()).toMatch(/200 OK.*307 Temporary Redirect.*%f0%9f%98%80\.jar\?op=OPEN&data=true/s)
  })

  it('is an error in Hadoop’s words where the operation is one', async () => {
    const answer = await rawRequest(server.port, ask('/spark/é/x', 'OPEN'))
    expect([answer.status, JSON.parse(answer.body.toString()).RemoteException.exception]).toEqual([
      404,
      'FileNotFoundException',
    ])
  })

  it('is the same in the encoding of another locale', async () => {
    await upload(server, '/spark/größe.jar', 'bytes')
    const latin = Buffer.from(ask('/spark/größe.jar', 'GETFILESTATUS').toString(), 'latin1')
    expect((await rawRequest(server.port, latin)).status).toBe(200)
  })

  it.each([
    ['outside of the door', 'GET /\u00e9 HTTP/1.1\r\nHost: x\r\n\r\n'],
    ['behind the request line', 'GET /webhdfs/v1/spark/\u00e9 HTTP/1.1\r\nHost\u00e9: x\r\n\r\n'],
    ['with a body', 'PUT /webhdfs/v1/spark/\u00e9?op=CREATE HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx'],
    [
      'with a body that is to come',
      'PUT /webhdfs/v1/spark/\u00e9?op=CREATE HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n',
    ],
    ['with another request behind it', `${ask('/spark/\u00e9', 'OPEN')}${ask('/spark', 'LISTSTATUS')}`],
    ['of which the head is not complete', 'GET /webhdfs/v1/spark/\u00e9?op=OPEN HTTP/1.1\r\nHost: x\r\n'],
    ['behind bytes that are part of a body', 'GET /webhdfs/v1/xGET /webhdfs/v1/\u00e9 HTTP/1.1\r\nHost: x\r\n\r\n'],
  ])('is no request %s', async (_, text) => {
    const answer = await rawRequest(server.port, Buffer.from(text))
    expect(answer.status).toBe(400)
    expect(answer.body.toString()).toContain('not-http')
  })

  it('leaves no connection behind', async () => {
    const before = await connections()
    for (let turn = 0; turn < 10; turn++)
      expect((await rawRequest(server.port, ask('/spark/é漢😀.jar', 'GETFILESTATUS'))).status).toBe(200)
    await expect.poll(() => connections()).toBeLessThanOrEqual(before)
    expect((await hadoop(server, 'GET', '/spark/é漢😀.jar', 'GETFILESTATUS')).status).toBe(200)
    expect((await download(server, '/spark/é漢😀.jar')).bytes.toString()).toBe('bytes')
  })
})
