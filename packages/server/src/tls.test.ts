/** Certificates change while the server runs. */
import { execFileSync } from 'node:child_process'
import { copyFile, mkdir, mkdtemp, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises'
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

function page(url: string): Promise<string> {
  return new Promise((resolve, reject) => {
    request(url, { agent: false, rejectUnauthorized: false }, (answer) => {
      let text = ''
      answer.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk
      })
      answer.on('end', () => resolve(text))
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
    ['one.crt', 'locked.key', 'bad-certificate'],
    ['chain.crt', 'two.key', 'bad-certificate'],
  ])('%s with the key %s is refused at the start', async (certFile, keyFile, code) => {
    await writeFile(at('empty'), '')
    const locked = ['pkcs8', '-topk8', '-in', at('one.key'), '-out', at('locked.key'), '-passout', 'pass:word']
    execFileSync('openssl', locked, { stdio: 'ignore' })
    await writeFile(at('chain.crt'), `${await readFile(at('one.crt'), 'utf8')}${await readFile(at('two.crt'), 'utf8')}`)
    const failure = await readTls({ certFile: at(certFile), keyFile: at(keyFile) }, Date.now()).catch((error) => error)
    expect(failure).toMatchObject({ kind: code === 'no-such-file' ? 'notFound' : 'invalid', code })
    expect(failure.message).toContain(at(certFile))
  })

  it('that has ended is refused at the start, by name and with its end, and warned of before', async () => {
    const files = { certFile: at('one.crt'), keyFile: at('one.key') }
    const inThreeDays = Date.now() + 3 * 24 * 3_600_000
    const text = expect.stringMatching(/one\.crt ended at \d{4}-/)
    await expect(readTls(files, inThreeDays)).rejects.toMatchObject({ code: 'certificate-ended', message: text })
    await withServer(files, async ({ url }, _clock, logged) => {
      await until(() => logged().includes('the certificate ends soon') || undefined, 5000, logged)
      // The server shows its own certificate, so a client of it may be asked by plain means.
      const metrics = await page(`${url}/metrics`)
      const { endsAtMs } = await readTls(files, Date.now())
      expect(metrics).toContain(`supercargo_certificate_end_seconds ${endsAtMs / 1000}\n`)
    })
  })

  it('is served anew when a mounted secret is swapped by its link, as Kubernetes does it', async () => {
    for (const name of ['one', 'two']) {
      await mkdir(at(`..${name}`))
      await copyFile(at(`${name}.crt`), at(`..${name}/tls.crt`))
      await copyFile(at(`${name}.key`), at(`..${name}/tls.key`))
    }
    await mkdir(at('mount'))
    await symlink(at('..one'), at('mount/..data'))
    for (const name of ['tls.crt', 'tls.key']) await symlink(`..data/${name}`, at(`mount/${name}`))
    await withServer({ certFile: at('mount/tls.crt'), keyFile: at('mount/tls.key') }, async ({ url }, clock) => {
      expect(await served(url)).toBe('one')
      await symlink(at('..two'), at('mount/..new'))
      await rename(at('mount/..new'), at('mount/..data'))
      const renewed = async () => {
        clock.advance(tlsPollMs)
        return (await served(url)) === 'two' ? true : undefined
      }
      await until(renewed, 5000, () => 'the new certificate is not served')
    })
  })
})
