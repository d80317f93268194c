/** Readiness follows the store and the drain; metrics stay few. */
import { SupercargoError } from '@supercargo/protocol'
import { ManualClock } from '@supercargo/transfer'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { startTestServer, type TestServer } from '../testing/test-server.ts'
import { stageFiles } from '../testing/v1-api.ts'

const clock = new ManualClock()
let server: TestServer
beforeEach(async () => {
  server = await startTestServer({ clock })
})
afterEach(() => server.stop())

describe('readiness', () => {
  it('follows the write probe of the store, asked at most every two seconds', async () => {
    let probes = 0
    let failure: Error | undefined
    server.store.probe = async () => {
      probes++
      if (failure !== undefined) throw failure
    }
    const ready = async () => (await fetch(`${server.url}/readyz`)).status
    expect(await Promise.all([ready(), ready(), ready()])).toEqual([200, 200, 200])
    expect(probes).toBe(1)
    failure = new SupercargoError('exhausted', 'disk-full', 'cannot write /var/lib/x: no space left')
    expect(await ready()).toBe(200)
    clock.advance(2001)
    const unready = await fetch(`${server.url}/readyz`)
    expect(unready.status).toBe(503)
    expect(await unready.text()).not.toContain('/var/lib')
    expect((await fetch(`${server.url}/livez`)).status).toBe(200)
    failure = undefined
    clock.advance(2001)
    expect(await ready()).toBe(200)
  })

  it('ends with the drain; liveness does not', async () => {
    server.app.drain()
    const unready = await fetch(`${server.url}/readyz`)
    expect([unready.status, unready.headers.get('connection')]).toEqual([503, 'close'])
    expect((await unready.json()) as object).toMatchObject({ code: 'draining' })
    expect((await fetch(`${server.url}/livez`)).status).toBe(200)
  })
})

describe('metrics', () => {
  it('count requests by route pattern, bytes, transfers and errors, and stay few', async () => {
    const staged = await stageFiles(server, { a: 'x'.repeat(1000) })
    for (let n = 0; n < 3; n++) {
      const headers = { authorization: `Bearer ${staged.secret}` }
      await (await fetch(`${server.url}/api/v1/resources/${staged.id}/files/a`, { headers })).text()
      await (await fetch(`${server.url}/none/${n}`)).text()
    }
    const answer = await fetch(`${server.url}/metrics`)
    expect(answer.headers.get('content-type')).toMatch(/^text\/plain; version=/)
    const text = await answer.text()
    expect(text).toContain(
      'supercargo_requests_total{route="/api/v1/resources/:id/files/*",method="GET",status="2xx"} 3',
    )
    expect(text).toContain('supercargo_requests_total{route="unmatched",method="GET",status="4xx"} 3')
    expect(text).toContain('supercargo_errors_total{code="unknown-route"} 3')
    expect(text).toMatch(/^supercargo_download_seconds_count 3$/m)
    expect(text).toMatch(/^supercargo_upload_seconds_count 1$/m)
    expect(text).toMatch(/^supercargo_commit_seconds_count 1$/m)
    expect(text).toMatch(/^supercargo_store_bytes 1000$/m)
    expect(Number(/^supercargo_received_bytes_total (\d+)$/m.exec(text)![1])).toBeGreaterThan(1000)
    expect(text.split('\n').filter((line) => line !== '' && !line.startsWith('#')).length).toBeLessThan(100)
    expect(text).not.toContain(staged.id)
  })
})

describe('HEAD', () => {
  it('of every page is its GET without the body', async () => {
    for (const path of ['/livez', '/readyz', '/metrics', '/api/v0/ping', '/api/v1/openapi.json']) {
      const byGet = await fetch(server.url + path)
      const byHead = await fetch(server.url + path, { method: 'HEAD' })
      expect([byHead.status, byHead.headers.get('content-type')]).toEqual([
        byGet.status,
        byGet.headers.get('content-type'),
      ])
      expect((await byHead.arrayBuffer()).byteLength).toBe(0)
      await byGet.arrayBuffer()
    }
  })
})
