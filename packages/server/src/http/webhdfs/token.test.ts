/** The token in the path: what it opens and what not, its end, its quota, and that nobody else ever sees it. */
import { randomBytes } from 'node:crypto'
import { ManualClock } from '@supercargo/transfer'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { download, hadoop, remoteError, upload } from '../../testing/hadoop-client.ts'
import { rawRequest } from '../../testing/raw-http.ts'
import { startTestServer, type TestServer } from '../../testing/test-server.ts'

const clock = new ManualClock(Date.now())
let closed: TestServer
beforeAll(async () => {
  closed = await startTestServer({ frontDoor: { anonymous: false }, clock, logLevel: 'trace' })
})
afterAll(() => closed.stop())

async function tokenPath(wish: { bytesMax?: number; expiresAtMs?: number; namespace?: string } = {}) {
  const { bytesMax = 0, expiresAtMs = null, namespace = 'spark' } = wish
  const { token, secret } = await closed.frontDoor.tokens.create({ namespace, bytesMax, expiresAtMs, note: null })
  return { name: token.name, secret: secret.reveal(), path: `/${namespace}/${token.name}.${secret.reveal()}` }
}

describe('a token', () => {
  it('is needed where nobody may upload without, and the message has no part of the path', async () => {
    for (const path of ['/spark/x', '/spark/some-mistyped-token.abcdef/x']) {
      const refused = remoteError(await hadoop(closed, 'PUT', path, 'CREATE'))
      expect(refused).toMatchObject({ status: 403, thrown: 'AccessControlException' })
      expect(refused.message).toContain('"supercargo token create -n spark" prints it')
      expect(refused.message).not.toContain('mistyped')
    }
    expect((await hadoop(closed, 'GET', '/spark', 'GETFILESTATUS')).status).toBe(200)
  })

  it('opens its own tree and no other', async () => {
    const [mine, yours, elsewhere] = [await tokenPath(), await tokenPath(), await tokenPath({ namespace: 'other' })]
    expect((await upload(closed, `${mine.path}/a`, 'mine')).status).toBe(201)
    expect((await download(closed, `${mine.path}/a`)).bytes.toString()).toBe('mine')
    expect((await hadoop(closed, 'GET', `${yours.path}/a`, 'GETFILESTATUS')).status).toBe(404)
    const swapped = `/spark/${elsewhere.name}.${elsewhere.secret}/a`
    const wrongSecret = `/spark/${mine.name}.${yours.secret}/a`
    const unknown = `/spark/${'0'.repeat(12)}.${yours.secret}/a`
    const answers = await Promise.all(
      [swapped, wrongSecret, unknown].map((path) => hadoop(closed, 'GET', path, 'OPEN')),
    )
    const refused = answers.map(remoteError)
    expect(new Set(refused.map((each) => JSON.stringify(each))).size).toBe(1)
    expect(refused[0]).toMatchObject({ status: 403, thrown: 'AccessControlException' })
    const move = await hadoop(closed, 'PUT', `${mine.path}/a`, 'RENAME', { destination: `${yours.path}/a` })
    expect(remoteError(move)).toMatchObject({ status: 403 })
  })

  it('that is cut or longer is refused also where none is needed, and becomes no directory', async () => {
    const open = await startTestServer()
    try {
      for (const change of [(text: string) => text.slice(0, -1), (text: string) => `${text}x`]) {
        const answer = await hadoop(open, 'PUT', `${change((await tokenPath()).path)}/d`, 'MKDIRS')
        expect(remoteError(answer)).toMatchObject({ status: 403, thrown: 'AccessControlException' })
      }
      expect((await hadoop(open, 'GET', '/spark', 'LISTSTATUS')).json.FileStatuses?.FileStatus).toEqual([])
    } finally {
      await open.stop()
    }
  })

  it('that has ended lets read and not write; revoked it opens nothing', async () => {
    const token = await tokenPath({ expiresAtMs: clock.now() + 60_000 })
    await upload(closed, `${token.path}/a`, 'bytes')
    await clock.advance(120_000)
    expect((await download(closed, `${token.path}/a`)).bytes.toString()).toBe('bytes')
    for (const [method, operation] of [
      ['PUT', 'CREATE'],
      ['PUT', 'MKDIRS'],
      ['DELETE', 'DELETE'],
    ] as const) {
      const refused = remoteError(await hadoop(closed, method, `${token.path}/b`, operation))
      expect(refused).toMatchObject({ status: 403, message: expect.stringContaining('ended at') })
    }
    expect(await closed.frontDoor.tokens.revoke(token.name)).toBe(true)
    expect((await hadoop(closed, 'GET', `${token.path}/a`, 'OPEN')).status).toBe(403)
  })

  it('has a quota that is reached before a byte is sent, or in mid-stream, and what is removed makes room', async () => {
    const token = await tokenPath({ bytesMax: 1_000_000 })
    const half = randomBytes(600_000)
    expect((await upload(closed, `${token.path}/a`, half)).status).toBe(201)
    const chunks = function* () {
      for (let n = 0; n < 100; n++) yield randomBytes(20_000)
    }
    const midway = await upload(closed, `${token.path}/b`, ReadableStream.from(chunks()))
    expect(remoteError(midway)).toMatchObject({
      status: 507,
      thrown: 'IOException',
      message: expect.stringMatching(/quota of the token, 977 KiB, is used up: .* are left; remove files/),
    })
    expect(await closed.incoming()).toEqual([])
    expect((await upload(closed, `${token.path}/c`, randomBytes(400_000))).status).toBe(201)
    const full = await hadoop(closed, 'PUT', `${token.path}/d`, 'CREATE')
    expect(remoteError(full)).toMatchObject({ status: 507 })
    await hadoop(closed, 'DELETE', `${token.path}/a`, 'DELETE')
    expect((await upload(closed, `${token.path}/d`, half)).status).toBe(201)
  })

  it('is in no log line, no metric, no error, no file of the store', async () => {
    const token = await tokenPath()
    const wrong = { ...token, path: `/spark/${token.name}.${'w'.repeat(43)}` }
    const said: string[] = []
    for (const { path } of [token, wrong]) {
      await upload(closed, `${path}/a`, 'x')
      await download(closed, `${path}/a`)
      for (const operation of ['LISTSTATUS', 'GETFILESTATUS', 'NONE', 'OPEN'])
        said.push((await hadoop(closed, 'GET', `${path}/none`, operation)).text)
      said.push((await hadoop(closed, 'PUT', `${path}/a`, 'CREATE')).text)
      said.push((await hadoop(closed, 'PUT', `${path}/a/b`, 'MKDIRS')).text)
      said.push((await hadoop(closed, 'PUT', `${path}/../x`, 'MKDIRS')).text)
      said.push((await hadoop(closed, 'PUT', `${path}/a`, 'RENAME', { destination: `${path}/a/b` })).text)
      const unreadable = `GET /webhdfs/v1${path}/\u00e9?op=OPEN HTTP/1.1\r\nHost: x\r\n\r\n`
      said.push((await rawRequest(closed.port, Buffer.from(unreadable))).body.toString())
    }
    said.push(await (await fetch(`${closed.url}/metrics`)).text(), closed.logged())
    for (const text of said) {
      expect(text).not.toContain(token.secret)
      expect(text).not.toContain('w'.repeat(43))
    }
    expect(closed.logged()).toContain('"route":"/webhdfs/v1/*"')
  })
})
