/** Who may stage, look, release and fetch, where the server asks the cluster: by token, by right, by pod. */
import { createResponseSchema, mediaTypes, routes } from '@supercargo/protocol'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type AskingServer, startAskingServer } from '../testing/asking-server.ts'
import { tokens } from '../testing/cluster-double.ts'
import { formBody, formRequest, v0Owner } from '../testing/form.ts'
import { rawRequest } from '../testing/raw-http.ts'
import { startTestServer } from '../testing/test-server.ts'
import { call, callJson, digestOf, testOwner } from '../testing/v1-api.ts'

let server: AskingServer
beforeEach(async () => {
  server = await startAskingServer()
})
afterEach(() => server.stop())

interface Problem {
  readonly code: string
  readonly detail: string
  readonly hint: string
}

const problemOf = async (answer: Response) => (await answer.json()) as Problem

describe('staging', () => {
  it('is for who may create in the namespace of the owner, and is recorded under their name', async () => {
    const answer = await server.create(tokens.stager)
    expect(answer.status).toBe(201)
    const { resourceId } = createResponseSchema.parse(await answer.json())
    expect(await server.store.upload(resourceId)).toMatchObject({ principal: 'system:serviceaccount:spark:stager' })
    expect(server.logged()).toContain('"principal":"system:serviceaccount:spark:stager"')
    expect(await server.store.read((await server.staged()).id)).toMatchObject({ principal: 'admin' })
  })

  it.each([
    ['no token', undefined, 'token-missing'],
    ['a token of nobody', tokens.unknown, 'token-refused'],
    ['a token of another audience', tokens.foreign, 'token-refused'],
  ])('is refused with %s: 401, and how to get one', async (_, token, code) => {
    const answer = await server.create(token)
    expect([answer.status, answer.headers.get('www-authenticate')]).toEqual([401, 'Bearer'])
    const problem = await problemOf(answer)
    expect(problem.code).toBe(code)
    expect(problem.hint).toContain('kubectl create token SERVICE_ACCOUNT --audience supercargo')
  })

  it('is refused in a namespace where they may not: 403, naming verb, resource and namespace', async () => {
    const problem = await problemOf(await server.create(tokens.stager, { ...testOwner, namespace: 'other' }))
    expect(problem.code).toBe('access-refused')
    expect(problem.detail).toMatch(/stager" may not create bundles\.supercargo\.io in namespace other$/)
    expect(problem.hint).toContain('--clusterrole=supercargo-stager --serviceaccount=spark:stager --namespace=other')
    expect((await server.create(tokens.keeper)).status).toBe(403)
  })

  it('is refused in a namespace that is not there: 404 with its name, for those alone who may', async () => {
    const answer = await server.create(tokens.admin, { ...testOwner, namespace: 'nowhere' })
    expect(answer.status).toBe(404)
    expect(await problemOf(answer)).toMatchObject({
      code: 'unknown-namespace',
      detail: expect.stringMatching(/nowhere/),
    })
    expect((await server.create(tokens.stager, { ...testOwner, namespace: 'nowhere' })).status).toBe(403)
  })

  it('asks before a body is read: a client that waits for leave sends none', async () => {
    for (const token of [tokens.unknown, tokens.nobody]) {
      const answer = await rawRequest(
        server.port,
        `POST /api/v1/resources HTTP/1.1\r\nHost: t\r\nExpect: 100-continue\r\nAuthorization: Bearer ${token}\r\nContent-Type: application/x-tar\r\nSupercargo-Owner: ${JSON.stringify(testOwner)}\r\nContent-Length: 1000000\r\n\r\n`,
      )
      expect([401, 403]).toContain(answer.status)
    }
  })

  it('of a form asks when the owner comes, and that is first', async () => {
    const owner = { name: 'owner', type: 'application/json', body: JSON.stringify(testOwner) }
    const file = { name: 'file', filename: 'a', body: 'bytes' }
    const send = async (token: string, parts: Parameters<typeof formBody>[0]) => {
      const request = formRequest('/api/v1/resources', formBody(parts))
      const authorized = request.toString('latin1').replace('\r\n', `\r\nAuthorization: Bearer ${token}\r\n`)
      const answer = await rawRequest(server.port, Buffer.from(authorized, 'latin1'))
      return [answer.status, JSON.parse(answer.body.toString()).code]
    }
    expect(await send(tokens.stager, [owner, file])).toEqual([201, undefined])
    expect(await send(tokens.stager, [file, owner])).toEqual([400, 'owner-first'])
    expect(await send(tokens.nobody, [owner, file])).toEqual([403, 'access-refused'])
    expect(await server.incoming()).toEqual([])
  })

  it('by the 2017 wire is refused with the reason, unless anonymous uploads are meant', async () => {
    const form = formBody([
      { name: 'resources', type: 'multipart/form-data', body: 'bytes' },
      { name: 'resourcesOwner', body: v0Owner },
    ])
    const refused = await rawRequest(server.port, formRequest('/api/v0/resources/', form))
    expect(refused.status).toBe(403)
    expect(JSON.parse(refused.body.toString())).toMatchObject({
      code: 'anonymous-upload-refused',
      hint: expect.stringContaining('--allow-anonymous-v0'),
    })
    const open = await startTestServer({ authorizer: server.cluster.authorizer({ anonymousV0: true }) })
    try {
      const taken = await rawRequest(open.port, formRequest('/api/v0/resources/', form))
      expect(taken.status).toBe(200)
      const { resourceId, resourceSecret } = JSON.parse(taken.body.toString())
      const url = `${open.url}/api/v0/resources/${resourceId}`
      expect((await fetch(url, { headers: { authorization: resourceSecret } })).status).toBe(200)
      expect((await fetch(url, { headers: { authorization: tokens.admin } })).status).toBe(401)
    } finally {
      await open.stop()
    }
  })

  it('goes on with the resource secret alone, whatever becomes of the token', async () => {
    const { resourceId, resourceSecret } = createResponseSchema.parse(await (await server.create(tokens.stager)).json())
    server.cluster.api.tokens.clear()
    const put = await call(server, 'PUT', `/${resourceId}/blobs/${digestOf('x')}`, {
      secret: resourceSecret,
      body: 'x',
    })
    expect(put.status).toBe(201)
    expect((await call(server, 'POST', `/${resourceId}/commit`, { secret: resourceSecret })).status).toBe(200)
    for (const [method, path] of [
      ['POST', '/commit'],
      ['POST', '/capabilities'],
      ['PATCH', ''],
      ['PUT', `/blobs/${digestOf('x')}`],
    ] as const) {
      expect((await call(server, method, `/${resourceId}${path}`, { secret: tokens.admin })).status).toBe(401)
    }
  })
})

const hadoopOperations: Readonly<Record<string, string>> = { GET: 'LISTSTATUS', PUT: 'MKDIRS', DELETE: 'DELETE' }

describe('without a credential', () => {
  it('nothing is open but what says so: whoever adds a route decides', async () => {
    const open = [
      'GET /api/v0/ping',
      'GET /api/ping',
      'GET /livez',
      'GET /readyz',
      'GET /metrics',
      'GET /api/v1/openapi.json',
      'GET /ui/style.css',
    ]
    const answered: string[] = []
    for (const { url, methods } of server.app.routes) {
      const path = url.replace('*', 'a').replace(/:[a-z]+/g, 'z'.repeat(26))
      for (const method of methods) {
        const reads = method === 'GET' || method === 'HEAD'
        const type = url.endsWith('/blobs')
          ? mediaTypes.tar
          : url.endsWith(':digest')
            ? mediaTypes.partialUpload
            : url.startsWith(routes.ui)
              ? 'application/x-www-form-urlencoded'
              : mediaTypes.json
        const headers = { 'content-type': type, 'upload-offset': '0' }
        // WebHDFS has its credential in the path, where `a` is none.
        const asked = hadoopOperations[method]
        const query = url.startsWith(routes.webhdfs) && asked !== undefined ? `?op=${asked}` : ''
        const { status } = await fetch(`${server.url}${path}${query}`, {
          method,
          headers,
          ...(reads ? {} : { body: '{}' }),
        })
        const name = `${method} ${url}`.replace(/\/$/, '')
        const isHidden = url.startsWith('/c/') || (url.startsWith('/api/v0/') && reads)
        if (status < 400) answered.push(name)
        else if (url.startsWith(routes.webhdfs)) expect([400, 403], name).toContain(status)
        // A form has to come from a page of ours before anybody is asked for.
        else if (url.startsWith(routes.ui) && !reads) expect(status, name).toBe(403)
        else expect(status, name).toBe(isHidden ? 404 : url.startsWith('/api/v0/') ? 403 : 401)
      }
    }
    expect(new Set(answered.map((name) => name.replace('HEAD', 'GET')))).toEqual(new Set(open))
  })
})

describe('looking and releasing', () => {
  it('takes the right that the route names, in the namespace that is asked for or in all', async () => {
    const statusOf = async (method: string, url: string, token: string) =>
      (await fetch(`${server.url}${url}`, { method, headers: { authorization: `Bearer ${token}` } })).status
    const rows: [string, string, string, number][] = [
      ['GET', '/api/v1/resources', tokens.admin, 200],
      ['GET', '/api/v1/resources', tokens.keeper, 403],
      ['GET', '/api/v1/resources?namespace=spark', tokens.keeper, 200],
      ['GET', '/api/v1/resources?namespace=other', tokens.keeper, 403],
      ['GET', '/api/v1/resources?namespace=spark', tokens.stager, 403],
      ['GET', '/api/v1/resources?namespace=spark', tokens.unknown, 401],
      ['GET', '/api/v1/collector', tokens.admin, 200],
      ['GET', '/api/v1/collector', tokens.keeper, 403],
      ['POST', '/api/v1/collector/release', tokens.keeper, 403],
      ['POST', '/api/v1/collector/release', tokens.admin, 409],
    ]
    for (const [method, url, token, expected] of rows)
      expect(await statusOf(method, url, token), `${method} ${url} ${token}`).toBe(expected)
    expect((await fetch(`${server.url}/api/v1/resources`)).status).toBe(401)
    expect(server.asked).toHaveLength(2)
  })

  it('of one resource: get describes it and never gives its bytes, delete releases it', async () => {
    const { id } = await server.staged()
    const statusOf = async (method: string, path: string, token: string, accept = '*/*') =>
      (await call(server, method, `/${id}${path}`, { secret: token, headers: { accept } })).status
    expect(await statusOf('GET', '', tokens.keeper)).toBe(200)
    expect(await statusOf('GET', '', tokens.keeper, 'application/x-tar')).toBe(401)
    expect(await statusOf('GET', '/files/a', tokens.keeper)).toBe(401)
    expect(await statusOf('GET', '/files/a', tokens.admin)).toBe(401)
    expect(await statusOf('GET', '', tokens.stager)).toBe(401)
    expect(await statusOf('DELETE', '', tokens.stager)).toBe(401)
    expect(await statusOf('DELETE', '', tokens.keeper)).toBe(204)
    expect(await statusOf('DELETE', '', tokens.keeper)).toBe(401)
    const open = createResponseSchema.parse(await (await server.create(tokens.stager)).json())
    expect((await call(server, 'DELETE', `/${open.resourceId}`, { secret: tokens.keeper })).status).toBe(204)
    expect(await server.incoming()).toEqual([])
  })
})

describe('a fetch', () => {
  it('is for the pod that owns the resource and for those that belong to it, and for no other', async () => {
    const driver = server.cluster.pod('driver', { labels: { 'supercargo.io/claim': 'c1' } })
    const reference = { apiVersion: 'v1', kind: 'Pod', name: 'driver', uid: driver.uid }
    const executor = server.cluster.pod('executor', { ownerReferences: [reference] })
    const stranger = server.cluster.pod('stranger')
    const owners = [
      { namespace: 'spark', kind: 'Pod', name: 'driver' },
      { namespace: 'spark', kind: 'Pod', uid: driver.uid },
      { namespace: 'spark', kind: 'Pod', labels: { 'supercargo.io/claim': 'c1' } },
    ]
    for (const owner of owners) {
      const { id } = await server.staged(owner)
      const fetched = async (token: string, path = '/files/a', accept = '*/*') => {
        const answer = await call(server, 'GET', `/${id}${path}`, { secret: token, headers: { accept } })
        return [answer.status, (await answer.text()).length > 0]
      }
      for (const { token } of [driver, executor]) {
        expect(await fetched(token), JSON.stringify(owner)).toEqual([200, true])
        expect(await fetched(token, '', 'application/x-tar')).toEqual([200, true])
        expect(await fetched(token, '')).toEqual([200, true])
      }
      expect(await fetched(stranger.token)).toEqual([401, true])
      for (const { token } of [driver, executor]) {
        expect((await call(server, 'DELETE', `/${id}`, { secret: token })).status).toBe(401)
        expect((await call(server, 'POST', `/${id}/capabilities`, { secret: token })).status).toBe(401)
      }
    }
  })

  it('that is refused looks the same whether the resource is there or not, and so does a wrong secret', async () => {
    const { id } = await server.staged()
    const stranger = server.cluster.pod('stranger')
    const answers: unknown[] = []
    for (const secret of [stranger.token, tokens.nobody, 'A'.repeat(43)]) {
      for (const each of [id, 'z'.repeat(26)]) {
        const answer = await call(server, 'GET', `/${each}/files/a`, { secret })
        const { requestId: _, ...problem } = (await answer.json()) as Record<string, unknown>
        answers.push([answer.status, problem])
      }
    }
    for (const answer of answers) expect(answer).toEqual(answers[0])
  })

  it('with a secret, a wrong one or a capability asks the cluster nothing', async () => {
    const { id, secret } = await server.staged()
    const minted = (await (await callJson(server, 'POST', `/${id}/capabilities`, {}, secret)).json()) as { url: string }
    const before = server.cluster.api.requests.length
    expect((await call(server, 'GET', `/${id}/files/a`, { secret })).status).toBe(200)
    expect((await fetch(`${minted.url}a`)).status).toBe(200)
    const capability = new URL(minted.url).pathname.split('/')[2]!
    for (const wrong of ['B'.repeat(43), capability, undefined])
      expect((await call(server, 'GET', `/${id}/files/a`, { secret: wrong })).status).toBe(401)
    expect(server.cluster.api.requests.length).toBe(before)
  })
})
