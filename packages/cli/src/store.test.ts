/** The commands of a store: what they say, in which form, and with which exit code they end. */
import { chmodSync, existsSync, mkdtempSync, readdirSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createClient } from '@supercargo/client'
import { loadConfig, serve } from '@supercargo/server'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { run } from './run.ts'
import { testIo } from './testing/test-io.ts'

let root: string
let store: string
let ids: string[]

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'supercargo-store-command-'))
  store = join(root, 'store')
  ids = await filledStore(store)
})

afterAll(() => rm(root, { recursive: true }))

async function said(...argv: readonly string[]) {
  const io = testIo()
  return { code: await run(argv, io), out: io.out(), err: io.err() }
}

describe('store verify', () => {
  it('says that all is well, as text and as JSON, and ends with 0', async () => {
    const { code, out, err } = await said('store', 'verify', '--store', store)
    expect(code).toBe(0)
    expect(out).toMatch(/^store +\S+\nholds +2 resources, 2 blobs \(9 B\), 0 names, 0 open uploads\ndamaged +nothing\n/)
    expect(err).toMatch(/^read 9 B in /)
    const json = await said('store', 'verify', '--store', store, '--json', '--quiet')
    expect(JSON.parse(json.out)).toMatchObject({ resources: 2, faults: [], leftoversTotal: 0 })
    expect(json.err).toBe('')
  })

  it('names what is damaged and whose it is, moves it away when asked to, and ends with 65', async () => {
    const copied = join(root, 'damaged')
    expect((await said('store', 'copy', '--from', store, '--to', copied)).code).toBe(0)
    const blob = firstBlob(copied)
    chmodSync(blob, 0o600)
    writeFileSync(blob, 'wrong')
    const { code, out } = await said('store', 'verify', '--store', copied, '--repair')
    expect(code).toBe(65)
    expect(out).toContain('damaged   1\n')
    expect(out).toMatch(/corrupt-blob +blobs\/spark\/.*; set aside in quarantine\/spark\/[0-9a-f]{64} +[0-9a-z]{26}\n/)
    expect(existsSync(blob)).toBe(false)
    expect((await said('store', 'verify', '--store', copied)).out).toContain('missing-blob')
  })

  it('is refused without a store, where there is none, and when it shall both change and not change it', async () => {
    expect((await said('store', 'verify')).code).toBe(64)
    expect((await said('store', 'verify', '--store', store, '--read-only', '--repair')).code).toBe(64)
    expect((await said('store', 'verify', '--store', join(root, 'none'))).code).toBe(66)
  })
})

describe('store copy', () => {
  it('brings everything over once, and says what was there already', async () => {
    const to = join(root, 'copied')
    const first = await said('store', 'copy', '--from', store, '--to', to)
    expect([first.code, first.out]).toEqual([
      0,
      'copied    2 resources, 0 names, 0 tokens\nthere     0 resources already\ndamaged   nothing\n',
    ])
    const again = await said('store', 'copy', '--from', store, '--to', to, '--json', '--quiet')
    expect(JSON.parse(again.out)).toMatchObject({ copied: 0, present: 2, sentBytes: 0, faults: [] })
    expect(readdirSync(join(to, 'resources')).sort()).toEqual(ids.map((id) => `${id}.json`).sort())
  })

  it('is refused without two stores, and for a kind of store that this build has not', async () => {
    expect((await said('store', 'copy', '--from', store)).code).toBe(64)
    const { code, err } = await said('store', 'copy', '--from', store, '--to', 'gopher://x/y')
    expect(code).toBe(65)
    expect(err).toContain('this build has no store for "gopher://x/y"')
  })

  it('leaves out what is damaged and ends with 65', async () => {
    const [damaged, to] = [join(root, 'source'), join(root, 'target')]
    await said('store', 'copy', '--from', store, '--to', damaged)
    const blob = firstBlob(damaged)
    chmodSync(blob, 0o600)
    writeFileSync(blob, 'x')
    const { code, out } = await said('store', 'copy', '--from', damaged, '--to', to)
    expect(code).toBe(65)
    expect(out).toMatch(/^copied +1 resources[\s\S]*damaged +1, not copied[\s\S]*corrupt-blob/)
  })
})

function firstBlob(directory: string): string {
  const blobs = join(directory, 'blobs')
  const found = readdirSync(blobs, { recursive: true }).map(String)
  return join(blobs, found.find((name) => /[0-9a-f]{64}$/.test(name))!)
}

/** Two resources of one file each, staged at a real server. */
async function filledStore(directory: string): Promise<string[]> {
  const stop = new AbortController()
  const config = await loadConfig({ flags: { store: directory, listen: '127.0.0.1:0', 'log-level': 'silent' } })
  let ready: (url: string) => void
  const listening = new Promise<string>((resolve) => {
    ready = resolve
  })
  const serving = serve(config, { signal: stop.signal, onReady: ({ url }) => ready(url) })
  const client = createClient({ server: await listening })
  const staged: string[] = []
  for (const [name, text] of [
    ['a.txt', 'one'],
    ['b.txt', 'second'],
  ] as const) {
    writeFileSync(join(root, name), text)
    const owner = { namespace: 'spark', apiVersion: 'v1', kind: 'Pod', name: 'driver' }
    const files = [{ path: join(root, name) }]
    staged.push((await client.stage({ owner, files })).resourceId)
  }
  await client.close()
  stop.abort()
  await serving
  return staged
}
