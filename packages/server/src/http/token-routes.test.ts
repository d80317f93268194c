/** Tokens over HTTP: said once, listed without their secret, and closed where the server wants to know who asks. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startClusterDouble, tokens } from '../testing/cluster-double.ts'
import { upload } from '../testing/hadoop-client.ts'
import { startTestServer, type TestServer, testLimits } from '../testing/test-server.ts'
import { buildApp } from './app.ts'

let server: TestServer
beforeAll(async () => {
  server = await startTestServer()
})
afterAll(() => server.stop())

function ask(method: string, path: string, body?: unknown, at = server): Promise<Response> {
  return fetch(`${at.url}/api/v1/tokens${path}`, {
    method,
    ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
  })
}

describe('tokens', () => {
  it('are said once, and listed with what is stored below them', async () => {
    const made = await ask('POST', '', { namespace: 'spark', bytesMax: 1000, note: 'nightly' })
    const { name, token, path } = (await made.json()) as { name: string; token: string; path: string }
    expect([made.status, made.headers.get('cache-control'), path]).toEqual([201, 'no-store', `/spark/${token}`])
    await upload(server, `${path}/a`, 'bytes')
    const listed = await (await ask('GET', '?namespace=spark')).text()
    expect(JSON.parse(listed).tokens).toMatchObject([
      { name, bytesMax: 1000, bytes: 5, expiresAt: null, note: 'nightly' },
    ])
    expect(listed).not.toContain(token.split('.')[1])
    expect(await (await ask('GET', '?namespace=other')).json()).toEqual({ tokens: [] })
    expect((await ask('DELETE', `/${name}`)).status).toBe(204)
    expect((await ask('DELETE', `/${name}`)).status).toBe(404)
  })

  it.each([
    [{}, /namespace/],
    [{ namespace: '../x' }, /namespace/],
    [{ namespace: 'spark', bytesMax: 0 }, /bytesMax/],
    [{ namespace: 'spark', expiresAt: 'tomorrow' }, /expiresAt/],
    [{ namespace: 'spark', expiresAt: '2001-01-01T00:00:00Z' }, /past/],
    [{ namespace: 'spark', quota: 1 }, /unknown key/],
  ])('are refused for %j', async (wish, says) => {
    const answer = await ask('POST', '', wish)
    expect([answer.status, await answer.text()]).toEqual([400, expect.stringMatching(says)])
  })

  it('are closed where nobody may stage without being known', async () => {
    const cluster = await startClusterDouble()
    const closed = await startTestServer({ authorizer: cluster.authorizer(), frontDoor: { anonymous: false } })
    try {
      const answers = [
        await ask('POST', '', { namespace: 'spark' }, closed),
        await ask('GET', '', undefined, closed),
        await ask('DELETE', '/0123456789ab', undefined, closed),
      ]
      for (const answer of answers) expect(answer.status).toBe(401)
      const mint = (namespace: string) =>
        fetch(`${closed.url}/api/v1/tokens`, {
          method: 'POST',
          headers: { authorization: `Bearer ${tokens.stager}`, 'content-type': 'application/json' },
          body: JSON.stringify({ namespace }),
        })
      expect([(await mint('spark')).status, (await mint('other')).status]).toEqual([201, 403])
    } finally {
      await closed.stop()
      await cluster.stop()
    }
  })

  it('are none where the server keeps no names', async () => {
    const app = await buildApp({ store: server.store, collector: {} as never, limits: testLimits })
    const answer = await app.fastify.inject({ method: 'GET', url: '/api/v1/tokens' })
    expect([answer.statusCode, answer.json().code]).toEqual([400, 'no-front-door'])
    const asked = await app.fastify.inject({ method: 'GET', url: '/webhdfs/v1/spark/x?op=OPEN' })
    expect(asked.json().RemoteException.message).toContain('takes no files by WebHDFS')
    await app.close()
  })
})
