/** A large blob arrives whole, over however many requests (resumable uploads). */
import { randomBytes } from 'node:crypto'
import { headers as names, toDigestField } from '@supercargo/protocol'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { RawClient, until } from '../testing/raw-http.ts'
import { tarBody } from '../testing/tar.ts'
import { startTestServer, type TestServer } from '../testing/test-server.ts'
import { call, createUpload, digestOf } from '../testing/v1-api.ts'

let server: TestServer
beforeAll(async () => {
  server = await startTestServer({ limits: { idleTimeoutMs: 2000 } })
})
afterAll(() => server.stop())

/** An upload of one blob of its own. */
async function begin(sizeBytes = 3_000_000) {
  const bytes = randomBytes(sizeBytes)
  const { resourceId: id, resourceSecret: secret } = await createUpload(server, { blob: bytes })
  const path = `/${id}/blobs/${digestOf(bytes)}`
  return {
    id,
    secret,
    bytes,
    path,
    put: (body: Uint8Array, fields: Record<string, string> = {}) =>
      call(server, 'PUT', path, { secret, body, headers: fields }),
    async offset() {
      const answer = await call(server, 'HEAD', path, { secret })
      expect(answer.status).toBe(204)
      expect(answer.headers.get('cache-control')).toBe('no-store')
      expect(answer.headers.get(names.uploadLength)).toBe(String(sizeBytes))
      return {
        offset: Number(answer.headers.get(names.uploadOffset)),
        complete: answer.headers.get(names.uploadComplete),
      }
    },
    /** Says the head of a PUT and these bytes of its body, and goes away. */
    async cut(from: number, sent: number, fields = '') {
      const client = await RawClient.open(server.port)
      const head = `PUT /api/v1/resources${path} HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer ${secret}\r\nContent-Length: ${sizeBytes - from}\r\n${fields}\r\n`
      await client.send(head)
      await client.send(bytes.subarray(from, from + sent))
      return client
    },
  }
}

async function activeUploads(): Promise<string | undefined> {
  return /^supercargo_active_uploads (\d+)$/m.exec(await (await fetch(`${server.url}/metrics`)).text())?.[1]
}

async function settled(upload: Awaited<ReturnType<typeof begin>>): Promise<number> {
  await until(
    async () => ((await activeUploads()) === '0' ? true : undefined),
    5000,
    () => 'an upload hangs',
  )
  return (await upload.offset()).offset
}

describe('a large blob', () => {
  it('is stored by one PUT and acknowledged with its digest', async () => {
    const upload = await begin()
    expect(await upload.offset()).toEqual({ offset: 0, complete: '?0' })
    const answer = await upload.put(upload.bytes)
    expect(answer.status).toBe(201)
    expect(answer.headers.get(names.reprDigest)).toBe(toDigestField(digestOf(upload.bytes)))
    expect(answer.headers.get(names.uploadComplete)).toBe('?1')
    expect(await upload.offset()).toEqual({ offset: upload.bytes.length, complete: '?1' })
    expect((await call(server, 'POST', `/${upload.id}/commit`, { secret: upload.secret })).status).toBe(200)
  })

  it('goes on where a cut left it, at any of many places', async () => {
    const upload = await begin()
    let from = 0
    for (const sent of [1, 70_000, 1_048_576, 500_000]) {
      const client = await upload.cut(from, sent, `Upload-Offset: ${from}\r\n`)
      await new Promise((resolve) => setTimeout(resolve, 30))
      client.socket.resetAndDestroy()
      const kept = await settled(upload)
      expect(kept).toBeGreaterThanOrEqual(from)
      expect(kept).toBeLessThanOrEqual(from + sent)
      from = kept
    }
    expect(from).toBeGreaterThan(0)
    const answer = await upload.put(upload.bytes.subarray(from), { [names.uploadOffset]: String(from) })
    expect(answer.status).toBe(201)
    await call(server, 'POST', `/${upload.id}/commit`, { secret: upload.secret })
    const fetched = await call(server, 'GET', `/${upload.id}/files/blob`, { secret: upload.secret })
    expect(Buffer.from(await fetched.arrayBuffer()).equals(upload.bytes)).toBe(true)
  })

  it('may be sent in pieces by PATCH', async () => {
    const upload = await begin(1000)
    const patch = (from: number, to: number, complete: string) =>
      call(server, 'PATCH', upload.path, {
        secret: upload.secret,
        body: upload.bytes.subarray(from, to),
        headers: {
          'content-type': 'application/partial-upload',
          [names.uploadOffset]: String(from),
          [names.uploadComplete]: complete,
        },
      })
    const first = await patch(0, 400, '?0')
    expect([first.status, first.headers.get(names.uploadOffset), first.headers.get(names.uploadComplete)]).toEqual([
      204,
      '400',
      '?0',
    ])
    expect((await patch(400, 1000, '?1')).status).toBe(201)
    const other = await call(server, 'PATCH', upload.path, {
      secret: upload.secret,
      body: 'x',
      headers: { 'content-type': 'text/plain' },
    })
    expect(other.status).toBe(415)
  })

  it('sent whole again after a cut is taken as well', async () => {
    const upload = await begin()
    const client = await upload.cut(0, 1_200_000)
    await new Promise((resolve) => setTimeout(resolve, 30))
    client.destroy()
    expect(await settled(upload)).toBeGreaterThan(0)
    expect((await upload.put(upload.bytes)).status).toBe(201)
  })

  it('is refused at a wrong offset with 409 and the right one (case 41)', async () => {
    const upload = await begin(1000)
    await upload.put(upload.bytes.subarray(0, 300), { [names.uploadComplete]: '?0' })
    for (const wrong of [0, 299, 301, 999]) {
      const answer = await upload.put(upload.bytes.subarray(wrong), { [names.uploadOffset]: String(wrong) })
      expect(answer.status).toBe(409)
      expect(answer.headers.get(names.uploadOffset)).toBe('300')
      expect((await answer.json()) as object).toMatchObject({
        code: 'offset-mismatch',
        'expected-offset': 300,
        'provided-offset': wrong,
      })
    }
    expect((await upload.put(upload.bytes.subarray(300), { [names.uploadOffset]: '300' })).status).toBe(201)
  })

  it('is refused when the lengths disagree, before its body is read (cases 6, 44)', async () => {
    const upload = await begin(1000)
    const cases: readonly (readonly [number, Uint8Array, Record<string, string>])[] = [
      [413, Buffer.alloc(1001), {}],
      [400, upload.bytes.subarray(0, 999), {}],
      [400, upload.bytes, { [names.uploadLength]: '999' }],
      [400, upload.bytes, { [names.reprDigest]: toDigestField(digestOf('other')) }],
    ]
    for (const [status, body, fields] of cases) expect((await upload.put(body, fields)).status).toBe(status)
    expect((await upload.offset()).offset).toBe(0)
    expect(
      (await upload.put(upload.bytes, { [names.uploadOffset]: 'nonsense', [names.uploadComplete]: '1' })).status,
    ).toBe(201)
  })

  it('without a length is taken up to its size and not further (case 7)', async () => {
    const upload = await begin(1000)
    const chunked = async (body: Uint8Array) => {
      const client = await RawClient.open(server.port)
      await client.send(
        `PUT /api/v1/resources${upload.path} HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer ${upload.secret}\r\nTransfer-Encoding: chunked\r\n\r\n`,
      )
      await client.send(`${body.length.toString(16)}\r\n`)
      await client.send(body)
      await client.send('\r\n0\r\n\r\n')
      const { status } = await client.answer()
      client.destroy()
      return status
    }
    expect(await chunked(Buffer.concat([upload.bytes, Buffer.alloc(1)]))).toBe(413)
    expect(await chunked(upload.bytes)).toBe(201)
  })

  it('of wrong bytes is refused, and begins again from nothing', async () => {
    const upload = await begin(1000)
    const answer = await upload.put(Buffer.alloc(1000))
    expect(answer.status).toBe(422)
    expect((await answer.json()) as object).toMatchObject({ code: 'digest-mismatch', kind: 'corrupt' })
    expect((await upload.offset()).offset).toBe(0)
    expect((await upload.put(upload.bytes)).status).toBe(201)
  })

  it('is taken over by a newer request, and its bytes never mix (case 42)', async () => {
    const upload = await begin()
    const older = await upload.cut(0, 1_000_000)
    await until(
      async () => ((await activeUploads()) === '1' ? true : undefined),
      5000,
      () => 'the older one does not begin',
    )
    const answer = await upload.put(upload.bytes)
    expect(answer.status).toBe(201)
    // The older one sends nothing any more, and is answered all the same, long before it would count as idle.
    const refused = await older.answer(1000)
    expect(refused.status).toBe(400)
    expect(JSON.parse(refused.body.toString())).toMatchObject({ code: 'superseded' })
    expect(await activeUploads()).toBe('0')
    await older.whenClosed()
    await call(server, 'POST', `/${upload.id}/commit`, { secret: upload.secret })
    const fetched = await call(server, 'GET', `/${upload.id}/files/blob`, { secret: upload.secret })
    expect(Buffer.from(await fetched.arrayBuffer()).equals(upload.bytes)).toBe(true)
  })

  it('gives its place to others as soon as somebody asks for its offset', async () => {
    const upload = await begin()
    const older = await upload.cut(0, 1_000_000)
    await until(
      async () => ((await activeUploads()) === '1' ? true : undefined),
      5000,
      () => 'the older one does not begin',
    )
    const { offset } = await upload.offset()
    expect(JSON.parse((await older.answer(1000)).body.toString())).toMatchObject({ code: 'superseded' })
    expect(await activeUploads()).toBe('0')
    expect((await upload.put(upload.bytes.subarray(offset), { [names.uploadOffset]: String(offset) })).status).toBe(201)
    older.destroy()
  })

  it('in a tar is taken over by a request of its own, and the tar ends at once', async () => {
    const upload = await begin(1000)
    const tar = tarBody([{ name: digestOf(upload.bytes), body: upload.bytes }])
    const older = await RawClient.open(server.port)
    await older.send(
      `POST /api/v1/resources/${upload.id}/blobs HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer ${upload.secret}\r\nContent-Type: application/x-tar\r\nContent-Length: ${tar.length}\r\n\r\n`,
    )
    await older.send(tar.subarray(0, 600))
    await until(
      async () => ((await activeUploads()) === '1' ? true : undefined),
      5000,
      () => 'the tar does not begin',
    )
    // The tar may not have come to its entry yet; then there is nothing to take over.
    await until(
      async () => {
        await upload.offset()
        return older.received.length > 0 ? true : undefined
      },
      1500,
      () => 'the tar is not ended',
    )
    expect(JSON.parse((await older.answer(1000)).body.toString())).toMatchObject({ code: 'superseded' })
    expect((await upload.put(upload.bytes)).status).toBe(201)
    older.destroy()
  })

  it('that is complete is acknowledged again without its body being read (case 45)', async () => {
    const upload = await begin()
    await upload.put(upload.bytes)
    for (const committed of [false, true]) {
      if (committed) await call(server, 'POST', `/${upload.id}/commit`, { secret: upload.secret })
      const client = await upload.cut(0, 0)
      const answer = await client.answer()
      expect(answer.status).toBe(200)
      expect(answer.headers.connection).toBe('close')
      expect(answer.headers[names.reprDigest]).toBe(toDigestField(digestOf(upload.bytes)))
      client.destroy()
    }
  })

  it('that the upload does not name is 404', async () => {
    const upload = await begin(10)
    for (const digest of [digestOf('other'), 'sha256:zz', '..%2F..%2Fx', 'sha256:']) {
      expect(
        (await call(server, 'PUT', `/${upload.id}/blobs/${digest}`, { secret: upload.secret, body: 'x' })).status,
      ).toBe(404)
    }
  })

  it('is dropped while it arrives when the upload is released (case 46)', async () => {
    const upload = await begin()
    const client = await upload.cut(0, 1_000_000)
    await new Promise((resolve) => setTimeout(resolve, 30))
    expect((await call(server, 'DELETE', `/${upload.id}`, { secret: upload.secret })).status).toBe(204)
    await client.send(upload.bytes.subarray(1_000_000))
    expect((await client.answer()).status).toBeGreaterThanOrEqual(400)
    client.destroy()
    expect(await server.incoming()).not.toContain(upload.id)
  })
})
