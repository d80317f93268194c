/** Credentials of an origin: each kind as the server sees it, read from its file, and in no message. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { scriptedServer, serve } from '../testing/scripted-server.ts'
import { bytesOf, type Workbench, workbench } from '../testing/workbench.ts'

const content = bytesOf(2000)

async function written(bench: Workbench, name: string, text: string): Promise<string> {
  const file = join(bench.directory, name)
  await writeFile(file, text)
  return file
}

describe('the credentials of an origin', () => {
  it.each([
    ['basicFile', 'me:pass:wörd\n', `Basic ${Buffer.from('me:pass:wörd').toString('base64')}`],
    ['basicFile', 'token:', `Basic ${Buffer.from('token:').toString('base64')}`],
    ['bearerFile', '\ufeffabc.def\r\n', 'Bearer abc.def'],
    ['headerFile', 'Authorization: ApiKey 42\n', 'ApiKey 42'],
  ])('from %s are sent as they should be', async (kind, text, expected) => {
    await using bench = await workbench()
    await using server = await scriptedServer((request, response) => serve(request, response, content))
    const file = await written(bench, 'credentials', text)
    await bench.run([{ uri: server.url('/a'), to: 'a' }], { http: { [server.origin]: { [kind]: file } } })
    expect(server.requests[0]!.headers.authorization).toBe(expected)
  })

  it('of two kinds go together where they do not say the same thing', async () => {
    await using bench = await workbench()
    await using server = await scriptedServer((request, response) => serve(request, response, content))
    const headerFile = await written(bench, 'headers', 'X-Tenant: blue\n')
    const bearerFile = await written(bench, 'token', 'abcdef')
    await bench.run([{ uri: server.url('/a'), to: 'a' }], { http: { [server.origin]: { headerFile, bearerFile } } })
    expect(server.requests[0]!.headers).toMatchObject({ authorization: 'Bearer abcdef', 'x-tenant': 'blue' })
  })

  it.each([
    ['basicFile', 'canary-without-colon', 'bad-basic-file'],
    ['basicFile', ':canary', 'bad-basic-file'],
    ['bearerFile', ' \n', 'secret-file-empty'],
    ['bearerFile', 'canary\ncanary', 'secret-file-damaged'],
  ])('in a %s of %j are refused before any request, by the name of the file', async (kind, text, code) => {
    await using bench = await workbench()
    const file = await written(bench, 'credentials', text)
    const http = { 'http://127.0.0.1:9': { [kind]: file } }
    const error = await bench.run([{ uri: 'http://127.0.0.1:9/a', to: 'a' }], { http }).catch((failure) => failure)
    expect(error).toMatchObject({ kind: 'invalid', code, message: expect.stringContaining(file) })
    expect(JSON.stringify([error.message, error.hint])).not.toContain('canary')
  })

  it.each([
    { basicFile: '/a', bearerFile: '/b' },
    { certFile: '/a' },
    { keyFile: '/b' },
    { bearerFile: 'relative' },
    { proxy: 'http://proxy' },
  ])('that a plan cannot mean are refused: %j', async (settings) => {
    await using bench = await workbench()
    expect(() => bench.plan([], { http: { 'https://h': settings } })).toThrow()
  })

  it('of a bearer file are read again after a 401, once', async () => {
    await using bench = await workbench()
    const bearerFile = await written(bench, 'token', 'old-token')
    await using server = await scriptedServer((request, response) => {
      if (request.headers.authorization === 'Bearer new-token') return serve(request, response, content)
      return void writeFile(bearerFile, 'new-token').then(() => response.writeHead(401).end())
    })
    await bench.run([{ uri: server.url('/a'), to: 'a' }], { http: { [server.origin]: { bearerFile } } })
    expect(server.requests.length).toBe(2)
  })

  it('are left behind by a redirect to another origin', async () => {
    await using bench = await workbench()
    await using other = await scriptedServer((request, response) => serve(request, response, content))
    await using server = await scriptedServer((_, response) =>
      response.writeHead(302, { location: other.url('/b') }).end(),
    )
    const bearerFile = await written(bench, 'token', 'canary-token')
    await bench.run([{ uri: server.url('/a'), to: 'a' }], { http: { [server.origin]: { bearerFile } } })
    expect(server.requests[0]!.headers.authorization).toBe('Bearer canary-token')
    expect(JSON.stringify(other.requests)).not.toContain('canary')
  })
})

describe('a metadata address', () => {
  const origin = 'http://169.254.169.254'
  it('is refused, with a word on how to allow it', async () => {
    await using bench = await workbench()
    await expect(bench.run([{ uri: `${origin}/a`, to: 'a' }])).rejects.toMatchObject({
      kind: 'unsafe',
      code: 'address-refused',
      hint: expect.stringContaining('allowMetadata'),
    })
  })

  it('that is allowed is dialled', async () => {
    await using bench = await workbench()
    const run = bench.run([{ uri: `${origin}/a`, to: 'a' }], {
      http: { [origin]: { allowMetadata: true } },
      limits: { deadlineMs: 1000, attemptsMax: 1 },
    })
    // Nobody answers there, or something that has no such file: either way it was asked.
    await expect(run).rejects.not.toMatchObject({ kind: 'unsafe' })
  })
})
