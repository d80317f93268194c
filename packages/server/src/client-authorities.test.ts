/** While authorities are exchanged, clients of the old one and of the new one are let in, and nobody else. */
import { execFileSync } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { checkConfig } from './config.ts'
import { createLog } from './log.ts'
import { type ServerAddress, serve } from './main.ts'

let directory: string
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'supercargo-authorities-'))
  for (const name of ['server', 'old', 'new', 'stranger']) makeCertificate(name)
})
afterAll(() => rm(directory, { recursive: true }))

const at = (name: string): string => join(directory, name)

/** Each is its own authority, so a client shows that of which the server trusts itself. */
function makeCertificate(name: string): void {
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', at(`${name}.key`)]
  const subject = ['-subj', `/CN=${name}`, '-addext', 'subjectAltName=IP:127.0.0.1', '-days', '2']
  execFileSync('openssl', ['req', '-x509', ...key, '-out', at(`${name}.crt`), ...subject], { stdio: 'ignore' })
}

async function ask(url: string, name: string): Promise<number> {
  const [cert, key] = await Promise.all([readFile(at(`${name}.crt`)), readFile(at(`${name}.key`))])
  return await new Promise((resolve, reject) => {
    request(`${url}/livez`, { agent: false, rejectUnauthorized: false, cert, key }, (answer) => {
      answer.resume().on('end', () => resolve(answer.statusCode!))
    })
      .on('error', reject)
      .end()
  })
}

describe('the authorities of clients (case 111)', () => {
  it('may be two in one file: both kinds of clients are served, a third is not', async () => {
    const both = await Promise.all(['old', 'new'].map((name) => readFile(at(`${name}.crt`), 'utf8')))
    await writeFile(at('both.crt'), both.join('\n'))
    const config = checkConfig({
      listen: '127.0.0.1:0',
      store: { directory: at('store') },
      tls: { certFile: at('server.crt'), keyFile: at('server.key'), clientCaFile: at('both.crt') },
      drainTimeoutMs: 500,
    })
    const stop = new AbortController()
    const ready = Promise.withResolvers<ServerAddress>()
    const ended = serve(config, { signal: stop.signal, log: createLog({ level: 'silent' }), onReady: ready.resolve })
    ended.catch(ready.reject)
    const { url } = await ready.promise
    try {
      expect(await ask(url, 'old')).toBe(200)
      expect(await ask(url, 'new')).toBe(200)
      await expect(ask(url, 'stranger')).rejects.toThrow()
    } finally {
      stop.abort()
      await ended
    }
  })
})
