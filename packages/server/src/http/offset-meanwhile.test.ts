/** Who asks for the offset while bytes still come gets one from which the upload really goes on. */
import { randomBytes } from 'node:crypto'
import { headers as names } from '@supercargo/protocol'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { RawClient, until } from '../testing/raw-http.ts'
import { startTestServer, type TestServer } from '../testing/test-server.ts'
import { call, createUpload, digestOf } from '../testing/v1-api.ts'

let server: TestServer
beforeAll(async () => {
  server = await startTestServer()
})
afterAll(() => server.stop())

describe('the offset of a blob that is just being sent (case 43)', () => {
  it('is one that was sent, never falls, and is where another request may go on', async () => {
    const bytes = randomBytes(6_000_000)
    const { resourceId: id, resourceSecret: secret } = await createUpload(server, { blob: bytes })
    const path = `/${id}/blobs/${digestOf(bytes)}`
    const offset = async (): Promise<number> => {
      const answer = await call(server, 'HEAD', path, { secret })
      expect([answer.status, answer.headers.get(names.uploadComplete)]).toEqual([204, '?0'])
      return Number(answer.headers.get(names.uploadOffset))
    }
    const older = await RawClient.open(server.port)
    await older.send(
      `PUT /api/v1/resources${path} HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer ${secret}\r\nContent-Length: ${bytes.length}\r\n\r\n`,
    )
    let last = 0
    for (let sent = 0; sent < 4_000_000; sent += 250_000) {
      await older.send(bytes.subarray(sent, sent + 250_000))
      const now = await offset()
      expect(now).toBeGreaterThanOrEqual(last)
      expect(now).toBeLessThanOrEqual(sent + 250_000)
      last = now
    }
    const stated = await until(
      async () => ((await offset()) > 0 ? offset() : undefined),
      5000,
      () => 'no byte was kept',
    )
    const goOn = (from: number): Promise<Response> =>
      call(server, 'PUT', path, {
        secret,
        body: bytes.subarray(from),
        headers: { [names.uploadOffset]: String(from) },
      })
    let answer = await goOn(stated)
    // What the older request had under way may be kept as well; then the answer says so.
    if (answer.status === 409) answer = await goOn(Number(answer.headers.get(names.uploadOffset)))
    expect(answer.status).toBe(201)
    await older.send(bytes.subarray(4_000_000))
    await older.whenClosed()
    expect(older.received.toString('latin1')).not.toContain(' 201 ')
    expect((await call(server, 'POST', `/${id}/commit`, { secret })).status).toBe(200)
    const fetched = await call(server, 'GET', `/${id}/files/blob`, { secret })
    expect(Buffer.from(await fetched.arrayBuffer()).equals(bytes)).toBe(true)
  })
})
