/** Whatever call of the store fails, nothing is acknowledged, shown or left behind. */
import { randomBytes } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type FailingStore, makeFailing } from '../testing/failing-store.ts'
import { formBody, formRequest, v0Owner } from '../testing/form.ts'
import { rawRequest } from '../testing/raw-http.ts'
import { tarBody } from '../testing/tar.ts'
import { startTestServer, type TestServer } from '../testing/test-server.ts'
import { call, callJson, digestOf, stageFiles, testOwner } from '../testing/v1-api.ts'

let server: TestServer
let failing: FailingStore
beforeAll(async () => {
  server = await startTestServer({
    wrapStore(store) {
      failing = makeFailing(store)
      return failing.store
    },
  })
})
afterAll(() => server.stop())

interface Outcome {
  readonly status: number
  readonly body: string
}

async function outcomeOf(answer: Response): Promise<Outcome> {
  return { status: answer.status, body: await answer.text() }
}

const tarHeaders = { 'content-type': 'application/x-tar', 'supercargo-owner': JSON.stringify(testOwner) }

/** Ways of staging, each from the beginning to the acknowledgement; the first answer that is no success ends it. */
const flows: Readonly<Record<string, () => Promise<Outcome>>> = {
  async v0() {
    const parts = [
      { name: 'resources', body: randomBytes(200_000) },
      { name: 'resourcesOwner', body: v0Owner },
    ]
    const answer = await rawRequest(server.port, formRequest('/api/v0/resources/', formBody(parts)))
    return { status: answer.status, body: answer.body.toString() }
  },
  async form() {
    const files = [1, 2].map((n) => ({ name: 'file', filename: `f${n}`, body: randomBytes(100_000) }))
    const body = formBody([{ name: 'owner', body: JSON.stringify(testOwner) }, ...files])
    const answer = await rawRequest(server.port, formRequest('/api/v1/resources', body))
    return { status: answer.status, body: answer.body.toString() }
  },
  async tar() {
    const entries = [1, 2, 3].map((n) => ({ name: `f${n}`, body: randomBytes(50_000) }))
    return outcomeOf(await call(server, 'POST', '', { headers: tarHeaders, body: tarBody(entries) }))
  },
  async steps() {
    const [small, large] = [randomBytes(1000), randomBytes(300_000)]
    const files = [small, large].map((bytes, n) => ({
      path: `f${n}`,
      sizeBytes: bytes.length,
      digest: digestOf(bytes),
    }))
    const created = await outcomeOf(await callJson(server, 'POST', '', { owner: testOwner, files }))
    if (created.status !== 201) return created
    const { resourceId, resourceSecret: secret } = JSON.parse(created.body)
    const bundle = tarBody([{ name: digestOf(small), body: small }])
    const steps = [
      () => call(server, 'POST', `/${resourceId}/blobs`, { secret, headers: tarHeaders, body: bundle }),
      () => call(server, 'PUT', `/${resourceId}/blobs/${digestOf(large)}`, { secret, body: large }),
      () => call(server, 'POST', `/${resourceId}/commit`, { secret }),
    ]
    let outcome = created
    for (const step of steps) {
      outcome = await outcomeOf(await step())
      if (outcome.status < 300) continue
      failing.heal()
      await call(server, 'DELETE', `/${resourceId}`, { secret })
      break
    }
    return outcome
  },
}

/** The bytes of a whole answer, the status of a refusal, or that it was cut. */
async function fetchedBytes(path: string, secret: string, headers: Record<string, string>): Promise<number | 'cut'> {
  try {
    const answer = await call(server, 'GET', path, { secret, headers })
    return answer.status === 200 ? (await answer.arrayBuffer()).byteLength : answer.status
  } catch {
    // The reason is in the server's log; the client only sees the end of the connection.
    return 'cut'
  }
}

function resourceCount(): Promise<number> {
  return readdir(join(server.directory, 'resources')).then((names) => names.length)
}

describe('a store whose n-th call fails, n = 1, 2, 3 …', () => {
  it.each(Object.keys(flows))(
    'never makes %s acknowledge or show anything, and leaves nothing behind',
    async (name) => {
      const met = new Set<string>()
      for (let n = 1; ; n++) {
        expect(n).toBeLessThan(200)
        const before = await resourceCount()
        failing.failAt(n)
        const outcome = await flows[name]!()
        const failed = failing.failed()
        failing.heal()
        if (failed === undefined) {
          expect(outcome.status, outcome.body).toBeLessThan(300)
          expect(await resourceCount()).toBe(before + 1)
          break
        }
        met.add(failed)
        expect(JSON.parse(outcome.body), failed).toMatchObject({ status: 500, code: 'disk-error', kind: 'internal' })
        expect(outcome.body).not.toContain('/secret/place')
        expect(await resourceCount(), failed).toBe(before)
        expect(await server.incoming(), failed).toEqual([])
        expect(server.store.usage().reservedBytes, failed).toBe(0)
      }
      expect(met).toContain('commit')
      expect(met).toContain('write')
      expect(server.app.openRequests).toBe(0)
    },
  )

  it('cuts a download, or refuses it before its first byte', async () => {
    const bytes = randomBytes(2_500_000)
    const { id, secret } = await stageFiles(server, { a: bytes })
    for (const headers of [{}, { accept: 'application/x-tar' }]) {
      const path = 'accept' in headers ? `/${id}` : `/${id}/files/a`
      for (let n = 1; ; n++) {
        expect(n).toBeLessThan(50)
        failing.failAt(n)
        const outcome = await fetchedBytes(path, secret, headers)
        const failed = failing.failed()
        failing.heal()
        // That a fetch could not be noted is no reason to refuse the bytes.
        if (failed === undefined || failed === 'touch') expect(outcome).toBeGreaterThanOrEqual(bytes.length)
        else if (typeof outcome === 'number') expect(outcome, failed).toBe(500)
        if (failed === undefined) break
      }
    }
    expect(server.app.openRequests).toBe(0)
  })
})
