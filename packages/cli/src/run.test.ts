/** The command against the real server: what comes out where, exit codes, and secrets that stay in their files. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadConfig, serve } from '@supercargo/server'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Io } from './io.ts'
import { run } from './run.ts'
import { type TestIo, testIo } from './testing/test-io.ts'

let work: string
let url: string
let files: string
let secretFile: string
const stop = new AbortController()
let running: Promise<void>

beforeAll(async () => {
  work = mkdtempSync(join(tmpdir(), 'supercargo-cli-'))
  const flags = {
    listen: '127.0.0.1:0',
    store: join(work, 'store'),
    'log-level': 'silent',
    'limits-free-bytes-min': '0',
    'drain-timeout-ms': '100',
  }
  const config = await loadConfig({ flags })
  url = await new Promise((resolve, reject) => {
    running = serve(config, { signal: stop.signal, onReady: (address) => resolve(address.url) })
    running.catch(reject)
  })
})
afterAll(async () => {
  stop.abort()
  await running
  rmSync(work, { recursive: true, force: true })
})
beforeEach(() => {
  files = mkdtempSync(join(work, 'files-'))
  secretFile = join(files, 'secret')
  writeFileSync(join(files, 'a.jar'), 'hello')
})
afterEach(() => rmSync(files, { recursive: true, force: true }))

async function said(argv: readonly string[], given: Partial<Io> = {}): Promise<TestIo & { code: number }> {
  const io = testIo({ env: { SUPERCARGO_SERVER: url }, ...given })
  const code = await run(argv, io)
  return { ...io, code }
}

/** Stages `a.jar` with the secret in its file, and gives back the id. */
async function staged(): Promise<string> {
  const { code, out } = await said(['stage', join(files, 'a.jar'), '--secret-file', secretFile, '--json', '-q'])
  expect(code).toBe(0)
  return (JSON.parse(out()) as { resourceId: string }).resourceId
}

describe('token', () => {
  it('prints a path for spark-defaults.conf, lists it without its secret, and ends it', async () => {
    const made = await said(['token', 'create', '-n', 'spark', '--bytes-max', '1Gi', '--note', 'nightly'])
    expect([made.code, made.out()]).toEqual([
      0,
      expect.stringMatching(/^webhdfs:\/\/127\.0\.0\.1:\d+\/spark\/[0-9a-z]{12}\.[A-Za-z0-9_-]{43}\n$/),
    ])
    expect(made.err()).toContain('spark.kubernetes.file.upload.path')
    const [, name = '', secret = ''] = /([0-9a-z]{12})\.([A-Za-z0-9_-]{43})/.exec(made.out())!
    const listed = await said(['token', 'list', '-n', 'spark'])
    expect(listed.out()).toMatch(new RegExp(`${name} +spark +0 B +1 GiB +never +nightly`))
    expect(listed.out()).not.toContain(secret)
    expect((await said(['token', 'revoke', name])).err()).toBe(`revoked ${name}\n`)
    const again = await said(['token', 'revoke', name])
    expect([again.code, again.err()]).toEqual([66, expect.stringContaining('no staging token of this name')])
    expect((await said(['token', 'list', '-n', 'spark', '--json'])).out()).toBe('{"tokens":[]}\n')
  })

  it('keeps the path in a new file where that is asked for', async () => {
    const { code, out } = await said(['token', 'create', '-n', 'spark', '--path-file', secretFile, '--json'])
    expect([code, Object.keys(JSON.parse(out()))]).toEqual([0, ['name']])
    expect(readFileSync(secretFile, 'utf8')).toMatch(/^webhdfs:\/\/.*\n$/)
    expect(statSync(secretFile).mode & 0o777).toBe(0o600)
  })

  it('needs a namespace', async () => {
    expect((await said(['token', 'create'])).code).toBe(64)
  })
})

describe('stage', () => {
  it('prints the id, the secret and the files to stdout, and what happened to stderr', async () => {
    const { code, out, err } = await said(['stage', join(files, 'a.jar'), '-n', 'spark', '--owner', 'Pod/driver'])
    expect(code).toBe(0)
    expect(out()).toMatch(
      /^id {6}[0-9a-z]{26}\nsecret {2}[A-Za-z0-9_-]{43}\nowner {3}Pod spark\/driver\n\nSIZE {2}DIGEST {15}PATH\n {1}5 B {2}sha256:2cf24dba5fb0 {2}a\.jar\n$/,
    )
    expect(err()).toMatch(/^sent 5 B of 5 B in /)
    const again = await said(['stage', join(files, 'a.jar'), '-n', 'spark', '--owner', 'Pod/driver', '--json', '-q'])
    expect(JSON.parse(again.out())).toEqual({
      resourceId: expect.stringMatching(/^[0-9a-z]{26}$/),
      resourceSecret: expect.stringMatching(/^[A-Za-z0-9_-]{43}$/),
      files: [{ path: 'a.jar', sizeBytes: 5, digest: expect.stringMatching(/^sha256:2cf24dba/) }],
      sentBytes: 0,
      owner: [{ namespace: 'spark', apiVersion: 'v1', kind: 'Pod', name: 'driver' }],
    })
    expect(again.err()).toBe('')
  })

  it('writes the secret into a file that only its owner can read, and then nowhere else', async () => {
    for (const json of [[], ['--json']]) {
      rmSync(secretFile, { force: true })
      const { code, out, err } = await said(['stage', join(files, 'a.jar'), '--secret-file', secretFile, ...json])
      expect(code).toBe(0)
      const secret = readFileSync(secretFile, 'utf8').trim()
      expect(secret).toMatch(/^[A-Za-z0-9_-]{43}$/)
      expect(statSync(secretFile).mode & 0o777).toBe(0o600)
      expect(out() + err()).not.toContain(secret)
    }
  })

  it('refuses to overwrite a secret file, before anything is sent', async () => {
    writeFileSync(secretFile, 'precious')
    const { code, err } = await said(['stage', join(files, 'a.jar'), '--secret-file', secretFile])
    expect(code).toBe(73)
    expect(err()).toContain(secretFile)
    expect(readFileSync(secretFile, 'utf8')).toBe('precious')
  })

  it('leaves no secret file behind when it fails', async () => {
    const { code } = await said(['stage', join(files, 'absent'), '--secret-file', secretFile])
    expect(code).toBe(66)
    expect(readdirSync(files)).toEqual(['a.jar'])
  })

  it('says how a pod claims files that nobody owns', async () => {
    const { out, err } = await said(['stage', join(files, 'a.jar'), '-n', 'spark'])
    const claim = /supercargo\.io\/claim=([a-z0-9]{16})/.exec(out())?.[1]
    expect(err()).toContain(`kubectl label pod NAME -n spark supercargo.io/claim=${claim}`)
  })

  it('chooses names inside the resource, and takes a file with = in its name for what it is', async () => {
    const odd = join(files, 'x=a.jar')
    writeFileSync(odd, 'odd')
    const named = await said(['stage', `spark-jars/b.jar=${join(files, 'a.jar')}`, odd, '--json', '-q'])
    const { files: paths } = JSON.parse(named.out()) as { files: { path: string }[] }
    expect(paths.map((file) => file.path)).toEqual(['spark-jars/b.jar', 'x=a.jar'])
  })
})

describe('fetch', () => {
  it('brings the bytes back and says how many came', async () => {
    const id = await staged()
    const to = join(files, 'to')
    const first = await said(['fetch', id, '--to', to, '--secret-file', secretFile])
    expect([first.code, first.out(), readFileSync(join(to, 'a.jar'), 'utf8')]).toEqual([0, '', 'hello'])
    expect(first.err()).toMatch(/1 file in .*: fetched 5 B of 5 B in /)
    const again = await said(['fetch', id, 'a.jar', '--to', to, '--secret-file', secretFile, '--json'])
    expect(JSON.parse(again.out())).toMatchObject({ resourceId: id, fetchedBytes: 0 })
    expect(again.err()).toContain('the rest was there')
  })

  it.each([
    [['fetch', 'ID', '--secret-file', 'SECRET'], 64, 'name it with --to'],
    [['fetch', 'ID', '--to', 'TO'], 64, '--secret-file'],
    [['fetch', 'ID', 'absent', '--to', 'TO', '--secret-file', 'SECRET'], 66, 'absent'],
    [['fetch', 'unknown', '--to', 'TO', '--secret-file', 'SECRET'], 77, 'not there'],
    [['fetch', 'ID', '--to', 'TO', '--secret-file', 'NOWHERE'], 66, 'no such file'],
    [['fetch', 'ID', '--to', 'TO', '--secret-file', 'EMPTY'], 65, 'is empty'],
    [['fetch', 'ID', '--to', 'TO', '--secret-file', 'BINARY'], 65, 'more than a secret'],
  ])('%j ends with %i', async (argv, expected, text) => {
    const id = await staged()
    writeFileSync(join(files, 'empty'), ' \n')
    writeFileSync(join(files, 'binary'), 'a b')
    const values: Record<string, string> = {
      ID: id,
      SECRET: secretFile,
      TO: join(files, 'to'),
      NOWHERE: join(files, 'nowhere'),
      EMPTY: join(files, 'empty'),
      BINARY: join(files, 'binary'),
    }
    const { code, err } = await said(argv.map((word) => values[word] ?? word))
    expect([code, err()]).toEqual([expected, expect.stringContaining(text)])
    expect(err()).not.toContain(readFileSync(secretFile, 'utf8').trim())
  })
})

describe('resources', () => {
  it('are listed, shown, explained and released', async () => {
    const id = await staged()
    await expect.poll(async () => (await said(['resources', 'list'])).out()).toContain(id)
    const listed = await said(['resources', 'list', '-n', 'default', '--json'])
    expect(
      (JSON.parse(listed.out()) as { resources: { resourceId: string }[] }).resources.map((row) => row.resourceId),
    ).toContain(id)
    expect((await said(['resources', 'list', '-n', 'nobody'])).err()).toBe('nothing is staged\n')
    const access = [id, '--secret-file', secretFile]
    expect((await said(['resources', 'show', ...access])).out()).toMatch(/sha256:2cf24dba[0-9a-f]{56} {2}a\.jar\n$/)
    expect((await said(['resources', 'explain', ...access])).out()).toMatch(
      /^id .*\nstate .*\nverdict {3}keep\nreason /,
    )
    expect(JSON.parse((await said(['resources', 'explain', ...access, '--json'])).out())).toMatchObject({
      verdict: 'keep',
    })
    expect((await said(['resources', 'release', ...access])).err()).toBe(`released ${id}\n`)
    expect((await said(['resources', 'show', ...access])).code).toBe(77)
  })

  it('open only with a secret or a token, which never is an argument', async () => {
    const { code, err } = await said(['resources', 'show', await staged()])
    expect(code).toBe(64)
    expect(err()).toContain('--secret-file')
  })
})

describe('collector', () => {
  it('tells of its last sweep, and has nothing to release while it runs', async () => {
    const status = await said(['collector', 'status'])
    expect(status.out()).toMatch(/^cluster {5}none: .*\ncollection {2}runs, without a cluster\nresources /)
    expect(JSON.parse((await said(['collector', 'status', '--json'])).out())).toMatchObject({ paused: null })
    expect((await said(['collector', 'release'])).code).toBe(73)
  })
})

describe('a failure', () => {
  it('is one line, its causes indented, a hint, and with --json an object on stdout', async () => {
    const env = { SUPERCARGO_SERVER: 'http://127.0.0.1:1' }
    const plain = await said(['collector', 'status'], { env })
    expect(plain.code).toBe(75)
    expect(plain.out()).toBe('')
    expect(plain.err()).toBe(
      [
        'supercargo: http://127.0.0.1:1/api/v1/collector: connection refused',
        '  connect ECONNREFUSED 127.0.0.1:1',
        'hint: is the server running, and is this its address?',
        '',
      ].join('\n'),
    )
    const json = await said(['collector', 'status', '--json'], { env })
    expect(JSON.parse(json.out())).toEqual({
      error: {
        kind: 'unavailable',
        code: 'connection-refused',
        message: 'http://127.0.0.1:1/api/v1/collector: connection refused',
        hint: 'is the server running, and is this its address?',
      },
    })
    const usage = await said(['stage', '--jsom', '--json'])
    expect([usage.code, JSON.parse(usage.out())]).toMatchObject([64, { error: { code: 'usage' } }])
  })

  it.each([
    ['ftp://host', 65, 'http://host:port'],
    ['nonsense', 65, 'http://host:port'],
    ['http://user:hunter2@host', 65, '--token-file'],
  ])('of the server address %j is told', async (server, expected, text) => {
    const { code, err } = await said(['collector', 'status', '--server', server])
    expect([code, err()]).toEqual([expected, expect.stringContaining(text)])
    expect(err()).not.toContain('hunter2')
  })

  it('shows its stack only to those who debug', async () => {
    const env = { SUPERCARGO_SERVER: 'http://127.0.0.1:1' }
    expect((await said(['collector', 'status', '--log-level', 'debug'], { env })).err()).toContain('    at ')
  })

  it('by a signal ends with 130 and leaves nothing unfinished', async () => {
    const interrupt = new AbortController()
    interrupt.abort()
    const { code } = await said(['stage', join(files, 'a.jar'), '--secret-file', secretFile], {
      signal: interrupt.signal,
    })
    expect(code).toBe(130)
    expect(readdirSync(files)).toEqual(['a.jar'])
  })
})

describe('serve', () => {
  it('prints its effective settings, and names the nearest of a wrong one', async () => {
    const printed = await said(['serve', '--store', '/data', '--limits-uploads-max', '3', '--print-config'], {
      env: {},
    })
    expect(JSON.parse(printed.out())).toMatchObject({ store: { directory: '/data' }, limits: { uploadsMax: 3 } })
    const wrong = await said(['serve', '--store', '/data', '--limits-upload-max', '3'], { env: {} })
    expect([wrong.code, wrong.err()]).toEqual([64, expect.stringContaining('did you mean --limits-uploads-max?')])
    expect((await said(['serve'], { env: {} })).err()).toContain('--store')
  })
})
