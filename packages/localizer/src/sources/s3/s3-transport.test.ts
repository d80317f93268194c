/** How requests to a store travel: by TLS with an authority of the plan, with a customer's key only so, and through a proxy. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import type { IncomingMessage, Server } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { scriptedServer } from '../../testing/scripted-server.ts'
import { workbench } from '../../testing/workbench.ts'

let directory: string
let server: Server
let origin: string
const requests: IncomingMessage[] = []
const items = [{ uri: 's3a://cargo/a.jar', to: 'a.jar' }]
const keys = { 'fs.s3a.access.key': 'key', 'fs.s3a.secret.key': 'secret' }

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'supercargo-s3-'))
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', 'store.key']
  const name = ['-subj', '/CN=store', '-addext', 'subjectAltName=IP:127.0.0.1']
  const parameters = ['req', '-x509', '-days', '2', '-out', 'store.crt', ...key, ...name]
  execFileSync('openssl', parameters, { cwd: directory, stdio: 'ignore' })
  const files = { cert: readFileSync(join(directory, 'store.crt')), key: readFileSync(join(directory, 'store.key')) }
  server = createServer(files, (request, response) => {
    requests.push(request)
    const listing = '<ListBucketResult><Contents><Key>dir/a</Key><Size>5</Size></Contents></ListBucketResult>'
    response.setHeader('etag', '"x"').end(request.url!.includes('list-type') ? listing : 'cargo')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  origin = `https://127.0.0.1:${(server.address() as AddressInfo).port}`
})

afterAll(() => {
  server.closeAllConnections()
  server.close()
  rmSync(directory, { recursive: true })
})

describe('a store behind TLS', () => {
  it('is believed by the authority that the plan names for its origin, and not otherwise', async () => {
    await using bench = await workbench()
    const hadoop = { properties: { ...keys, 'fs.s3a.endpoint': origin } }
    await expect(bench.run(items, { hadoop })).rejects.toMatchObject({ kind: 'denied', code: 'certificate-refused' })
    expect(requests).toEqual([])
    await bench.run(items, { hadoop, http: { [origin]: { caFile: join(directory, 'store.crt') } } })
    expect(await bench.files()).toEqual({ 'a.jar': 'cargo' })
  })

  it('gets the customer’s key with every request for an object, and with no other', async () => {
    await using bench = await workbench()
    requests.length = 0
    const encryptionKey = Buffer.alloc(32, 1).toString('base64')
    const sse = { 'fs.s3a.encryption.algorithm': 'SSE-C', 'fs.s3a.encryption.key': encryptionKey }
    const hadoop = { properties: { ...keys, ...sse, 'fs.s3a.endpoint': origin, 'fs.s3a.checksum.validation': 'true' } }
    const http = { [origin]: { caFile: join(directory, 'store.crt') } }
    await bench.run([{ uri: 's3a://cargo/dir/', to: 'x' }], { hadoop, http })
    const sent = requests.map(({ headers }) => headers['x-amz-server-side-encryption-customer-key'])
    expect(sent).toEqual([undefined, encryptionKey])
    expect(requests[1]!.headers.authorization).toContain('x-amz-server-side-encryption-customer-key')
  })
})

describe('a proxy of the properties', () => {
  it('is asked for the store by its address, with its own credentials, and the signature stays whole', async () => {
    await using bench = await workbench()
    await using proxy = await scriptedServer((_, response) => response.end('cargo'))
    const { hostname, port } = new URL(proxy.origin)
    const own = { 'fs.s3a.proxy.host': hostname, 'fs.s3a.proxy.port': port }
    const user = { 'fs.s3a.proxy.username': 'me', 'fs.s3a.proxy.password': 'pass' }
    const store = { 'fs.s3a.endpoint': 'http://store.example:9000', 'fs.s3a.path.style.access': 'true' }
    await bench.run(items, { hadoop: { properties: { ...keys, ...own, ...user, ...store } } })
    expect(proxy.requests[0]).toMatchObject({
      path: 'http://store.example:9000/cargo/a.jar',
      headers: {
        host: 'store.example:9000',
        'proxy-authorization': `Basic ${Buffer.from('me:pass').toString('base64')}`,
        authorization: expect.stringContaining('SignedHeaders=host;'),
      },
    })
  })
})
