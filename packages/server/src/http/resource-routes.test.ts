/** Who may do what with a resource, and what an outsider can tell. */
import { commitResponseSchema, manifestSchema } from '@supercargo/protocol'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type TarEntry, tarBody } from '../testing/tar.ts'
import { startTestServer, type TestServer } from '../testing/test-server.ts'
import { type CallOptions, call, callJson, createUpload, digestOf, testOwner as owner } from '../testing/v1-api.ts'

const tarType = { 'content-type': 'application/x-tar' }

let server: TestServer
beforeAll(async () => {
  server = await startTestServer()
})
afterAll(() => server.stop())

const api = (method: string, path: string, options?: CallOptions) => call(server, method, path, options)
const apiJson = (method: string, path: string, body: unknown, secret?: string) =>
  callJson(server, method, path, body, secret)
const create = (files: Readonly<Record<string, string>>) => createUpload(server, files)

async function problemOf(answer: Response): Promise<Record<string, unknown>> {
  expect(answer.headers.get('content-type')).toBe('application/problem+json')
  const problem = (await answer.json()) as Record<string, unknown>
  expect(problem.status).toBe(answer.status)
  expect(problem.requestId).toBe(answer.headers.get('x-request-id'))
  return problem
}

describe('the secret', () => {
  it('and the id are indistinguishable when they do not fit (case 113)', async () => {
    const { resourceId, resourceSecret } = await stageTar([{ name: 'a', body: 'x' }])
    const answers: unknown[] = []
    const unknownId = '0'.repeat(26)
    for (const [method, path] of [
      ['GET', ''],
      ['GET', '?explain'],
      ['GET', '/files/a'],
      ['GET', '/files/none'],
      ['POST', '/commit'],
      ['DELETE', ''],
      ['PATCH', ''],
      ['POST', '/capabilities'],
      ['DELETE', '/capabilities/x'],
      ['PUT', `/blobs/${digestOf('x')}`],
      ['HEAD', `/blobs/${digestOf('x')}`],
    ] as const) {
      for (const [id, secret] of [
        [resourceId, 'wrong'],
        [resourceId, undefined],
        [unknownId, resourceSecret],
        ['nonsense', resourceSecret],
      ] as const) {
        const answer = await api(method, `/${id}${path}`, secret === undefined ? {} : { secret })
        expect(answer.status, `${method} ${path}`).toBe(401)
        expect(answer.headers.get('www-authenticate')).toBe('Bearer')
        if (method === 'HEAD') continue
        const { requestId, ...problem } = await problemOf(answer)
        expect(requestId).toBeTruthy()
        answers.push(problem)
      }
    }
    for (const problem of answers) expect(problem).toEqual(answers[0])
  })

  it('is refused in any other form than Bearer (case 114)', async () => {
    const { resourceId, resourceSecret } = await stageTar([{ name: 'a', body: 'x' }])
    for (const authorization of [
      resourceSecret,
      `Basic ${resourceSecret}`,
      'Bearer ',
      'Bearer',
      `Bearer ${resourceSecret} x`,
    ]) {
      expect((await api('GET', `/${resourceId}`, { headers: { authorization } })).status).toBe(401)
    }
    for (const authorization of [`bearer ${resourceSecret}`, `BEARER  ${resourceSecret}`]) {
      expect((await api('GET', `/${resourceId}`, { headers: { authorization } })).status).toBe(200)
    }
  })
})

describe('the owner', () => {
  it('is bound more precisely in its own namespace only', async () => {
    const { resourceId, resourceSecret: secret } = await stageTar([{ name: 'a', body: 'x' }])
    const more = { ...owner, uid: '1f0c' }
    const bound = await apiJson('PATCH', `/${resourceId}`, { owner: more }, secret)
    expect(manifestSchema.parse(await bound.json()).owner[0]).toMatchObject(more)
    const elsewhere = await apiJson('PATCH', `/${resourceId}`, { owner: { ...owner, namespace: 'other' } }, secret)
    expect(await problemOf(elsewhere)).toMatchObject({ status: 409, code: 'other-namespace' })
    expect((await apiJson('PATCH', `/${resourceId}`, { owner: { namespace: 'spark' } }, secret)).status).toBe(400)
  })
})

describe('release', () => {
  it('is 204 once and then like unknown (case 135); an open upload is dropped the same way', async () => {
    const { resourceId, resourceSecret: secret } = await stageTar([{ name: 'a', body: 'x' }])
    expect((await api('DELETE', `/${resourceId}`, { secret })).status).toBe(204)
    expect((await api('DELETE', `/${resourceId}`, { secret })).status).toBe(401)
    expect((await api('GET', `/${resourceId}`, { secret })).status).toBe(401)
    const open = await create({ a: 'never sent' })
    expect((await api('DELETE', `/${open.resourceId}`, { secret: open.resourceSecret })).status).toBe(204)
    expect((await api('POST', `/${open.resourceId}/commit`, { secret: open.resourceSecret })).status).toBe(401)
    expect(server.store.usage().reservedBytes).toBe(0)
  })
})

async function stageTar(entries: readonly TarEntry[]) {
  const answer = await api('POST', '', {
    headers: { ...tarType, 'supercargo-owner': JSON.stringify(owner) },
    body: tarBody(entries),
  })
  expect(answer.status).toBe(201)
  const staged = commitResponseSchema.parse(await answer.json())
  return { ...staged, resourceSecret: staged.resourceSecret! }
}
