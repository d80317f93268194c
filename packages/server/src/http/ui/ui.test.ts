/** Who sees the admin page, what its forms may do, and what no other site can make a browser do with it. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type AskingServer, idle, startAskingServer } from '../../testing/asking-server.ts'
import { tokens } from '../../testing/cluster-double.ts'
import { rawRequest } from '../../testing/raw-http.ts'
import { startTestServer, type TestServer } from '../../testing/test-server.ts'
import { call, stageFiles } from '../../testing/v1-api.ts'
import type { CollectorDoor } from '../edge.ts'

/** A browser's share: it keeps the cookie, and sends the key of the latest page back. */
class Visitor {
  readonly #server: TestServer
  cookie = ''
  key = ''

  constructor(server: TestServer) {
    this.#server = server
  }

  async get(path: string): Promise<{ answer: Response; text: string }> {
    const headers = { cookie: this.cookie }
    const answer = await fetch(`${this.#server.url}/ui${path}`, { headers, redirect: 'manual' })
    const text = await answer.text()
    this.#note(answer)
    this.key = /name="key" value="([^"]*)"/.exec(text)?.[1] ?? this.key
    return { answer, text }
  }

  async post(path: string, fields: object, headers: Readonly<Record<string, string>> = {}): Promise<Response> {
    const body = new URLSearchParams({ key: this.key, ...fields })
    const answer = await fetch(`${this.#server.url}/ui${path}`, {
      method: 'POST',
      body,
      headers: { cookie: this.cookie, ...headers },
      redirect: 'manual',
    })
    this.#note(answer)
    return answer
  }

  #note(answer: Response): void {
    const given = answer.headers.get('set-cookie')
    if (given !== null) this.cookie = given.split(';', 1)[0]!
  }
}

describe('the admin page of a server that asks the cluster', () => {
  let server: AskingServer
  beforeAll(async () => {
    server = await startAskingServer()
  })
  afterAll(() => server.stop())

  async function signedIn(token: string): Promise<Visitor> {
    const visitor = new Visitor(server)
    await visitor.get('/')
    const answer = await visitor.post('/sign-in', { token: ` ${token}\n` })
    expect([answer.status, answer.headers.get('location')]).toEqual([303, './'])
    return visitor
  }

  it('shows nothing but the form for a token to whom it does not know', async () => {
    const staged = await server.staged()
    for (const path of ['/', '/resources', `/resource?id=${staged.id}`, '/resource?id=none', '/resource', '/sweeps']) {
      const { answer, text } = await new Visitor(server).get(path)
      expect(answer.status, path).toBe(401)
      expect(text).toContain('action="sign-in"')
      expect(text).not.toContain(staged.id)
    }
  })

  it('opens a session for a token that the cluster accepts, under another cookie than before', async () => {
    const visitor = new Visitor(server)
    await visitor.get('/')
    const before = visitor.cookie
    await visitor.post('/sign-in', { token: tokens.admin })
    expect(visitor.cookie).not.toBe(before)
    const { answer, text } = await visitor.get('/')
    expect(answer.status).toBe(200)
    expect(text).toContain('>admin<')
    expect(text).not.toContain(tokens.admin)
    const earlier = new Visitor(server)
    earlier.cookie = before
    expect((await earlier.get('/')).answer.status).toBe(401)
  })

  it('takes no token that is unknown, foreign, or none, and keeps no session for it', async () => {
    for (const token of [tokens.unknown, tokens.foreign, 'with spaces in it', '']) {
      const visitor = new Visitor(server)
      await visitor.get('/')
      const answer = await visitor.post('/sign-in', { token })
      expect(answer.status).toBe(401)
      expect(await answer.text()).toContain('role="alert"')
      expect((await visitor.get('/')).answer.status).toBe(401)
    }
  })

  it('shows to each what their rights are: all, one namespace, nothing', async () => {
    const staged = await server.staged()
    const statuses = async (visitor: Visitor) => {
      const paths = ['/', '/resources', '/resources?namespace=spark&state=', '/sweeps', `/resource?id=${staged.id}`]
      return Promise.all(paths.map(async (path) => (await visitor.get(path)).answer.status))
    }
    expect(await statuses(await signedIn(tokens.admin))).toEqual([200, 200, 200, 200, 503])
    expect(await statuses(await signedIn(tokens.keeper))).toEqual([403, 403, 200, 403, 503])
    expect(await statuses(await signedIn(tokens.nobody))).toEqual([403, 403, 403, 403, 404])
    expect(server.asked.at(-1)).toMatchObject({ limit: 50 })
    const { text } = await (await signedIn(tokens.keeper)).get('/')
    expect(text).toContain('name="namespace"')
  })

  it('answers alike for a resource that is not there and one that is not open', async () => {
    const visitor = await signedIn(tokens.nobody)
    const staged = await server.staged()
    const said = async (id: string) => (await visitor.get(`/resource?id=${id}`)).text.replace(/request <code>.*/, '')
    expect(await said(staged.id)).toBe(await said('0'.repeat(26)))
  })

  it('releases a resource for whom the cluster lets, and for nobody else', async () => {
    const staged = await server.staged()
    const stager = await signedIn(tokens.stager)
    await stager.get('/resources?namespace=spark')
    expect((await stager.post('/resource-release', { id: staged.id })).status).toBe(404)
    const keeper = await signedIn(tokens.keeper)
    await keeper.get('/resources?namespace=spark')
    expect((await keeper.post('/resource-release', { id: staged.id, secret: 'x' })).status).toBe(303)
    expect(await server.store.read(staged.id)).toBeUndefined()
  })

  it('lets the collector go on only for who may delete everywhere', async () => {
    const statuses: number[] = []
    for (const token of [tokens.nobody, tokens.keeper, tokens.admin]) {
      const visitor = await signedIn(token)
      await visitor.get('/resources?namespace=spark')
      statuses.push((await visitor.post('/collector-release', {})).status)
    }
    // The last one may: there is nothing to release.
    expect(statuses).toEqual([403, 403, 409])
  })

  it('opens nothing beside its pages with the cookie', async () => {
    const visitor = await signedIn(tokens.admin)
    for (const path of ['', '?namespace=spark']) {
      const answer = await call(server, 'GET', path, { headers: { cookie: visitor.cookie } })
      expect(answer.status).toBe(401)
    }
  })

  it('takes a token from the header, too, for who asks without a browser', async () => {
    const headers = { authorization: `Bearer ${tokens.admin}` }
    expect((await fetch(`${server.url}/ui/`, { headers })).status).toBe(200)
  })

  it('forgets the token when the visitor signs out', async () => {
    const visitor = await signedIn(tokens.admin)
    const { cookie } = visitor
    await visitor.get('/')
    expect((await visitor.post('/sign-out', {})).status).toBe(303)
    visitor.cookie = cookie
    expect((await visitor.get('/')).answer.status).toBe(401)
  })

  it('writes no token, cookie or key into its log', async () => {
    const visitor = await signedIn(tokens.admin)
    await visitor.get('/')
    for (const secret of [tokens.admin, visitor.cookie.split('=')[1]!, visitor.key])
      expect(server.logged()).not.toContain(secret)
    expect(server.logged()).toContain('"principal":"admin"')
  })
})

describe('the admin page of a server that asks nobody', () => {
  let server: TestServer
  let resumed = 0
  beforeAll(async () => {
    server = await startTestServer({
      freeBytes: async () => 7 * 2 ** 30,
      collector: { ...keeping, release: async () => void resumed++ },
    })
  })
  afterAll(() => server.stop())

  it('is open to look at, with headers that let nothing in from elsewhere', async () => {
    const staged = await stageFiles(server, { 'lib/a.jar': 'bytes' })
    for (const path of ['/', '/resources', '/sweeps', `/resource?id=${staged.id}`]) {
      const { answer, text } = await new Visitor(server).get(path)
      expect(answer.status, path).toBe(200)
      expect(answer.headers.get('content-type')).toBe('text/html; charset=utf-8')
      const policy = answer.headers.get('content-security-policy')!
      expect(policy).toContain("default-src 'none'")
      expect(policy).not.toMatch(/unsafe|script-src|\*/)
      expect(answer.headers.get('cache-control')).toBe('no-store')
      expect(answer.headers.get('x-content-type-options')).toBe('nosniff')
      expect(answer.headers.get('set-cookie')).toMatch(/; HttpOnly; SameSite=Strict$/)
      expect(text).not.toContain(staged.secret)
    }
    expect((await new Visitor(server).get('/')).text).toContain('7 GiB')
    const { text } = await new Visitor(server).get(`/resource?id=${staged.id}`)
    expect(text).toContain('lib/a.jar')
    expect(text).toContain('kept: for this test')
  })

  it('answers refusals as pages, under their status', async () => {
    for (const [path, status, word] of [
      ['/resource?id=none', 404, 'there is no such resource'],
      [`/resource?id=${'0'.repeat(26)}`, 404, 'there is no such resource'],
      ['/resources?namespace=NO', 400, 'namespace'],
      ['/resources?state=odd', 400, 'state'],
    ] as const) {
      const { answer, text } = await new Visitor(server).get(path)
      expect([answer.status, answer.headers.get('content-type')]).toEqual([status, 'text/html; charset=utf-8'])
      expect(text).toContain(word)
    }
  })

  it('leads from its bare path to itself, below whatever path a proxy has taken away', async () => {
    const { answer } = await new Visitor(server).get('')
    expect([answer.status, answer.headers.get('location')]).toEqual([307, 'ui/'])
    const style = await fetch(`${server.url}/ui/style.css`)
    expect(style.headers.get('content-type')).toBe('text/css; charset=utf-8')
    expect(await style.text()).toContain('prefers-color-scheme: dark')
  })

  it('works below a path that a proxy keeps, with a cookie for TLS alone where that ends before it', async () => {
    const behind = await startTestServer({ collector: keeping, publicUrl: 'https://staging.example.org/supercargo' })
    try {
      const asked = (path: string, host: string) =>
        rawRequest(behind.port, `GET /supercargo${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)
      expect((await asked('/ui', 'staging.example.org')).headers.location).toBe('ui/')
      const page = await asked('/ui/', 'staging.example.org')
      expect([page.status, page.headers['set-cookie']]).toEqual([200, expect.stringMatching(/; Secure$/)])
      expect((await asked('/ui/', '127.0.0.1')).headers['set-cookie']).toMatch(/; SameSite=Strict$/)
    } finally {
      await behind.stop()
    }
  })

  it('does nothing for a form that it has not given to this browser', async () => {
    const visitor = new Visitor(server)
    await visitor.get('/resources')
    const stranger = new Visitor(server)
    await stranger.get('/resources')
    const { id } = await stageFiles(server, { a: 'kept' })
    await visitor.get(`/resource?id=${id}`)
    const mine = visitor.key
    await stranger.get(`/resource?id=${id}`)
    for (const [key, headers] of [
      ['', {}],
      [stranger.key, {}],
      [mine, { cookie: '' }],
      [mine, { cookie: stranger.cookie }],
      [mine, { cookie: visitor.cookie, 'sec-fetch-site': 'cross-site' }],
      [mine, { cookie: visitor.cookie, 'sec-fetch-site': 'same-site' }],
    ] as const) {
      const cookie = visitor.cookie
      expect((await visitor.post('/collector-release', { key }, headers)).status).toBe(403)
      visitor.cookie = cookie
    }
    expect(resumed).toBe(0)
    visitor.key = mine
    const answer = await visitor.post('/collector-release', {}, { 'sec-fetch-site': 'same-origin' })
    expect([answer.status, answer.headers.get('location'), resumed]).toEqual([303, './', 1])
  })

  it('releases a resource for its secret alone', async () => {
    const { id, secret } = await stageFiles(server, { a: 'bytes' })
    const visitor = new Visitor(server)
    await visitor.get(`/resource?id=${id}`)
    for (const shown of ['', 'wrong', 'a b']) {
      expect((await visitor.post('/resource-release', { id, secret: shown })).status).toBe(404)
      expect(await server.store.read(id)).toBeDefined()
    }
    expect((await visitor.post('/resource-release', { id, secret })).status).toBe(303)
    expect(await server.store.read(id)).toBeUndefined()
  })

  it('reads forms of a bounded size and of one type', async () => {
    const visitor = new Visitor(server)
    await visitor.get(`/resource?id=${(await stageFiles(server, { a: 'x' })).id}`)
    expect((await visitor.post('/sign-out', { more: 'x'.repeat(17 << 10) })).status).toBe(413)
    expect((await visitor.post('/sign-out', {}, { 'content-type': 'text/plain' })).status).toBe(415)
    expect((await visitor.post('/sign-in', { token: 'anything' })).status).toBe(303)
  })

  it('is counted by its routes, never by what was asked', async () => {
    const metrics = await (await fetch(`${server.url}/metrics`)).text()
    expect(metrics).toContain('route="/ui/resource"')
    expect(metrics).not.toMatch(/route="[^"]*\?/)
  })
})

/** Says of every resource that it is kept. */
const keeping: CollectorDoor = {
  status: async () => idle,
  list: async () => ({ resources: [] }),
  release: async () => undefined,
  explain: async (resourceId) => ({
    resourceId,
    state: 'unused',
    verdict: 'keep',
    reason: 'kept: for this test',
    since: new Date(0).toISOString(),
    evidence: [],
  }),
}
