/** TLS that does not hold is refused for good, by name; an authority of the plan is added for its origin alone. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import type { Server } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { scriptedServer } from './testing/scripted-server.ts'
import { workbench } from './testing/workbench.ts'

let directory: string
let asked: string[]
const servers: Server[] = []
const at = (name: string): string => join(directory, name)

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'supercargo-tls-'))
  for (const name of ['unknown', 'too-old', 'ours', 'theirs', 'downgrading']) makeCertificate(name, 'IP:127.0.0.1')
  makeCertificate('elsewhere', 'DNS:elsewhere.example')
  makeExpiredCertificate('expired')
})
afterAll(() => {
  for (const server of servers) server.close()
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
    if (request.url === '/to-http') response.writeHead(302, { location: plainUrl }).end()
    else response.end('jar')
  })
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return `https://127.0.0.1:${(server.address() as AddressInfo).port}`
}
let plainUrl = ''

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
