/** The staged source: the contract, over the routes of the staging server, and secrets that are exchanged on disk. */
import { writeFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { type ScriptedServer, scriptedServer, serve } from '../testing/scripted-server.ts'
import { describeSource, read } from '../testing/source-contract.ts'
import { bytesOf, sha256, workbench } from '../testing/workbench.ts'
import { Redactor } from './secret-text.ts'
import type { SourceItem } from './source.ts'
import { createStagedSource } from './staged.ts'

const resource = 'a'.repeat(26)
const prefix = `/api/v1/resources/${resource}/files/`

interface Stage {
  readonly server: ScriptedServer
  readonly secretFile: string
  readonly contents: Map<string, Buffer>
  /** The secret that the server wants now. */
  secret: string
  item(path: string): SourceItem
  [Symbol.asyncDispose](): Promise<void>
}

async function stage(): Promise<Stage> {
  const directory = await mkdtemp(join(tmpdir(), 'supercargo-staged-'))
  const secretFile = join(directory, 'secret')
  await writeFile(secretFile, 'first-secret\n')
  const contents = new Map<string, Buffer>()
  const server = await scriptedServer((request, response) => {
    const bytes = contents.get(decodeURIComponent(request.url!.slice(prefix.length)))
    const problem = (status: number, kind: string) =>
      response
        .writeHead(status, { 'content-type': 'application/problem+json' })
        .end(JSON.stringify({ type: 'about:blank', title: 'refused', status, code: kind, kind }))
    if (request.headers.authorization !== `Bearer ${staged.secret}`) problem(401, 'denied')
    else if (bytes === undefined) problem(404, 'notFound')
    else serve(request, response, bytes, { etag: `"${sha256(bytes)}"` })
  })
  const staged: Stage = {
    server,
    secretFile,
    contents,
    secret: 'first-secret',
    item: (path) => ({ kind: 'staged', resource, secretFile, path }),
    [Symbol.asyncDispose]: async () => {
      await server.close()
      await rm(directory, { recursive: true })
    },
  }
  return staged
}

describeSource(
  'staged',
  async () => {
    const staged = await stage()
    const source = createStagedSource({ url: staged.server.origin, idleTimeoutMs: 5000, redactor: new Redactor() })
    return {
      source,
      put: async (name, bytes) => {
        staged.contents.set(name, bytes)
        return staged.item(name)
      },
      missing: () => staged.item('missing'),
      [Symbol.asyncDispose]: async () => {
        source.close()
        await staged[Symbol.asyncDispose]()
      },
    }
  },
  { replaceable: true },
)

describe('the secret of a resource', () => {
  it('is read again when it was refused and has changed on disk', async () => {
    await using staged = await stage()
    staged.contents.set('a', bytesOf(100))
    const source = createStagedSource({ url: staged.server.origin, idleTimeoutMs: 5000, redactor: new Redactor() })
    await read((await source.open(staged.item('a'), { offset: 0 })).stream)
    staged.secret = 'second-secret'
    await writeFile(staged.secretFile, 'second-secret')
    expect((await read((await source.open(staged.item('a'), { offset: 0 })).stream)).length).toBe(100)
    expect(staged.server.requests.length).toBe(3)
  })

  it('that stays refused is sent once, and its file is named', async () => {
    await using staged = await stage()
    staged.secret = 'another'
    const source = createStagedSource({ url: staged.server.origin, idleTimeoutMs: 5000, redactor: new Redactor() })
    await expect(source.open(staged.item('a'), { offset: 0 })).rejects.toMatchObject({
      kind: 'denied',
      message: expect.stringContaining(staged.secretFile),
    })
    expect(staged.server.requests.length).toBe(1)
  })

  it('may be the token of the pod, which is renewed on disk while files come', async () => {
    await using staged = await stage()
    const bench = await workbench()
    const bytes = { a: bytesOf(700_000), b: bytesOf(700_000, 2) }
    const script = staged.server.script
    for (const [name, content] of Object.entries(bytes)) staged.contents.set(name, content)
    staged.server.script = (request, response, count) => {
      if (request.url!.startsWith(prefix)) return script(request, response, count)
      const files = Object.entries(bytes).map(([path, { length: sizeBytes }]) => ({
        path,
        sizeBytes,
        digest: sha256(bytes[path as 'a' | 'b']),
      }))
      const manifest = { resourceId: resource, owner: [], createdAt: new Date(0).toISOString(), files }
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(manifest), () => {
        // As the kubelet does: the old one is refused from here on.
        staged.secret = 'head.second.sign'
        writeFileSync(staged.secretFile, staged.secret)
      })
    }
    const more = { staging: { url: staged.server.origin }, limits: { concurrencyMax: 1 } }
    await bench.run([{ resource, tokenFile: staged.secretFile }], more)
    expect(Object.keys(await bench.files())).toEqual(['a', 'b'])
    await bench[Symbol.asyncDispose]()
  })

  it('goes to nobody else by a redirect', async () => {
    await using staged = await stage()
    await using store = await scriptedServer((request, response) => serve(request, response, bytesOf(10)))
    staged.server.script = (_, response) => void response.writeHead(307, { location: store.url('/blob') }).end()
    const source = createStagedSource({ url: staged.server.origin, idleTimeoutMs: 5000, redactor: new Redactor() })
    expect((await read((await source.open(staged.item('a'), { offset: 0 })).stream)).length).toBe(10)
    expect(store.requests[0]!.headers.authorization).toBeUndefined()
  })
})
