/** The wire of the 2017 server, field by field. */
import { readFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { formBody, formRequest, type TestPart, v0Owner } from '../testing/form.ts'
import { rawRequest } from '../testing/raw-http.ts'
import { startTestServer, type TestServer } from '../testing/test-server.ts'

const path = '/api/v0/resources/'
const opaque = Buffer.from([0x1f, 0x8b, 0, 255, 13, 10, 45, 45])
const resources: TestPart = { name: 'resources', type: 'multipart/form-data', encoding: 'binary', body: opaque }
const owner: TestPart = {
  name: 'resourcesOwner',
  type: 'application/json; charset=utf-8',
  encoding: 'binary',
  body: v0Owner,
}

let server: TestServer
beforeAll(async () => {
  server = await startTestServer()
})
afterAll(() => server.stop())

async function stage(parts: readonly TestPart[], extra: Record<string, string> = {}) {
  return rawRequest(server.port, formRequest(path, formBody(parts), extra))
}

async function staged(
  parts: readonly TestPart[] = [resources, owner],
): Promise<{ resourceId: string; resourceSecret: string }> {
  const answer = await stage(parts)
  expect(answer.status, answer.body.toString()).toBe(200)
  return JSON.parse(answer.body.toString())
}

function get(id: string, secret: string | undefined, init: RequestInit = {}): Promise<Response> {
  const authorization: Record<string, string> = secret === undefined ? {} : { authorization: secret }
  return fetch(`${server.url}/api/v0/resources/${id}`, {
    ...init,
    headers: { ...authorization, ...(init.headers as Record<string, string>) },
  })
}

describe('an upload of the 2017 client', () => {
  it('is taken as it was captured, and its bytes come back unchanged', async () => {
    const captured = await readFile(new URL('../testing/v0-upload.http', import.meta.url))
    const answer = await rawRequest(server.port, captured)
    expect(answer.status).toBe(200)
    expect(answer.headers['content-type']).toBe('application/json')
    const body = JSON.parse(answer.body.toString())
    expect(Object.keys(body)).toEqual(['resourceId', 'resourceSecret'])
    const fetched = await get(body.resourceId, body.resourceSecret)
    const start = captured.indexOf('\r\n\r\n', captured.indexOf('name="resources"')) + 4
    expect(Buffer.from(await fetched.arrayBuffer())).toEqual(captured.subarray(start, start + 266))
  })

  const accepted: readonly (readonly [string, readonly TestPart[]])[] = [
    ['the owner before the resources (case 17)', [owner, resources]],
    [
      'the resources with a file name (case 18)',
      [{ ...resources, filename: 'x.tgz', type: 'application/octet-stream' }, owner],
    ],
    ['the owner as a file (case 19)', [resources, { ...owner, filename: 'owner.json' }]],
    ['the owner as plain text, without a type (case 19)', [resources, { name: 'resourcesOwner', body: v0Owner }]],
    [
      'parts of other names (case 21)',
      [{ name: 'extra', body: 'x'.repeat(200_000) }, resources, { name: 'more', filename: 'f', body: 'y' }, owner],
    ],
    ['no bytes at all (case 30)', [{ ...resources, body: '' }, owner]],
  ]
  it.each(accepted)('may have %s', async (_title, parts) => {
    const { resourceId, resourceSecret } = await staged(parts)
    const sent = parts.find((part) => part.name === 'resources')!.body
    expect(Buffer.from(await (await get(resourceId, resourceSecret)).arrayBuffer())).toEqual(Buffer.from(sent))
  })

  it('may be sent without the trailing slash', async () => {
    const answer = await rawRequest(server.port, formRequest('/api/v0/resources', formBody([resources, owner])))
    expect(answer.status).toBe(200)
  })

  const refused: readonly (readonly [string, number, string, readonly TestPart[]])[] = [
    ['two parts of resources (case 12)', 400, 'duplicate-part', [resources, resources, owner]],
    ['two owners (case 13)', 400, 'duplicate-part', [resources, owner, owner]],
    ['no owner (case 14)', 400, 'missing-part', [resources]],
    ['no resources (case 15)', 400, 'missing-part', [owner]],
    ['a part without a disposition for its resources', 400, 'missing-part', [{ body: opaque }, owner]],
    ['an owner that is no JSON', 400, 'bad-json', [resources, { ...owner, body: '{"ownerNamespace"' }]],
    [
      'an owner of more than 64 KiB (case 20)',
      413,
      'body-too-large',
      [resources, { ...owner, body: `"${'x'.repeat(70_000)}"` }],
    ],
    [
      'an owner that is not UTF-8 (case 20)',
      400,
      'bad-encoding',
      [resources, { ...owner, body: Buffer.from([0x22, 0xff, 0x22]) }],
    ],
    [
      'an owner nested 100000 deep (case 20)',
      400,
      'bad-owner',
      [resources, { ...owner, body: '['.repeat(30_000) + ']'.repeat(30_000) }],
    ],
    [
      'an owner with __proto__ (case 20)',
      400,
      'bad-owner',
      [resources, { ...owner, body: '{"__proto__":{"ownerNamespace":"default"}}' }],
    ],
    [
      'an owner with an unknown field',
      400,
      'bad-owner',
      [resources, { ...owner, body: v0Owner.replace('{', '{"more":1,') }],
    ],
    ['an unknown ownerType', 400, 'bad-owner', [resources, { ...owner, body: v0Owner.replace('"Pod"', '"Job"') }]],
    [
      'an owner without labels (case 122)',
      400,
      'bad-owner',
      [resources, { ...owner, body: '{"ownerNamespace":"a","ownerLabels":{},"ownerType":"Pod"}' }],
    ],
    [
      'a namespace that is a path (case 119)',
      400,
      'bad-owner',
      [resources, { ...owner, body: v0Owner.replace('"default"', '"../x"') }],
    ],
    [
      'a label that is a selector (case 120)',
      400,
      'bad-owner',
      [resources, { ...owner, body: v0Owner.replace('spark-1', 'b,c in (d)') }],
    ],
    ['a part in base64 (case 28)', 415, 'unsupported-transfer-encoding', [{ ...resources, encoding: 'base64' }, owner]],
    [
      'more than 64 parts',
      413,
      'too-many-parts',
      [resources, owner, ...Array.from({ length: 70 }, (_, n) => ({ name: `p${n}`, body: '' }))],
    ],
  ]
  it.each(refused)('is refused with %s', async (_title, status, code, parts) => {
    const answer = await stage(parts)
    expect(answer.headers['content-type']).toBe('application/problem+json')
    expect(JSON.parse(answer.body.toString())).toMatchObject({ status, code })
    expect(answer.status).toBe(status)
    expect(await server.incoming()).toEqual([])
    expect(server.store.usage().reservedBytes).toBe(0)
  })

  it.each([
    ['text/plain', 415],
    ['application/json', 415],
    ['multipart/mixed; boundary=x', 415],
    ['multipart/form-data', 400],
    ['multipart/form-data; boundary=', 400],
    [`multipart/form-data; boundary=${'b'.repeat(71)}`, 400],
    [`multipart/form-data; boundary=${'b'.repeat(300)}`, 400],
    ['', 415],
  ])('of the type "%s" is refused (cases 23, 32)', async (type, status) => {
    const answer = await stage([resources, owner], { 'Content-Type': type })
    expect(answer.status).toBe(status)
    expect(await server.incoming()).toEqual([])
  })
})

describe('a download of the 2017 client', () => {
  it('has a length and the exact type, and no content coding even when gzip is accepted', async () => {
    const { resourceId, resourceSecret } = await staged()
    const answer = await get(resourceId, resourceSecret, { headers: { 'accept-encoding': 'gzip' } })
    expect(answer.status).toBe(200)
    expect(answer.headers.get('content-type')).toBe('application/octet-stream')
    expect(answer.headers.get('content-length')).toBe(String(opaque.length))
    expect(answer.headers.get('content-encoding')).toBeNull()
    expect(answer.headers.get('x-content-type-options')).toBe('nosniff')
  })

  it('has 404 for an unknown id and 401 for a wrong secret (case 114)', async () => {
    const { resourceId, resourceSecret } = await staged()
    expect((await get('0'.repeat(26), resourceSecret)).status).toBe(404)
    expect((await get(resourceId.toUpperCase(), resourceSecret)).status).toBe(404)
    expect((await get('..%2Fping', resourceSecret)).status).toBe(404)
    expect((await get('%2e%2e', resourceSecret)).status).toBe(404)
    expect((await get(resourceId, undefined)).status).toBe(401)
    expect((await get(resourceId, `${resourceSecret}x`)).status).toBe(401)
    const withScheme = await get(resourceId, `Bearer ${resourceSecret}`)
    expect(withScheme.status).toBe(401)
    expect(withScheme.headers.get('www-authenticate')).toBeTruthy()
    expect((await get(`${resourceId}/`, resourceSecret)).status).toBe(200)
  })

  it('takes a secret header of the original length, 1405 characters (case 36)', async () => {
    const { resourceId } = await staged()
    expect((await get(resourceId, 'x'.repeat(1405))).status).toBe(401)
  })

  it('counts as a fetch by GET, not by HEAD', async () => {
    const { resourceId, resourceSecret } = await staged()
    const touched: string[] = []
    const original = server.store.touch.bind(server.store)
    server.store.touch = async (id) => {
      touched.push(id)
      return original(id)
    }
    const head = await get(resourceId, resourceSecret, { method: 'HEAD' })
    expect(head.status).toBe(200)
    expect(head.headers.get('content-length')).toBe(String(opaque.length))
    expect(touched).toEqual([])
    await (await get(resourceId, resourceSecret)).arrayBuffer()
    expect(touched).toEqual([resourceId])
    server.store.touch = original
  })

  it('answers pong to a ping, at both addresses, with and without the slash', async () => {
    for (const ping of ['/api/v0/ping', '/api/v0/ping/', '/api/ping', '/api/ping/']) {
      const answer = await fetch(server.url + ping)
      expect(answer.status).toBe(200)
      expect(answer.headers.get('content-type')).toBe('text/plain')
      expect(await answer.text()).toBe('pong')
    }
  })
})
