/** Is there such a namespace: a no is certain, and what cannot be known is no no. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ApiClient } from './api-client.ts'
import { createNamespaces, type Namespaces } from './namespaces.ts'
import { FaultyApiServer } from './testing/faulty-api-server.ts'

const signal = (): AbortSignal => AbortSignal.timeout(5_000)

describe('a namespace', () => {
  let server: FaultyApiServer
  let client: ApiClient
  let namespaces: Namespaces
  let nowMs: number

  beforeEach(async () => {
    server = await FaultyApiServer.start()
    server.cluster.put({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'spark' } })
    client = new ApiClient(server.connection)
    nowMs = 0
    namespaces = createNamespaces(client, { now: () => nowMs })
  })
  afterEach(async () => {
    await client.close()
    await server.stop()
  })

  it('is there, or is not; a no is forgotten after a second', async () => {
    expect(await namespaces.exists('spark', signal())).toBe(true)
    expect(await namespaces.exists('none', signal())).toBe(false)
    server.cluster.put({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'none' } })
    expect(await namespaces.exists('none', signal())).toBe(false)
    nowMs = 1_000
    expect(await namespaces.exists('none', signal())).toBe(true)
  })

  it('is neither where we have no right to know', async () => {
    server.rules.forbids = () => true
    expect(await namespaces.exists('spark', signal())).toBeUndefined()
  })

  it.each([401, 429, 500, 503])('is unknown when the API server answers %d, and that is not kept', async (status) => {
    server.fault({ when: () => true, times: 1, fault: { answer: { status, body: '' } } })
    await expect(namespaces.exists('spark', signal())).rejects.toMatchObject({ kind: 'unavailable' })
    expect(await namespaces.exists('spark', signal())).toBe(true)
  })

  it('is unknown when the answer is another object', async () => {
    server.fault({ when: () => true, fault: { answer: { status: 200, body: '{"metadata":{"name":"other"}}' } } })
    await expect(namespaces.exists('spark', signal())).rejects.toMatchObject({ kind: 'unavailable' })
  })

  it('is unknown when a 404 is of something else than the namespace', async () => {
    server.fault({ when: () => true, fault: { answer: { status: 404, body: '404 page not found' } } })
    await expect(namespaces.exists('spark', signal())).rejects.toMatchObject({ kind: 'unavailable' })
  })
})
