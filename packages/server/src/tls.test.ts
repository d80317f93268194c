/** Certificates change while the server runs. */
import { execFileSync } from 'node:child_process'
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ManualClock } from '@supercargo/transfer'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { checkConfig } from './config.ts'
import { type ServerAddress, serve } from './main.ts'
import { captureLog } from './testing/captured-log.ts'
import { until } from './testing/raw-http.ts'
import { readTls, tlsPollMs } from './tls.ts'

let directory: string
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'supercargo-tls-'))
  for (const name of ['one', 'two']) makeCertificate(name)
})
afterAll(() => rm(directory, { recursive: true }))

function at(name: string): string {
  return join(directory, name)
}

function makeCertificate(name: string): void {
  const subject = ['-subj', `/CN=${name}`, '-addext', 'subjectAltName=IP:127.0.0.1']
  execFileSync(
    'openssl',
    [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-days',
      '2',
      '-keyout',
      at(`${name}.key`),
      '-out',
      at(`${name}.crt`),
      ...subject,
    ],
    { stdio: 'ignore' },
  )
}

/** The name in the certificate that a new connection is shown. */
function served(url: string, more: object = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    request(`${url}/livez`, { agent: false, rejectUnauthorized: false, ...more }, (answer) => {
      const { subject } = (answer.socket as import('node:tls').TLSSocket).getPeerCertificate()
      answer.resume().on('end', () => resolve(String(subject.CN)))
    })
      .on('error', reject)
      .end()
  })
}

async function withServer(
  files: { certFile: string; keyFile: string; clientCaFile?: string },
  work: (server: ServerAddress, clock: ManualClock, logged: () => string) => Promise<void>,
): Promise<void> {
  const clock = new ManualClock(Date.now())
  const captured = captureLog('info')
  const stop = new AbortController()
  const ready = Promise.withResolvers<ServerAddress>()
  const config = checkConfig({
    listen: '127.0.0.1:0',
    store: { directory: at('store') },
    tls: files,
    drainTimeoutMs: 100,
  })
  const ended = serve(config, {
    signal: stop.signal,
    clock,
    log: captured.log,
    onReady: ready.resolve,
  })
  ended.catch(ready.reject)
  try {
    await work(await ready.promise, clock, captured.text)
  } finally {
    stop.abort()
    const moving = setInterval(() => clock.advance(100), 5)
    await ended
    clearInterval(moving)
  }
}

describe('the certificate (case 110)', () => {
  it('is served anew after its files changed, and a pair that does not fit leaves the old one', async () => {
    const files = { certFile: at('tls.crt'), keyFile: at('tls.key') }
    await copyFile(at('one.crt'), files.certFile)
    await copyFile(at('one.key'), files.keyFile)
    await withServer(files, async ({ url }, clock, logged) => {
      expect(url).toMatch(/^https:/)
      expect(await served(url)).toBe('one')
      await copyFile(at('two.crt'), files.certFile)
      clock.advance(tlsPollMs)
      await until(
        () => (logged().includes('the old one stays') ? true : undefined),
        5000,
        () => 'the wrong pair is not noticed',
      )
      expect(await served(url)).toBe('one')
      await copyFile(at('two.key'), files.keyFile)
      await until(
        async () => {
          clock.advance(tlsPollMs)
          return (await served(url)) === 'two' ? true : undefined
        },
        5000,
        () => 'the new certificate is not served',
      )
      expect(logged()).not.toContain((await readFile(files.keyFile, 'utf8')).split('\n')[1])
    })
  })

  it('of the client is asked for when an authority is configured', async () => {
    await withServer(
      { certFile: at('one.crt'), keyFile: at('one.key'), clientCaFile: at('two.crt') },
      async ({ url }) => {
        await expect(served(url)).rejects.toThrow()
        const [cert, key] = await Promise.all([readFile(at('two.crt')), readFile(at('two.key'))])
        expect(await served(url, { cert, key })).toBe('one')
      },
    )
  })

  it.each([
    ['one.crt', 'two.key', 'bad-certificate'],
    ['none.crt', 'one.key', 'no-such-file'],
    ['one.key', 'one.key', 'bad-certificate'],
    ['empty', 'one.key', 'bad-certificate'],
  ])('%s with the key %s is refused at the start', async (certFile, keyFile, code) => {
    await writeFile(at('empty'), '')
    await expect(readTls({ certFile: at(certFile), keyFile: at(keyFile) })).rejects.toMatchObject({ code })
  })
})
