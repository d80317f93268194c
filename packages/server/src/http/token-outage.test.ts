/** A cluster that cannot say who asks is never a yes, and a token is seen by nobody whatever becomes of it. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Owner } from '@supercargo/protocol'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type AskingServer, startAskingServer } from '../testing/asking-server.ts'
import { tokens } from '../testing/cluster-double.ts'
import { until } from '../testing/raw-http.ts'
import { stage } from '../testing/staging.ts'
import { call, digestOf, testOwner } from '../testing/v1-api.ts'

const files = [{ path: 'a', sizeBytes: 1, digest: digestOf('x') }]
let server: AskingServer
beforeEach(async () => {
  server = await startAskingServer()
})
afterEach(() => server.stop())

describe('an API server that fails', () => {
  const answers = [401, 403, 404, 409, 429, 500, 503].map((code) => ({
    name: String(code),
    fault: { answer: { status: code, body: '{"kind":"Status"}' } },
  }))
  const faults = [
    ...answers,
    { name: 'another object', fault: { answer: { status: 201, body: '{"status":"allowed"}' } } },
    { name: 'no JSON', fault: { answer: { status: 201, body: 'yes' } } },
    { name: 'a cut body', fault: { cutAfter: 0.5 } },
    { name: 'a closed connection', fault: { cutAfter: 0 } },
    { name: 'silence', fault: { stall: true as const }, deadlineMs: 500 },
  ]

  it.each(faults)(
    'at its n-th answer with $name gives no yes: 503 with Retry-After',
    async ({ name, fault, ...more }) => {
      let nowMs = 0
      await server.stop()
      server = await startAskingServer({ now: () => nowMs, ...more })
      const pod = server.cluster.pod('driver', { labels: { app: 'etl' } })
      const owner: Owner = { namespace: 'spark', apiVersion: 'v1', kind: 'Pod', labels: { app: 'etl' } }
      const { id } = await stage(server.store, { a: Buffer.from('bytes') }, owner)
      const requests = [
        () => server.create(tokens.stager),
        () => call(server, 'GET', '?namespace=spark', { secret: tokens.keeper }),
        () => call(server, 'GET', `/${id}`, { secret: tokens.keeper }),
        () => call(server, 'GET', `/${id}/files/a`, { secret: pod.token }),
        () => call(server, 'DELETE', `/${id}`, { secret: tokens.keeper }),
      ]
      for (const request of requests) {
        for (let after = 0; ; after++) {
          // Whatever was remembered is too old by now.
          nowMs += 60_000
          server.cluster.api.requests.length = 0
          server.cluster.api.fault({ when: () => true, fault, after })
          const answer = await request()
          server.cluster.api.heal()
          if (server.cluster.api.requests.length <= after) {
            // With a short deadline a busy machine may end a request before it reaches the server.cluster.
            if (!('deadlineMs' in more)) expect(after).toBeGreaterThan(1)
            break
          }
          // That we may not know whether a namespace is there is no reason to refuse.
          if (name === '403' && server.cluster.api.requests[after]!.path === '/api/v1/namespaces/spark') continue
          expect(answer.status).toBe(503)
          expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0)
          expect(await server.store.read(id)).toBeDefined()
        }
      }
      expect(await server.decided('token', 'unknown')).toBeGreaterThan(0)
    },
  )

  it('and then answers again is asked again at once', async () => {
    server.cluster.api.fault({ when: () => true, times: 1, fault: { answer: { status: 500, body: '' } } })
    expect((await server.create(tokens.stager)).status).toBe(503)
    expect((await server.create(tokens.stager)).status).toBe(201)
  })

  it('slowly is given up by the client, and then nothing was decided', async () => {
    server.cluster.api.fault({ when: () => true, fault: { stall: true } })
    const stop = new AbortController()
    const body = JSON.stringify({ owner: testOwner, files })
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${tokens.stager}` }
    const init = { method: 'POST', body, headers, signal: stop.signal }
    const given = fetch(`${server.url}/api/v1/resources`, init).catch(() => 'given up')
    const arrived = async () => (server.cluster.api.requests.length > 0 ? true : undefined)
    await until(arrived, 5000, () => 'the cluster is not asked')
    stop.abort()
    expect(await given).toBe('given up')
    const noted = async () => (server.logged().includes('client-gone') ? true : undefined)
    await until(noted, 5000, () => 'the server does not notice')
    expect(await server.decided('token', 'unknown')).toBe(0)
  })

  it('is no matter for who has the secret', async () => {
    const { id, secret } = await server.staged()
    server.cluster.api.fault({ when: () => true, fault: { answer: { status: 500, body: '' } } })
    expect((await call(server, 'GET', `/${id}/files/a`, { secret })).status).toBe(200)
    expect((await fetch(`${server.url}/readyz`)).status).toBe(200)
  })
})

describe('a token (cases 116, 117)', () => {
  it('is in no log line, no answer, no metric and no file of the store, whatever becomes of it', async () => {
    const { id } = await server.staged()
    const pod = server.cluster.pod('driver')
    const texts: string[] = []
    const note = async (answer: Response) =>
      void texts.push(
        JSON.stringify([...answer.headers]) + (await answer.text()).replace(/"resourceSecret":"[^"]*"/, ''),
      )
    for (const status of [undefined, 500]) {
      const body = JSON.stringify({
        kind: 'Status',
        message: `bad token ${Object.values(tokens).join(' ')} ${pod.token}`,
      })
      if (status !== undefined) server.cluster.api.fault({ when: () => true, fault: { answer: { status, body } } })
      for (const token of [...Object.values(tokens), pod.token]) {
        const fresh = `${token}${status ?? ''}`
        await note(await server.create(fresh))
        await note(await call(server, 'GET', '', { secret: fresh }))
        await note(await call(server, 'GET', `/${id}/files/a`, { secret: fresh }))
        await note(await call(server, 'GET', `/${fresh}/files/a`, { secret: fresh }))
      }
    }
    server.cluster.api.heal()
    await note(await fetch(`${server.url}/metrics`))
    for (const name of await readdir(server.directory, { recursive: true, withFileTypes: true }))
      if (name.isFile()) texts.push(await readFile(join(name.parentPath, name.name), 'latin1'))
    for (const token of [...Object.values(tokens), pod.token])
      for (const text of [server.logged(), ...texts]) expect(text).not.toContain(token)
  })

  it('is counted by what was asked and what came of it, without a name', async () => {
    const { id, secret } = await server.staged()
    await server.create(tokens.stager)
    await server.create(tokens.keeper)
    await server.create(tokens.unknown)
    await call(server, 'GET', `/${id}`, { secret })
    await call(server, 'GET', `/${id}`, { secret: 'C'.repeat(43) })
    await call(server, 'GET', `/${id}/files/a`, { secret: server.cluster.pod('driver').token })
    await call(server, 'GET', `/${id}/files/a`, { secret: server.cluster.pod('stranger').token })
    await fetch(`${server.url}/c/${id}.${'D'.repeat(43)}/a`)
    const counted = await Promise.all(
      ['secret', 'token', 'right', 'pod', 'capability'].map((question) =>
        Promise.all(['yes', 'no', 'unknown'].map((verdict) => server.decided(question, verdict))),
      ),
    )
    expect(counted).toEqual([
      [1, 1, 0],
      [5, 1, 0],
      [2, 1, 0],
      [1, 1, 0],
      [0, 1, 0],
    ])
    expect(await (await fetch(`${server.url}/metrics`)).text()).not.toContain('serviceaccount')
  })
})
