/** Behind a real nginx as we deliver it: every door, the right addresses, files sent by nginx, and what a deletion does to them. */
import { createHash, randomFillSync } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { get as httpGet, type IncomingMessage } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createClient, type StagedResource, type StagingClient } from '@supercargo/client'
import { digestHex, type Owner, routes, toDigestField } from '@supercargo/protocol'
import { trustContext } from '@supercargo/transfer'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { cpuSeconds, resetRssPeak, rssPeakMib } from '../../bench/process-meter.ts'
import { freePort } from '../../process/free-port.ts'
import { type ServerProcess, startStagingServer } from '../../process/staging-server.ts'
import { createAuthority, issue } from '../certificates.ts'
import { describeWith, provisionTimeoutMs } from '../running.ts'
import { until } from '../until.ts'
import { startEdge, startSidecar } from './delivered.ts'
import type { FrontNginx } from './front-nginx.ts'

const owner: Owner = { namespace: 'spark', apiVersion: 'v1', kind: 'Pod', name: 'driver' }
const MiB = 2 ** 20
const large = Buffer.allocUnsafe(200 * MiB)
/** Above what an idle server or a worker of nginx takes, and far below the file. */
const rssMaxMib = 190
const podUrl = 'http://pods.example:10000'

describeWith(['nginx'], 'behind nginx', () => {
  let work: string
  let server: ServerProcess
  let sidecar: FrontNginx
  let empty: FrontNginx
  let edge: FrontNginx
  let publicUrl: string
  let caFile: string
  let client: StagingClient
  let staged: StagedResource

  beforeAll(async () => {
    work = mkdtempSync(join(tmpdir(), 'supercargo-exposure-'))
    mkdirSync(join(work, 'nothing'))
    const authority = await createAuthority(work, 'supercargo test')
    const pair = await issue(authority, { name: 'edge', commonName: 'localhost', alternativeNames: ['DNS:localhost'] })
    caFile = authority.certFile
    const edgePort = await freePort()
    publicUrl = `https://localhost:${edgePort}/cargo`
    const store = join(work, 'store')
    const places = ['--store', store, '--public-url', publicUrl, '--pod-url', podUrl]
    const trust = ['--trusted-proxies', '127.0.0.1', '--accel-redirect', '/supercargo-blobs']
    server = await startStagingServer({ arguments: [...places, ...trust, '--limits-free-bytes-min', '0'] })
    sidecar = await startSidecar(server, join(store, 'blobs'))
    empty = await startSidecar(server, join(work, 'nothing'))
    edge = await startEdge(sidecar, pair, edgePort)
    randomFillSync(large)
    client = createClient({ server: publicUrl, trust: trustContext([caFile]) })
  }, provisionTimeoutMs)

  afterAll(async () => {
    client?.close()
    await Promise.all([server?.stop(), sidecar?.stop(), empty?.stop(), edge?.stop()])
    rmSync(work, { recursive: true, force: true })
  })

  const handedOff = async (): Promise<number> =>
    Number(/^supercargo_handed_off_total (\d+)/m.exec(await (await fetch(`${server.url}/metrics`)).text())?.[1])
  const sentBytes = async (): Promise<number> =>
    Number(/^supercargo_sent_bytes_total (\d+)/m.exec(await (await fetch(`${server.url}/metrics`)).text())?.[1])
  const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
  const buffered = (nginx: FrontNginx): string[] =>
    readdirSync(nginx.directory, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && !/^nginx\.(conf|pid)$|^pid$/.test(entry.name))
      .map(({ name }) => name)
  const stageNew = (bytes: Uint8Array, name = 'a.jar'): Promise<StagedResource> => {
    const path = join(work, name)
    writeFileSync(path, bytes)
    return client.stage({ owner, files: [{ path, as: name }] })
  }

  it('a file far larger than memory is meant for goes up and down, by TLS, below a prefix, and nobody buffers it', async () => {
    for (const { pid } of [server, sidecar, edge]) resetRssPeak(pid)
    staged = await stageNew(large, 'large.jar')
    expect([...buffered(sidecar), ...buffered(edge)]).toEqual([])
    const [sentBefore, cpuBefore] = [await sentBytes(), cpuSeconds(server.pid)]
    await client.fetch({ resourceId: staged.resourceId, secret: staged.resourceSecret, to: join(work, 'fetched') })
    const [sent, cpu] = [(await sentBytes()) - sentBefore, cpuSeconds(server.pid) - cpuBefore]
    expect(sha256(readFileSync(join(work, 'fetched', 'large.jar')))).toBe(sha256(large))
    // nginx sent it: of the file's bytes none went through the server, and it was at work for a moment.
    expect(sent).toBeLessThan(MiB)
    expect(cpu).toBeLessThan(1)
    for (const { pid } of [server, sidecar, edge]) expect(rssPeakMib(pid)).toBeLessThan(rssMaxMib)
    expect([...buffered(sidecar), ...buffered(edge)]).toEqual([])
  })

  it('what nginx sends has the fields that a client checks and resumes by', async () => {
    const [file] = staged.files
    const url = `${sidecar.url}${routes.v1.file(staged.resourceId, 'large.jar')}`
    const headers = { authorization: `Bearer ${staged.resourceSecret.reveal()}` }
    const before = await handedOff()
    const etag = `"${file!.digest}"`
    const whole = await fetch(url, { headers })
    expect(Object.fromEntries(whole.headers)).toMatchObject({
      'content-length': String(large.length),
      'content-type': 'application/octet-stream',
      'content-disposition': 'attachment; filename="large.jar"',
      'accept-ranges': 'bytes',
      etag,
      'repr-digest': toDigestField(file!.digest),
    })
    expect(whole.headers.get('last-modified')).toBeNull()
    expect(whole.headers.get('x-accel-redirect')).toBeNull()
    expect(sha256(Buffer.from(await whole.arrayBuffer()))).toBe(digestHex(file!.digest))
    const part = async (fields: Record<string, string>) => {
      const answer = await fetch(url, { headers: { ...headers, ...fields } })
      return {
        status: answer.status,
        range: answer.headers.get('content-range'),
        bytes: Buffer.from(await answer.arrayBuffer()),
      }
    }
    const from = 199 * MiB + 7
    const rest = await part({ range: `bytes=${from}-`, 'if-range': etag })
    expect([rest.status, rest.range]).toEqual([206, `bytes ${from}-${large.length - 1}/${large.length}`])
    expect(rest.bytes.equals(large.subarray(from))).toBe(true)
    const last = await part({ range: 'bytes=-5' })
    expect([last.status, last.bytes.equals(large.subarray(-5))]).toEqual([206, true])
    expect(await handedOff()).toBe(before + 3)
    expect((await part({ range: 'bytes=0-4', 'if-range': '"other"' })).bytes.length).toBe(large.length)
    expect((await part({ range: `bytes=${large.length}-` })).status).toBe(416)
    expect((await part({ 'if-none-match': etag })).status).toBe(304)
    expect(await handedOff()).toBe(before + 3)
  })

  it('every door hands off whole files, with addresses that lead back through the proxy', async () => {
    const bytes = large.subarray(0, 3 * MiB)
    const small = await stageNew(bytes, 'small.jar')
    const call = { resourceId: small.resourceId, secret: small.resourceSecret }
    const before = await handedOff()
    const { url } = await client.createCapability(call)
    expect(url.startsWith(`${podUrl}/c/`)).toBe(true)
    const byCapability = await fetch(`${sidecar.url}${new URL(url).pathname}small.jar`)
    expect(Buffer.from(await byCapability.arrayBuffer()).equals(bytes)).toBe(true)
    expect(await handedOff()).toBe(before + 1)

    const form = new FormData()
    form.append('resources', new Blob([bytes]), 'x')
    form.append(
      'resourcesOwner',
      JSON.stringify({ ownerNamespace: 'spark', ownerLabels: { a: 'b' }, ownerType: 'Pod' }),
    )
    const v0 = await fetch(`${sidecar.url}${routes.v0.resources}`, { method: 'POST', body: form })
    const { resourceId, resourceSecret } = (await v0.json()) as { resourceId: string; resourceSecret: string }
    const raw = await fetch(`${sidecar.url}${routes.v0.resource(resourceId)}`, {
      headers: { authorization: resourceSecret },
    })
    expect(Buffer.from(await raw.arrayBuffer()).equals(bytes)).toBe(true)
    expect(await handedOff()).toBe(before + 2)

    const path = '/webhdfs/v1/spark/dir/hadoop.jar'
    const redirected = async (base: string, method: string, query: string): Promise<string> => {
      const answer = await ask(`${base}${path}?${query}`, method)
      expect(answer.status).toBe(307)
      return answer.headers.location!
    }
    // Past the prefix, as Hadoop's clients are, and with it: both are led to our own address.
    for (const base of [new URL(publicUrl).origin, publicUrl])
      expect(await redirected(base, 'PUT', 'op=CREATE')).toBe(`${publicUrl}${path}?op=CREATE&data=true`)
    // A host that nobody configured is what the client can reach.
    const target = await redirected(sidecar.url, 'PUT', 'op=CREATE')
    expect(target).toBe(`${sidecar.url}${path}?op=CREATE&data=true`)
    expect((await fetch(target, { method: 'PUT', body: bytes })).status).toBe(201)
    const opened = await fetch(await redirected(sidecar.url, 'GET', 'op=OPEN&offset=0'))
    expect(Buffer.from(await opened.arrayBuffer()).equals(bytes)).toBe(true)
    expect(await handedOff()).toBe(before + 3)
    const tail = await fetch(await redirected(sidecar.url, 'GET', 'op=OPEN&offset=100'))
    expect(Buffer.from(await tail.arrayBuffer()).equals(bytes.subarray(100))).toBe(true)
    expect(await handedOff()).toBe(before + 3)
    const { servers } = (await (await ask(`${publicUrl}${routes.v1.openapi}`, 'GET')).json()) as { servers: unknown }
    expect(servers).toEqual([{ url: publicUrl }])
  })

  it('a blob that nginx does not find comes from the server, with the same fields', async () => {
    const small = await stageNew(large.subarray(0, MiB), 'lost.jar')
    const before = await handedOff()
    const headers = { authorization: `Bearer ${small.resourceSecret.reveal()}` }
    const url = `${empty.url}${routes.v1.file(small.resourceId, 'lost.jar')}`
    const answer = await fetch(url, { headers })
    expect(Buffer.from(await answer.arrayBuffer()).equals(large.subarray(0, MiB))).toBe(true)
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      etag: `"${small.files[0]!.digest}"`,
      'content-disposition': 'attachment; filename="lost.jar"',
      'cache-control': 'private, no-cache, no-transform',
    })
    const part = await fetch(url, { headers: { ...headers, range: 'bytes=10-19' } })
    expect([part.status, Buffer.from(await part.arrayBuffer()).equals(large.subarray(10, 20))]).toEqual([206, true])
    expect(await handedOff()).toBe(before + 2)
  })

  it('a read that began survives the deletion of the blob', async () => {
    const bytes = large.subarray(0, 64 * MiB)
    const doomed = await stageNew(bytes, 'doomed.jar')
    const headers = { authorization: `Bearer ${doomed.resourceSecret.reveal()}` }
    const reading = await new Promise<IncomingMessage>((resolve, reject) => {
      httpGet(`${sidecar.url}${routes.v1.file(doomed.resourceId, 'doomed.jar')}`, { headers }, resolve).on(
        'error',
        reject,
      )
    })
    const hex = digestHex(doomed.files[0]!.digest)
    const blob = join(work, 'store', 'blobs', 'spark', hex.slice(0, 2), hex)
    expect(existsSync(blob)).toBe(true)
    await client.release({ resourceId: doomed.resourceId, secret: doomed.resourceSecret })
    await until('the blob to go', async () => !existsSync(blob), { timeoutMs: 30_000 })
    const hash = createHash('sha256')
    for await (const chunk of reading as AsyncIterable<Buffer>) hash.update(chunk)
    expect(hash.digest('hex')).toBe(hex)
  })

  it('a read at the moment of the deletion gets all bytes or a plain refusal of the server, never a page or a part', async () => {
    const seen = new Set<number>()
    for (let round = 0; round < 12; round++) {
      const bytes = large.subarray(round, round + MiB)
      const doomed = await stageNew(bytes, 'raced.jar')
      const headers = { authorization: `Bearer ${doomed.resourceSecret.reveal()}` }
      const url = `${sidecar.url}${routes.v1.file(doomed.resourceId, 'raced.jar')}`
      const read = async () => {
        const answer = await fetch(url, { headers })
        seen.add(answer.status)
        if (answer.status === 200) return expect(Buffer.from(await answer.arrayBuffer()).equals(bytes)).toBe(true)
        expect(answer.headers.get('content-type')).toBe('application/problem+json')
        expect(await answer.json()).toMatchObject({ code: expect.stringMatching(/denied|blob-missing/) })
      }
      const first = read()
      if (round % 2 === 0) await new Promise((resolve) => setTimeout(resolve, round))
      const release = client.release({ resourceId: doomed.resourceId, secret: doomed.resourceSecret })
      await Promise.all([first, read(), release, read()])
      await read()
    }
    expect(seen.has(200)).toBe(true)
    expect(seen.size).toBeGreaterThan(1)
  })

  async function ask(url: string, method: string) {
    const { HttpClient } = await import('@supercargo/transfer')
    const http = new HttpClient({ trust: trustContext([caFile]), policy: { metadata: false, own: true } })
    const headers = method === 'PUT' ? { 'content-length': '0' } : {}
    const response = await http.request({ method, url: new URL(url), headers })
    const text = await response.text()
    http.close()
    return { status: response.status, headers: response.headers, json: () => JSON.parse(text) as unknown }
  }
})
