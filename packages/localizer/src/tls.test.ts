/** TLS that does not hold is refused for good, by name; an authority of the plan is added for its origin alone. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer as createPlainServer, type IncomingMessage, type Server } from 'node:http'
import { createServer } from 'node:https'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TLSSocket } from 'node:tls'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { scriptedServer } from './testing/scripted-server.ts'
import { workbench } from './testing/workbench.ts'

let directory: string
let asked: string[]
const servers: Server[] = []
const processes: ChildProcess[] = []
const at = (name: string): string => join(directory, name)

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'supercargo-tls-'))
  for (const name of ['unknown', 'too-old', 'ours', 'theirs', 'downgrading', 'client'])
    makeCertificate(name, 'IP:127.0.0.1')
  makeCertificate('elsewhere', 'DNS:elsewhere.example')
  makeExpiredCertificate('expired')
})
afterAll(() => {
  for (const process of processes) process.kill('SIGKILL')
  for (const server of servers) {
    server.closeAllConnections()
    server.close()
  }
  rmSync(directory, { recursive: true })
})

const key = (name: string): string[] => [
  ...['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', at(`${name}.key`)],
  ...['-subj', `/CN=${name}`, '-addext'],
]

function openssl(...parameters: string[]): void {
  execFileSync('openssl', parameters, { cwd: directory, stdio: 'ignore' })
}

function makeCertificate(name: string, host: string): void {
  openssl('req', '-x509', '-days', '2', '-out', at(`${name}.crt`), ...key(name), `subjectAltName=${host}`)
}

/** `req` makes none of the past; `ca` does. */
function makeExpiredCertificate(name: string): void {
  openssl('req', '-new', '-out', at(`${name}.csr`), ...key(name), 'subjectAltName=IP:127.0.0.1')
  const settings =
    '[ca]\ndefault_ca=own\n[own]\ndatabase=index\nserial=serial\nnew_certs_dir=.\ndefault_md=sha256\npolicy=any\ncopy_extensions=copy\n[any]\ncommonName=supplied\n'
  writeFileSync(at('ca.conf'), settings)
  writeFileSync(at('index'), '')
  writeFileSync(at('serial'), '01\n')
  const dates = ['-startdate', '20200101000000Z', '-enddate', '20200102000000Z']
  const files = ['-keyfile', at(`${name}.key`), '-in', at(`${name}.csr`), '-out', at(`${name}.crt`)]
  openssl('ca', '-batch', '-selfsign', '-notext', '-config', at('ca.conf'), ...dates, ...files)
}

/** A server with the certificate of this name; what it is asked is in `asked`. */
async function tlsServer(name: string, options: object = {}): Promise<string> {
  asked = []
  const files = { cert: readFileSync(at(`${name}.crt`)), key: readFileSync(at(`${name}.key`)) }
  const server = createServer({ ...files, ...options }, (request, response) => {
    asked.push(JSON.stringify(request.headers))
    if (request.url === '/elsewhere') response.writeHead(302, { location: redirectUrl }).end()
    else if (request.url === '/to-http') response.writeHead(302, { location: plainUrl }).end()
    else response.end('jar')
  })
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return `https://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** OpenSSL's own server: it says with an alert what Node's does by hanging up. With TLS 1.2, where the alert is part of the handshake. */
async function opensslServer(): Promise<number> {
  const own = ['-cert', at('ours.crt'), '-key', at('ours.key'), '-CAfile', at('client.crt')]
  const server = spawn('openssl', [
    ...['s_server', '-accept', '127.0.0.1:0', '-tls1_2', '-www', '-Verify', '1', '-verify_return_error'],
    ...own,
  ])
  processes.push(server)
  for await (const text of server.stdout.setEncoding('utf8')) {
    const port = /ACCEPT \S*:(\d+)/.exec(text as string)?.[1]
    if (port !== undefined) return Number(port)
  }
  throw new Error('openssl s_server did not start')
}
let plainUrl = ''
let redirectUrl = ''

describe('a server whose TLS does not hold (case 42)', () => {
  it.each([
    ['unknown', false, {}],
    ['elsewhere', true, {}],
    ['expired', true, {}],
    ['too-old', true, { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT:@SECLEVEL=0' }],
  ])('(%s) is refused at once, is sent nothing, and leaves nothing', async (name, trusted, options) => {
    await using bench = await workbench()
    const origin = await tlsServer(name, options)
    const http = trusted ? { [origin]: { caFile: at(`${name}.crt`) } } : {}
    const error = await bench
      .run([{ uri: `${origin}/a.jar?sig=canary`, to: 'a.jar' }], { http })
      .catch((failure: unknown) => failure)
    expect(error).toMatchObject({ kind: 'denied', retry: false, message: expect.stringContaining(origin) })
    expect((error as Error).message).not.toContain('canary')
    expect(asked).toEqual([])
    expect(await bench.files()).toEqual({})
  })
})

describe('an authority of the plan (cases 43, 154)', () => {
  it('lets its origin in, and no other', async () => {
    await using bench = await workbench()
    const origin = await tlsServer('ours')
    const settings = { http: { [origin]: { caFile: at('ours.crt') } } }
    await bench.run([{ uri: `${origin}/a.jar`, to: 'a.jar' }], settings)
    expect(await bench.files()).toEqual({ 'a.jar': 'jar' })
    const other = await tlsServer('theirs')
    await expect(
      bench.run([{ uri: `${other}/b.jar`, to: 'b.jar' }], { http: { [other]: { caFile: at('ours.crt') } } }),
    ).rejects.toMatchObject({ kind: 'denied' })
  })
})

describe('a client certificate', () => {
  const asking = () => ({ requestCert: true, rejectUnauthorized: true, ca: [readFileSync(at('client.crt'))] })
  const files = (name: string) => ({ certFile: at(`${name}.crt`), keyFile: at(`${name}.key`) })

  it('opens its origin', async () => {
    await using bench = await workbench()
    const origin = await tlsServer('ours', asking())
    const items = [{ uri: `${origin}/a.jar`, to: 'a.jar' }]
    await bench.run(items, { http: { [origin]: { caFile: at('ours.crt'), ...files('client') } } })
    expect(await bench.files()).toEqual({ 'a.jar': 'jar' })
  })

  it('that is missing or of somebody else opens nothing, and is not tried again and again', async () => {
    const port = await opensslServer()
    for (const shown of [{}, files('theirs')]) {
      await using bench = await workbench()
      const origin = `https://127.0.0.1:${port}`
      const run = bench.run([{ uri: `${origin}/a.jar`, to: 'a.jar' }], {
        http: { [origin]: { caFile: at('ours.crt'), ...shown } },
      })
      await expect(run).rejects.toMatchObject({ kind: 'denied', code: 'client-certificate-refused' })
    }
  })

  it('is shown to no other origin, and its authority vouches for none, on the way of a redirect', async () => {
    await using bench = await workbench()
    const seen: boolean[] = []
    const other = createServer(
      {
        cert: readFileSync(at('ours.crt')),
        key: readFileSync(at('ours.key')),
        requestCert: true,
        rejectUnauthorized: false,
      },
      (request, response) => {
        seen.push(Object.keys((request.socket as TLSSocket).getPeerCertificate()).length > 0)
        response.end('jar')
      },
    )
    servers.push(other)
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
    const elsewhere = `https://127.0.0.1:${(other.address() as AddressInfo).port}`
    redirectUrl = `${elsewhere}/b.jar`
    const origin = await tlsServer('ours', asking())
    const own = { caFile: at('ours.crt'), ...files('client') }
    const items = [{ uri: `${origin}/elsewhere`, to: 'a.jar' }]
    await expect(bench.run(items, { http: { [origin]: own } })).rejects.toMatchObject({ code: 'certificate-refused' })
    expect(seen).toEqual([])
    await bench.run(items, { http: { [origin]: own, [elsewhere]: { caFile: at('ours.crt') } } })
    expect(seen).toEqual([false])
  })

  it('and a key that do not fit are told before any connection', async () => {
    await using bench = await workbench()
    const http = { 'https://127.0.0.1:9': { certFile: at('client.crt'), keyFile: at('ours.key') } }
    await expect(bench.run([{ uri: 'https://127.0.0.1:9/a', to: 'a' }], { http })).rejects.toMatchObject({
      kind: 'invalid',
      code: 'client-certificate',
      message: expect.stringContaining(at('client.crt')),
    })
  })
})

describe('a proxy', () => {
  it('carries an https address unread: the certificate is checked for the name behind it', async () => {
    await using bench = await workbench()
    const target = new URL(await tlsServer('elsewhere'))
    const asked: string[] = []
    const proxy = createPlainServer()
    proxy.on('connect', (request: IncomingMessage, socket: Socket) => {
      asked.push(`${request.url} ${request.headers['proxy-authorization'] ?? ''}`)
      const onward = connect(Number(target.port), '127.0.0.1', () => {
        socket.write('HTTP/1.1 200 OK\r\n\r\n')
        socket.pipe(onward).pipe(socket)
      })
      for (const end of [socket, onward]) end.on('error', () => end.destroy())
    })
    servers.push(proxy)
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
    const environment = { HTTPS_PROXY: `http://me:pw@127.0.0.1:${(proxy.address() as AddressInfo).port}` }
    const origin = 'https://elsewhere.example'
    const items = [{ uri: `${origin}/a.jar`, to: 'a.jar' }]
    await expect(bench.run(items, {}, { environment })).rejects.toMatchObject({ code: 'certificate-refused' })
    await bench.run(items, { http: { [origin]: { caFile: at('elsewhere.crt') } } }, { environment })
    expect(await bench.files()).toEqual({ 'a.jar': 'jar' })
    expect(asked[0]).toBe(`elsewhere.example:443 Basic ${Buffer.from('me:pw').toString('base64')}`)
  })
})

describe('a redirect from https to http (case 23)', () => {
  it('is refused, and the plain server is not asked', async () => {
    await using bench = await workbench()
    await using plain = await scriptedServer((_, response) => response.end('jar'))
    plainUrl = plain.url('/a.jar')
    const origin = await tlsServer('downgrading')
    await expect(
      bench.run([{ uri: `${origin}/to-http`, to: 'a.jar' }], { http: { [origin]: { caFile: at('downgrading.crt') } } }),
    ).rejects.toMatchObject({ kind: 'unsafe', code: 'insecure-redirect' })
    expect(plain.requests).toEqual([])
  })
})
