/** Requests over real connections: pooled, bounded in time and size, and clear about what went wrong. */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer as createTlsServer } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ApiClient, type ApiRequest } from './api-client.ts'
import { testCertificates } from './testing/certificates.ts'
import { FaultyApiServer } from './testing/faulty-api-server.ts'

const list: ApiRequest = { what: 'list pods', path: '/api/v1/pods', query: { limit: 500 } }
const signal = (): AbortSignal => AbortSignal.timeout(10_000)

describe('a client of the API server', () => {
  let server: FaultyApiServer
  let client: ApiClient

  beforeEach(async () => {
    server = await FaultyApiServer.start()
    client = new ApiClient(server.connection)
  })
  afterEach(async () => {
    await client.close()
    await server.stop()
  })

  it('keeps its connections', async () => {
    for (let n = 0; n < 20; n++) await client.request(list, signal())
    expect(server.connections.opened).toBe(1)
    await Promise.all(Array.from({ length: 40 }, () => client.request(list, signal())))
    expect(server.connections.opened).toBeLessThanOrEqual(16)
  })

  it('reads compressed answers', async () => {
    const labels = Object.fromEntries(Array.from({ length: 200 }, (_, n) => [`label-${n}`, 'value']))
    server.cluster.put({ apiVersion: 'v1', kind: 'Pod', metadata: { namespace: 'a', name: 'b', labels } })
    const answer = await client.request(list, signal())
    expect(answer.headers['content-encoding']).toBe('gzip')
    expect((answer.json() as { items: unknown[] }).items).toHaveLength(1)
  })

  it('ends at its deadline, whether nothing comes or too little, and works again on a fresh connection', async () => {
    server.fault({ fault: { stall: true }, times: 1 })
    const failed = client.request({ ...list, deadlineMs: 50 }, signal())
    await expect(failed).rejects.toMatchObject({ kind: 'unavailable', code: 'kube-deadline' })
    expect((await client.request(list, signal())).status).toBe(200)
  })

  it('ends when its caller does, with the reason of the caller', async () => {
    server.fault({ fault: { stall: true } })
    const stop = new AbortController()
    const failed = client.request(list, stop.signal)
    setTimeout(() => stop.abort(), 20)
    await expect(failed).rejects.toMatchObject({ kind: 'interrupted', code: 'aborted' })
    await expect(client.request(list, AbortSignal.abort())).rejects.toMatchObject({ code: 'aborted' })
  })

  it('takes no more than it was told, compressed or not', async () => {
    const annotations = { blob: 'x'.repeat(300_000) }
    server.cluster.put({ apiVersion: 'v1', kind: 'Pod', metadata: { namespace: 'a', name: 'b', annotations } })
    const failed = client.request({ ...list, bytesMax: 100_000 }, signal())
    await expect(failed).rejects.toMatchObject({ kind: 'tooLarge', code: 'kube-answer-too-large' })
    expect((await client.request(list, signal())).status).toBe(200)
  })

  it.each([0, 0.3, 0.99])('says that an answer was cut after %d of its bytes', async (cutAfter) => {
    const annotations = { blob: 'x'.repeat(3000) }
    server.cluster.put({ apiVersion: 'v1', kind: 'Pod', metadata: { namespace: 'a', name: 'b', annotations } })
    server.fault({ fault: { cutAfter }, times: 1 })
    await expect(client.request(list, signal())).rejects.toMatchObject({ code: 'kube-connection-lost' })
    expect((await client.request(list, signal())).status).toBe(200)
  })

  it('replaces a pooled connection that the server closed, for reads and for writes that may be repeated', async () => {
    await client.request(list, signal())
    server.disconnect()
    expect((await client.request(list, signal())).status).toBe(200)
  })

  it('gives the words of the API server, and its Retry-After, but none about a secret', async () => {
    const body = JSON.stringify({ kind: 'Status', message: 'quota "s3cr3t" exceeded', reason: 'Forbidden', code: 403 })
    const fault = { answer: { status: 403, body, headers: { 'retry-after': '7' } } }
    server.fault({ fault })
    const open = client.request(list, signal())
    await expect(open).rejects.toMatchObject({
      status: 403,
      retryAfterMs: 7000,
      message: expect.stringContaining('quota'),
    })
    const quiet = client.request({ ...list, confidential: true }, signal())
    await expect(quiet).rejects.toMatchObject({ message: expect.not.stringContaining('s3cr3t') })
  })

  it('asks for another credential after a 401, once', async () => {
    await server.stop()
    server = await FaultyApiServer.start({ token: 'new' })
    let renewals = 0
    const credentials = async () => ({
      headers: { authorization: renewals === 0 ? 'Bearer old' : 'Bearer new' },
      tls: {},
    })
    const renew = async () => ++renewals > 0
    client = new ApiClient({ ...server.connection, credentials, renew })
    expect((await client.request(list, signal())).status).toBe(200)
    expect(renewals).toBe(1)
    client = new ApiClient({ ...server.connection, renew })
    await expect(client.request(list, signal())).rejects.toMatchObject({ code: 'kube-unauthorized', status: 401 })
    expect(renewals).toBe(2)
  })

  it('does not wait for a credential longer than for an answer', async () => {
    client = new ApiClient({ ...server.connection, credentials: () => new Promise(() => undefined) })
    const failed = client.request({ ...list, deadlineMs: 30 }, signal())
    await expect(failed).rejects.toMatchObject({ code: 'kube-deadline' })
  })

  it('says that nobody listens', async () => {
    const { connection } = server
    await server.stop()
    const failed = new ApiClient(connection).request(list, signal())
    await expect(failed).rejects.toMatchObject({ kind: 'unavailable', code: 'kube-unreachable' })
    server = await FaultyApiServer.start()
  })

  it('finds the API below a base path, and encodes what it is given', async () => {
    const base = new URL('/k8s/clusters/c-1/', server.connection.server)
    client = new ApiClient({ ...server.connection, server: base })
    await client.request({ ...list, query: { labelSelector: 'a=b,c=d&e' } }, signal()).catch(() => undefined)
    expect(server.requests.at(-1)!.path).toBe('/k8s/clusters/c-1/api/v1/pods')
    expect(server.requests.at(-1)!.query.get('labelSelector')).toBe('a=b,c=d&e')
  })
})

describe('a client over TLS', () => {
  it('trusts the authority that it is given and no other, and shows its own certificate', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'kube-tls-'))
    try {
      const files = await testCertificates(directory)
      const [ca, cert, key] = await Promise.all(
        [files.caFile, files.server.certFile, files.server.keyFile].map((file) => readFile(file)),
      )
      const seen: unknown[] = []
      const tls = createTlsServer({ ca, cert, key, requestCert: true, rejectUnauthorized: false })
      tls.on('secureConnection', (socket) => seen.push(socket.getPeerCertificate().subject?.CN))
      const server = await FaultyApiServer.start({ server: tls })
      const address = { ...server.connection, server: new URL(`https://127.0.0.1:${server.port}`) }
      const stranger = new ApiClient(address)
      await expect(stranger.request(list, signal())).rejects.toMatchObject({ code: 'kube-certificate-refused' })
      const own = { cert: await readFile(files.client.certFile), key: await readFile(files.client.keyFile) }
      let identity: object = {}
      const client = new ApiClient({ ...address, credentials: async () => ({ headers: {}, tls: { ca, ...identity } }) })
      for (let n = 0; n < 3; n++) await client.request(list, signal())
      identity = own
      for (let n = 0; n < 3; n++) await client.request(list, signal())
      // One connection for each identity: a certificate that was renewed is shown at once.
      expect(seen.filter((name) => name === 'submitter')).toHaveLength(1)
      await client.close()
      await server.stop()
    } finally {
      await rm(directory, { recursive: true })
    }
  })
})
