/** A capability reads its resource and nothing else, until it is revoked or expires. */
import { capabilityResponseSchema } from '@supercargo/protocol'
import { ManualClock } from '@supercargo/transfer'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startTestServer, type TestServer } from '../testing/test-server.ts'
import { call, callJson, stageFiles } from '../testing/v1-api.ts'

const clock = new ManualClock()
let server: TestServer
beforeAll(async () => {
  server = await startTestServer({ clock, podUrl: 'http://pods.example/prefix/' })
})
afterAll(() => server.stop())

async function mint(id: string, secret: string, body: unknown = {}) {
  const answer = await callJson(server, 'POST', `/${id}/capabilities`, body, secret)
  expect(answer.status).toBe(201)
  const { name, url } = capabilityResponseSchema.parse(await answer.json())
  expect(url).toMatch(/^http:\/\/pods\.example\/prefix\/c\/[0-9a-z]{26}\.[A-Za-z0-9_-]{43}\/$/)
  return { name, local: url.replace('http://pods.example/prefix', server.url) }
}

describe('a capability', () => {
  it('reads every file of its resource by plain GET and HEAD, with ranges, and nothing else', async () => {
    const { id, secret } = await stageFiles(server, { 'lib/a b.jar': 'alpha', c: 'gamma' })
    const { local } = await mint(id, secret)
    expect(await (await fetch(`${local}lib/a%20b.jar`)).text()).toBe('alpha')
    expect(await (await fetch(`${local}c`, { headers: { range: 'bytes=1-2' } })).text()).toBe('am')
    expect((await fetch(`${local}c`, { method: 'HEAD' })).headers.get('content-length')).toBe('5')
    expect((await fetch(`${local}none`)).status).toBe(404)
    expect((await fetch(`${local}c`, { method: 'DELETE' })).status).toBe(405)
    expect((await call(server, 'GET', `/${id}`, { secret: local.split('/c/')[1]!.split('/')[0]! })).status).toBe(401)
  })

  it('is known by its hash alone: the record does not hold it', async () => {
    const { id, secret } = await stageFiles(server, { a: 'x' })
    const { local } = await mint(id, secret)
    const token = local.split('.').at(-1)!.replace('/', '')
    expect(JSON.stringify(await server.store.read(id))).not.toContain(token)
  })

  it('that is wrong, revoked, expired, or of a released resource is 404, always the same', async () => {
    const { id, secret } = await stageFiles(server, { a: 'x' })
    const revoked = await mint(id, secret)
    expect((await call(server, 'DELETE', `/${id}/capabilities/${revoked.name}`, { secret })).status).toBe(204)
    expect((await call(server, 'DELETE', `/${id}/capabilities/${revoked.name}`, { secret })).status).toBe(404)
    const expiring = await mint(id, secret, { expiresAt: new Date(clock.now() + 5000).toISOString() })
    const kept = await mint(id, secret)
    expect((await fetch(`${expiring.local}a`)).status).toBe(200)
    clock.advance(6000)
    expect((await fetch(`${kept.local}a`)).status).toBe(200)
    const released = await stageFiles(server, { a: 'x' })
    const gone = await mint(released.id, released.secret)
    await call(server, 'DELETE', `/${released.id}`, { secret: released.secret })
    const wrong = `${server.url}/c/${id}.${'A'.repeat(43)}/`
    const answers = await Promise.all(
      [revoked.local, expiring.local, gone.local, wrong, `${server.url}/c/x/`, `${server.url}/c/${id}/`].map(
        async (url) => {
          const answer = await fetch(`${url}a`)
          const { requestId, ...problem } = (await answer.json()) as Record<string, unknown>
          expect(requestId).toBeTruthy()
          return problem
        },
      ),
    )
    for (const problem of answers) expect(problem).toEqual(answers[0])
    expect(answers[0]).toMatchObject({ status: 404, code: 'unknown-capability' })
  })

  it('needs no body to be made, and is refused with an instant in the past or an unknown key', async () => {
    const { id, secret } = await stageFiles(server, { a: 'x' })
    expect((await call(server, 'POST', `/${id}/capabilities`, { secret })).status).toBe(201)
    expect(
      (await callJson(server, 'POST', `/${id}/capabilities`, { expiresAt: '2020-01-01T00:00:00Z' }, secret)).status,
    ).toBe(400)
    expect((await callJson(server, 'POST', `/${id}/capabilities`, { expires: 1 }, secret)).status).toBe(400)
  })

  it('is one of at most 64; expired ones make room', async () => {
    const { id, secret } = await stageFiles(server, { a: 'x' })
    for (let n = 0; n < 64; n++) await mint(id, secret, { expiresAt: new Date(clock.now() + 1000).toISOString() })
    expect((await callJson(server, 'POST', `/${id}/capabilities`, {}, secret)).status).toBe(409)
    clock.advance(2000)
    expect((await callJson(server, 'POST', `/${id}/capabilities`, {}, secret)).status).toBe(201)
  })
})
