/** Who is told a file's name instead of getting its bytes: an nginx that is trusted and asked for it, and nobody else. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { digestHex, toDigestField } from '@supercargo/protocol'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { digest } from '../testing/staging.ts'
import { startTestServer, type TestServer } from '../testing/test-server.ts'
import { stageFiles } from '../testing/v1-api.ts'

const bytes = Buffer.from('the bytes of the blob')
const offer = { 'x-sendfile-type': 'X-Accel-Redirect' }
let trusting: TestServer
let wary: TestServer
beforeAll(async () => {
  trusting = await startTestServer({ accelRedirect: '/internal/', trustedProxies: ['127.0.0.1'] })
  wary = await startTestServer({ accelRedirect: '/internal', trustedProxies: ['127.0.0.2'] })
})
afterAll(() => Promise.all([trusting.stop(), wary.stop()]))

async function get(server: TestServer, fields: Record<string, string>, path = 'a.jar', method = 'GET') {
  const { id, secret } = await stageFiles(server, { 'a.jar': bytes.toString() })
  const headers = { authorization: `Bearer ${secret}`, ...fields }
  return await fetch(`${server.url}/api/v1/resources/${id}/files/${path}`, { method, headers })
}

describe('a whole blob, or the range that was asked for', () => {
  it.each([[{}], [{ range: 'bytes=4-8' }]])('is handed off with what the client checks: %o', async (fields) => {
    const answer = await get(trusting, { ...offer, ...fields })
    expect([answer.status, await answer.text()]).toEqual([200, ''])
    const target = answer.headers.get('x-accel-redirect')!
    const hex = digestHex(digest(bytes))
    expect(target).toMatch(new RegExp(`^/internal/[a-z-]+/${hex.slice(0, 2)}/${hex}$`))
    expect(await readFile(join(trusting.directory, 'blobs', target.slice('/internal/'.length)))).toEqual(bytes)
    expect(answer.headers.get('etag')).toBe(`"${digest(bytes)}"`)
    expect(answer.headers.get('repr-digest')).toBe(toDigestField(digest(bytes)))
    expect(await (await fetch(`${trusting.url}/metrics`)).text()).toMatch(/supercargo_handed_off_total [1-9]/)
  })

  it('counts as fetched', async () => {
    const { id, secret } = await stageFiles(trusting, { a: 'x' })
    let touched = ''
    const { touch } = trusting.store
    trusting.store.touch = async (fetched) => {
      touched = fetched
    }
    await fetch(`${trusting.url}/api/v1/resources/${id}/files/a`, {
      headers: { ...offer, authorization: `Bearer ${secret}` },
    })
    trusting.store.touch = touch
    expect(touched).toBe(id)
  })
})

describe('the bytes come from us', () => {
  it.each<[string, Record<string, string>, number, string]>([
    ['nobody offers to send the file', {}, 200, bytes.toString()],
    ['something else is offered', { 'x-sendfile-type': 'X-Sendfile' }, 200, bytes.toString()],
    ['there are several ranges', { ...offer, range: 'bytes=0-1,4-5' }, 200, bytes.toString()],
    ['the range is of something else', { ...offer, range: 'bytes=0-1', 'if-range': '"other"' }, 200, bytes.toString()],
    ['nginx would judge a precondition', { ...offer, 'if-match': '*' }, 200, bytes.toString()],
    ['there are none', { ...offer, range: 'bytes=99-' }, 416, ''],
  ])('where %s', async (_, fields, status, body) => {
    const answer = await get(trusting, fields)
    expect([answer.status, answer.headers.get('x-accel-redirect')]).toEqual([status, null])
    if (status < 300) expect(await answer.text()).toBe(body)
  })

  it('where whoever offers it is not trusted', async () => {
    const answer = await get(wary, { ...offer, 'x-forwarded-for': '127.0.0.2' })
    expect([await answer.text(), answer.headers.get('x-accel-redirect')]).toEqual([bytes.toString(), null])
  })

  it('where nobody may have them: no name is told either', async () => {
    const answer = await get(trusting, { ...offer, authorization: 'Bearer wrong' })
    expect([answer.status, answer.headers.get('x-accel-redirect')]).toEqual([401, null])
    const head = await get(trusting, offer, 'a.jar', 'HEAD')
    expect([head.headers.get('content-length'), head.headers.get('x-accel-redirect')]).toEqual([
      String(bytes.length),
      null,
    ])
  })
})
