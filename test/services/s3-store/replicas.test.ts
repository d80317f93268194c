/** Servers as processes on one real bucket: they may be killed, readers may be sent to the bucket, and what it refuses is said by name. */
import { createHash } from 'node:crypto'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createClient, type StagingClient } from '@supercargo/client'
import { SupercargoError } from '@supercargo/protocol'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type ServerProcess, startStagingServer } from '../../process/staging-server.ts'
import { describeWith, provisionTimeoutMs } from '../running.ts'
import { TestBucket } from '../s3-source/bucket.ts'

/** `SUPERCARGO_TEST_REPLICAS_SECONDS=300` for the long run. */
const loadSeconds = Number(process.env.SUPERCARGO_TEST_REPLICAS_SECONDS ?? 15)
const killEveryMs = 4000

interface Staged {
  readonly id: string
  readonly secret: string
  readonly digest: string
}

describeWith(['s3'], 'servers that share a bucket', () => {
  let bucket: TestBucket
  const servers: (ServerProcess | undefined)[] = []
  const clients: StagingClient[] = []

  beforeAll(async () => {
    bucket = await TestBucket.on('s3')
    servers.push(...(await Promise.all([start(), start()])))
  }, provisionTimeoutMs)

  afterAll(async () => {
    for (const client of clients) client.close()
    await Promise.all(servers.map((server) => server?.kill()))
  })

  function start(more: readonly string[] = [], endpoint = bucket.details.endpoint): Promise<ServerProcess> {
    const { region, accessKeyId, secretAccessKey } = bucket.details
    const place = ['--store', `s3://${bucket.name}/cargo`, '--store-endpoint', endpoint, '--store-region', region]
    return startStagingServer({
      arguments: [...place, '--store-path-style', ...more],
      env: { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey },
    })
  }

  async function stageAt(url: string, body: Buffer, signal = AbortSignal.timeout(20_000)): Promise<Staged> {
    const form = new FormData()
    form.set('owner', JSON.stringify({ namespace: 'spark', apiVersion: 'v1', kind: 'Pod', name: 'driver' }))
    form.set('file', new Blob([new Uint8Array(body)]), 'a.jar')
    const answer = await fetch(`${url}/api/v1/resources`, { method: 'POST', body: form, signal })
    if (answer.status !== 201) throw new Error(`${answer.status} ${await answer.text()}`)
    const { resourceId, resourceSecret } = (await answer.json()) as { resourceId: string; resourceSecret: string }
    return { id: resourceId, secret: resourceSecret, digest: createHash('sha256').update(body).digest('hex') }
  }

  function fetchAt(url: string, { id, secret }: Staged, init: RequestInit = {}): Promise<Response> {
    const headers = { authorization: `Bearer ${secret}`, ...init.headers }
    return fetch(`${url}/api/v1/resources/${id}/files/a.jar`, { ...init, headers })
  }

  it('lose nothing that they acknowledged, however often one of them is killed', async () => {
    const acknowledged: Staged[] = []
    const until = performance.now() + loadSeconds * 1000
    let number = 0
    let kills = 0
    const load = async (lane: number): Promise<void> => {
      while (performance.now() < until) {
        const server = servers[(lane + number) % 2] ?? servers[(lane + number + 1) % 2]
        const body = Buffer.alloc(1 + ((number * 7919) % 300_000), `${lane} ${number++}`)
        // Who is cut off by the kill is not acknowledged, and says nothing.
        const staged = server === undefined ? undefined : await stageAt(server.url, body).catch(() => undefined)
        if (staged !== undefined) acknowledged.push(staged)
        else await new Promise((resolve) => setTimeout(resolve, 50))
      }
    }
    const killing = (async () => {
      while (performance.now() + killEveryMs < until) {
        await new Promise((resolve) => setTimeout(resolve, killEveryMs))
        const at = kills++ % 2
        const victim = servers[at]!
        servers[at] = undefined
        await victim.kill()
        servers[at] = await start()
      }
    })()
    await Promise.all([load(0), load(1), load(2), killing])
    expect(kills).toBeGreaterThan(0)
    expect(acknowledged.length).toBeGreaterThan(10)
    for (const [index, staged] of acknowledged.entries()) {
      const answer = await fetchAt(servers[index % 2]!.url, staged)
      const bytes = Buffer.from(await answer.arrayBuffer())
      expect([answer.status, createHash('sha256').update(bytes).digest('hex')]).toEqual([200, staged.digest])
    }
  })

  it('send readers to the bucket when they are told to, and the credential stays with them', async () => {
    const server = await start(['--redirect-downloads', '--redirect-ms', '60s'])
    servers.push(server)
    const body = Buffer.from('cargo of the bucket')
    const staged = await stageAt(server.url, body)
    const answer = await fetchAt(server.url, staged, { redirect: 'manual' })
    const location = new URL(answer.headers.get('location')!)
    expect([answer.status, location.origin]).toEqual([307, bucket.details.endpoint])
    expect(answer.headers.get('cache-control')).toBe('no-store')
    const part = await fetch(location, { headers: { range: 'bytes=9-' } })
    expect([part.status, await part.text()]).toEqual([206, 'the bucket'])
    const client = createClient({ server: server.url })
    clients.push(client)
    const { Secret } = await import('@supercargo/protocol')
    const secret = new Secret(staged.secret)
    const digest = `sha256:${staged.digest}`
    const opened = await client.openFile({
      resourceId: staged.id,
      secret,
      path: 'a.jar',
      offset: 6,
      etag: `"${digest}"`,
    })
    expect([opened.status, opened.headers.etag, await opened.text()]).toEqual([206, `"${digest}"`, 'of the bucket'])
    const head = await fetchAt(server.url, staged, { method: 'HEAD' })
    expect([head.status, head.headers.get('etag')]).toEqual([200, `"${digest}"`])
    expect(server.logged()).not.toContain('X-Amz-Signature')
    expect(await (await fetch(`${server.url}/metrics`)).text()).toMatch(/supercargo_redirected_total 2/)
  })

  it('say what the bucket refuses in readiness, metrics and the log, and are ready when it does no more', async () => {
    let fault: ((path: string) => { status: number; code: string } | undefined) | undefined
    const proxy = await faultProxy(bucket.details.endpoint, (path) => fault?.(path))
    try {
      const server = await start([], proxy.endpoint)
      servers.push(server)
      for (const [status, code, reason] of [
        [503, 'SlowDown', 'store-s3-busy'],
        [403, 'AccessDenied', 'store-s3-access-denied'],
        [403, 'RequestTimeTooSkewed', 'store-s3-clock-skewed'],
        [403, 'InvalidAccessKeyId', 'store-s3-unknown-key'],
        [404, 'NoSuchBucket', 'store-s3-no-such-bucket'],
      ] as const) {
        fault = () => ({ status, code })
        await expect.poll(async () => (await ready(server)).reason, { timeout: 20_000 }).toBe(reason)
        expect((await ready(server)).hint).toMatch(/.{20}/)
        const refused = await stageAt(server.url, Buffer.from('x')).catch((error: Error) => error.message)
        expect(refused).toMatch(/^503 /)
        expect(refused).not.toContain('AWS4')
      }
      fault = undefined
      await expect.poll(async () => (await ready(server)).status, { timeout: 20_000 }).toBe(200)
      await stageAt(server.url, Buffer.from('again'))
      const metrics = await (await fetch(`${server.url}/metrics`)).text()
      for (const code of ['s3-busy', 's3-access-denied', 's3-no-such-bucket'])
        expect(metrics).toMatch(new RegExp(`supercargo_store_failures_total\\{code="${code}"\\} [1-9]`))
      expect(server.logged()).toMatch(/the object store failed/)
      expect(server.logged()).not.toContain(bucket.details.secretAccessKey)
    } finally {
      proxy.close()
    }
  })
})

async function ready(server: ServerProcess): Promise<{ status: number; reason?: string; hint?: string }> {
  const answer = await fetch(`${server.url}/readyz`)
  const { reason, hint } = answer.status === 200 ? {} : ((await answer.json()) as { reason?: string; hint?: string })
  return { status: answer.status, ...(reason !== undefined && { reason }), ...(hint !== undefined && { hint }) }
}

/** In front of the real server: passes everything on, or answers as a store that refuses. */
async function faultProxy(
  endpoint: string,
  fault: (path: string) => { status: number; code: string } | undefined,
): Promise<{ endpoint: string; close(): void }> {
  const server: Server = createServer((request, response) => {
    const refusal = fault(request.url!)
    if (refusal !== undefined) {
      request.resume()
      const { status, code } = refusal
      return void response
        .writeHead(status, { 'content-type': 'application/xml' })
        .end(`<?xml version="1.0"?><Error><Code>${code}</Code><Message>as told</Message></Error>`)
    }
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', async () => {
      const { connection: _, 'transfer-encoding': __, ...headers } = request.headers
      const body = chunks.length > 0 ? { body: Buffer.concat(chunks) } : {}
      const { request: ask } = await import('node:http')
      const target = new URL(request.url!, endpoint)
      // The signature covers the host, which is the proxy's: it is passed on as it is, and the server checks it as sent.
      const asked = ask(target, { method: request.method, headers }, (answer) => {
        response.writeHead(answer.statusCode!, answer.headers)
        answer.pipe(response)
      })
      asked.on('error', () => response.destroy())
      asked.end(body.body)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  if (port === 0) throw new SupercargoError('internal', 'no-port', 'the proxy has no port')
  return {
    endpoint: `http://127.0.0.1:${port}`,
    close: () => {
      server.closeAllConnections()
      server.close()
    },
  }
}
