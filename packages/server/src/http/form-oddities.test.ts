/** Forms that no ordinary client sends are taken exactly, or refused and leave nothing. */
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { formBody, formRequest, type TestPart, testBoundary, v0Owner } from '../testing/form.ts'
import { type RawAnswer, rawRequest } from '../testing/raw-http.ts'
import { startTestServer, type TestServer } from '../testing/test-server.ts'
import { call, createUpload } from '../testing/v1-api.ts'

const path = '/api/v0/resources/'
const resources: TestPart = { name: 'resources', body: 'bytes' }
const owner: TestPart = { name: 'resourcesOwner', body: v0Owner }

let server: TestServer
beforeAll(async () => {
  server = await startTestServer({ limits: { idleTimeoutMs: 5000 } })
})
afterAll(() => server.stop())

function send(body: Uint8Array, extra: Readonly<Record<string, string>> = {}): Promise<RawAnswer> {
  return rawRequest(server.port, formRequest(path, body, extra))
}

async function storedBytes(answer: RawAnswer): Promise<Buffer> {
  expect(answer.status, answer.body.toString()).toBe(200)
  const { resourceId, resourceSecret } = JSON.parse(answer.body.toString())
  const fetched = await fetch(`${server.url}/api/v0/resources/${resourceId}`, {
    headers: { authorization: resourceSecret },
  })
  return Buffer.from(await fetched.arrayBuffer())
}

async function expectClean(): Promise<void> {
  expect(await server.incoming()).toEqual([])
  expect(server.store.usage().reservedBytes).toBe(0)
}

/** A form whose first part has this head, line by line. */
function withHead(...lines: string[]): Buffer {
  const first = `--${testBoundary}\r\nContent-Disposition: form-data; name="resources"\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\nbytes\r\n`
  return Buffer.concat([Buffer.from(first, 'latin1'), formBody([owner])])
}

describe('the head of a part (case 26)', () => {
  it.each([
    ['of more than 16 KiB', withHead(`X: ${'x'.repeat(20_000)}`)],
    ['of 3000 fields', withHead(...Array.from({ length: 3000 }, (_, n) => `X-${n}: y`))],
    ['whose name has a line break', formBody([{ name: 'resour\r\nces', body: 'bytes' }, owner])],
    ['that does not end', Buffer.from(`--${testBoundary}\r\nContent-Disposition: form-data; name="resources"\r\n`)],
  ])('%s never becomes a resource of other bytes', async (_, body) => {
    const answer = await send(body)
    // What a parser drops of a head is no part of the bytes: either the form is refused, or they are what was sent.
    if (answer.status === 200) expect((await storedBytes(answer)).toString()).toBe('bytes')
    else expect(answer.status).toBe(400)
    await expectClean()
  })

  it('with bytes that are no text does not reach an answer or a log as they are', async () => {
    const answer = await send(formBody([{ name: 'resour\u0000ces\u001b[31m', body: 'x' }, owner]))
    expect(answer.status).toBe(400)
    expect(answer.body.toString()).not.toMatch(/[\u0000\u001b]/)
    expect(server.logged()).not.toMatch(/[\u0000\u001b]/)
    await expectClean()
  })
})

describe('parts inside a part (case 27)', () => {
  it('are the bytes of that part', async () => {
    const inner = formBody([{ name: 'resourcesOwner', body: '{}' }, resources], 'another-boundary')
    const part = { name: 'resources', type: 'multipart/mixed; boundary=another-boundary', body: inner }
    expect((await storedBytes(await send(formBody([part, owner])))).equals(inner)).toBe(true)
  })
})

describe('a content coding (cases 29, 126)', () => {
  it('of a part is stored as it came, and never inflated', async () => {
    const bomb = gzipSync(Buffer.alloc(30_000_000))
    const before = server.store.usage().bytes
    expect((await storedBytes(await send(formBody([{ ...resources, body: bomb }, owner])))).equals(bomb)).toBe(true)
    expect(server.store.usage().bytes).toBe(before + bomb.length)
  })

  it('of a blob is no reason to look into it: the digest is of what came', async () => {
    const packed = gzipSync('a jar')
    const { resourceId: id, resourceSecret: secret } = await createUpload(server, { a: packed })
    const digest = (await call(server, 'POST', `/${id}/commit`, { secret })).json() as Promise<{ missing: string[] }>
    const answer = await call(server, 'PUT', `/${id}/blobs/${(await digest).missing[0]}`, {
      secret,
      body: packed,
      headers: { 'content-encoding': 'gzip' },
    })
    expect(answer.status).toBe(201)
    expect((await call(server, 'POST', `/${id}/commit`, { secret })).status).toBe(200)
    const fetched = await call(server, 'GET', `/${id}/files/a`, { secret })
    expect(fetched.headers.get('content-encoding')).toBeNull()
    expect(Buffer.from(await fetched.arrayBuffer()).equals(packed)).toBe(true)
  })

  it('of a whole form is refused: its parts cannot be told apart', async () => {
    const answer = await send(gzipSync(formBody([resources, owner])), { 'Content-Encoding': 'gzip' })
    expect(answer.status).toBe(400)
    await expectClean()
  })
})

describe('a boundary (case 23)', () => {
  it.each(['b', '(.*)+$', "'()+_,-./:=?", 'b'.repeat(70), 'a[b'])('of %j is taken literally', async (boundary) => {
    const payload = `--${boundary.slice(0, -1)}\r\n--x\r\n.*`
    const body = formBody([{ ...resources, body: payload }, owner], boundary)
    const answer = await send(body, { 'Content-Type': `multipart/form-data; boundary="${boundary}"` })
    expect((await storedBytes(answer)).toString()).toBe(payload)
  })
})

describe('an owner (cases 20, 131)', () => {
  it.each([
    ['a number that is none', v0Owner.replace('"default"', 'NaN')],
    ['another encoding', Buffer.from(v0Owner, 'utf16le')],
    ['a constructor', v0Owner.replace('{', '{"constructor":{"prototype":{"polluted":true}},')],
    ['text behind it', `${v0Owner}{}`],
  ])('with %s is refused, and no object learns anything from it', async (_, text) => {
    const answer = await send(formBody([resources, { ...owner, body: text }]))
    expect(answer.status).toBe(400)
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined()
    await expectClean()
  })

  it('whose labels have a prototype is selected by its labels alone', async () => {
    const text = v0Owner.replace('{"spark', '{"__proto__":{"polluted":true},"spark')
    const answer = await send(formBody([resources, { ...owner, body: text }]))
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined()
    if (answer.status === 400) return
    const { resourceId } = JSON.parse(answer.body.toString())
    const { labels } = (await server.store.read(resourceId))!.owners[0]!
    expect(Object.entries(labels!)).toEqual([['spark-app-selector', 'spark-1']])
    expect((labels as { polluted?: boolean }).polluted).toBeUndefined()
    const alone = formBody([resources, { ...owner, body: v0Owner.replace('"spark-app-selector"', '"__proto__"') }])
    expect((await send(alone)).status).toBe(400)
  })

  it('that says a key twice is the last word: the namespace that is checked is the one that is used', async () => {
    const twice = v0Owner.replace('{"ownerNamespace":"default"', '{"ownerNamespace":"first","ownerNamespace":"second"')
    const answer = await send(formBody([resources, { ...owner, body: twice }]))
    expect(answer.status).toBe(200)
    const { resourceId } = JSON.parse(answer.body.toString())
    expect((await server.store.read(resourceId))!.owners.map(({ namespace }) => namespace)).toEqual(['second'])
    expect(Object.keys(server.store.usage().namespaces)).not.toContain('first')
  })
})

describe('text that is made to be slow (case 132)', () => {
  // Each would take a parser that goes back and forth minutes or for ever; the test's own limit is the check.
  const long = 14_000
  it.each([
    ['a media type', { 'Content-Type': `multipart/form-data;${' '.repeat(long)}x` }],
    ['a boundary', { 'Content-Type': `multipart/form-data; boundary="${'"; boundary="'.repeat(long / 14)}` }],
    ['a range', { Range: `bytes=${'0-0, '.repeat(long / 5)}x` }],
    ['an entity tag', { 'If-None-Match': `"${'", "'.repeat(long / 4)}` }],
    ['a digest field', { 'Repr-Digest': `${'sha-256=:'.repeat(long / 9)}` }],
    ['a credential', { Authorization: `Bearer${' '.repeat(long)}x y` }],
    ['an accepted type', { Accept: `${'*/*;q=0.'.repeat(long / 8)}, ;` }],
  ])('is answered all the same: %s', { timeout: 10_000 }, async (_, fields: Record<string, string>) => {
    expect((await send(formBody([resources]), fields)).status).toBeGreaterThanOrEqual(400)
    const get = `GET /api/v1/resources/${'a'.repeat(26)}/files/x HTTP/1.1\r\nHost: t\r\n`
    const head = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`)
    expect((await rawRequest(server.port, `${get}${head.join('')}\r\n`)).status).toBe(401)
  })

  it('as the name of a file is answered too', { timeout: 10_000 }, async () => {
    const filename = `${'a; filename='.repeat(900)}${'\\"'.repeat(500)}`
    const answer = await send(formBody([{ ...resources, filename }, owner]))
    expect([200, 400]).toContain(answer.status)
  })
})
