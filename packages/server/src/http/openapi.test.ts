/** The description of the API and the API say the same. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startTestServer, type TestServer } from '../testing/test-server.ts'

let server: TestServer
beforeAll(async () => {
  server = await startTestServer()
})
afterAll(() => server.stop())

describe('the description of the API', () => {
  it('has every route that is registered, and no other', async () => {
    const document = (await (await fetch(`${server.url}/api/v1/openapi.json`)).json()) as {
      openapi: string
      paths: Record<string, object>
    }
    expect(document.openapi).toBe('3.1.0')
    const described = Object.entries(document.paths).flatMap(([path, item]) =>
      Object.keys(item).map((method) => `${method} ${path}`),
    )
    const registered = new Set<string>()
    for (const { url, methods } of server.app.routes) {
      // Pages are for people.
      if (url === '/ui' || url.startsWith('/ui/')) continue
      const path = url
        .replace(/:([a-z]+)/g, '{$1}')
        .replace('*', '{path}')
        .replace(/(.)\/$/, '$1')
      // HEAD goes with GET; the pages of the API without a body of their own are described by it.
      for (const method of methods)
        if (method !== 'HEAD' || !methods.includes('GET')) registered.add(`${method.toLowerCase()} ${path}`)
    }
    expect(described.sort()).toEqual([...registered].sort())
  })

  it('explains every way in that an operation names', async () => {
    const document = (await (await fetch(`${server.url}/api/v1/openapi.json`)).json()) as {
      paths: Record<string, Record<string, { security?: Record<string, unknown>[] }>>
      components: { securitySchemes: object }
    }
    const used = Object.values(document.paths)
      .flatMap((item) => Object.values(item))
      .flatMap(({ security = [] }) => security.flatMap(Object.keys))
    expect(new Set(used)).toEqual(new Set(Object.keys(document.components.securitySchemes)))
    expect(document.paths['/api/v1/resources']!.post!.security).toEqual([{ token: [] }])
  })

  it('names each schema that a body is checked with', async () => {
    const document = (await (await fetch(`${server.url}/api/v1/openapi.json`)).json()) as object
    const schema = { type: 'object', required: ['owner', 'files'] }
    expect(document).toMatchObject({
      paths: { '/api/v1/resources': { post: { requestBody: { content: { 'application/json': { schema } } } } } },
    })
  })
})
