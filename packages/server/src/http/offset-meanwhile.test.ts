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
  it('is one that was sent, never falls, and is where the next request goes on', async () => {
    const bytes = randomBytes(6_000_000)
    const { resourceId: id, resourceSecret: secret } = await createUpload(server, { blob: bytes })
    const path = `/${id}/blobs/${digestOf(bytes)}`
    let from = 0
    for (const sent of [1, 250_000, 1_500_000, 2_000_000]) {
      const older = await RawClient.open(server.port)
      await older.send(
        `PUT /api/v1/resources${path} HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer ${secret}\r\nUpload-Offset: ${from}\r\nContent-Length: ${bytes.length - from}\r\n\r\n`,
      )
      await older.send(bytes.subarray(from, from + sent))
      const offset = await until(
        async () => {
          const answer = await call(server, 'HEAD', path, { secret })
          expect([answer.status, answer.headers.get(names.uploadComplete)]).toEqual([204, '?0'])
          const now = Number(answer.headers.get(names.uploadOffset))
          expect(now).toBeGreaterThanOrEqual(from)
          expect(now).toBeLessThanOrEqual(from + sent)
          // Asking ends the older request, once it has begun.
          return older.received.length > 0 ? now : undefined
        },
        5000,
        () => 'the older request goes on',
      )
      expect((await older.answer()).status).toBe(400)
      older.destroy()
      from = offset
    }
    const answer = await call(server, 'PUT', path, {
      secret,
      body: bytes.subarray(from),
      headers: { [names.uploadOffset]: String(from) },
    })
    expect(answer.status).toBe(201)
    expect((await call(server, 'POST', `/${id}/commit`, { secret })).status).toBe(200)
    const fetched = await call(server, 'GET', `/${id}/files/blob`, { secret })
    expect(Buffer.from(await fetched.arrayBuffer()).equals(bytes)).toBe(true)
  })
})
