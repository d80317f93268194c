/** A bundle is the same bytes in every buffer, and closes what it opened. */
import { randomBytes } from 'node:crypto'
import { readdirSync, readlinkSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startTestServer, type TestServer } from '../testing/test-server.ts'
import { call, digestOf, stageFiles } from '../testing/v1-api.ts'
import { bundleSource } from './bundle-source.ts'

let server: TestServer
beforeAll(async () => {
  server = await startTestServer()
})
afterAll(() => server.stop())

const sizes = [0, 1, 511, 512, 513, 1023, 1024, 65_536, 100_001]

async function stage(count: number) {
  const files = Object.fromEntries(
    Array.from({ length: count }, (_, n) => [`f${n}`, randomBytes(sizes[n % sizes.length]!)]),
  )
  const staged = await stageFiles(server, files)
  return { id: staged.id, secret: staged.secret, files, record: (await server.store.read(staged.id))! }
}

async function readAll(source: ReturnType<typeof bundleSource>, bufferBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  const buffer = Buffer.alloc(bufferBytes)
  for (;;) {
    const bytes = await source.read(buffer)
    if (bytes === 0) break
    chunks.push(Buffer.from(buffer.subarray(0, bytes)))
  }
  await source.close()
  return Buffer.concat(chunks)
}

/** Descriptors of this process that lead into the store's blobs. */
function openBlobs(): number {
  const targets = readdirSync('/proc/self/fd').map((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`)
    } catch {
      // The descriptor of the listing itself is gone already.
      return ''
    }
  })
  return targets.filter((target) => target.startsWith(`${server.directory}/blobs`)).length
}

describe('a bundle', () => {
  it('is the same bytes, and as many as announced, whatever the size of the buffer', async () => {
    const { record, files } = await stage(20)
    const whole = await readAll(bundleSource(server.store, record, record.files), 1 << 20)
    expect(whole.length).toBe(bundleSource(server.store, record, record.files).sizeBytes)
    for (const bufferBytes of [511, 512, 513, 65_536]) {
      expect((await readAll(bundleSource(server.store, record, record.files), bufferBytes)).equals(whole)).toBe(true)
    }
    for (const [path, bytes] of Object.entries(files)) expect(whole.includes(bytes), path).toBe(true)
    expect(openBlobs()).toBe(0)
  })

  it('is whole even byte by byte', async () => {
    const { record } = await stage(5)
    const whole = await readAll(bundleSource(server.store, record, record.files), 4096)
    expect((await readAll(bundleSource(server.store, record, record.files), 1)).equals(whole)).toBe(true)
  })

  it('of no files is an empty tar', async () => {
    const { record } = await stage(1)
    expect(await readAll(bundleSource(server.store, record, []), 4096)).toEqual(Buffer.alloc(1024))
  })

  it('survives the release of its resource once it began (law 5), and leaves no descriptor', async () => {
    const { record, id, secret, files } = await stage(40)
    const source = bundleSource(server.store, record, record.files)
    const first = Buffer.alloc(100)
    await source.read(first)
    await call(server, 'DELETE', `/${id}`, { secret })
    await server.store.maintenance.removeBlobs('spark', Object.values(files).map(digestOf), Number.MAX_SAFE_INTEGER, 0)
    const rest = await readAll(source, 65_536)
    expect(first.length + rest.length).toBe(source.sizeBytes)
    expect(openBlobs()).toBe(0)
  })

  it('that is given up leaves no descriptor', async () => {
    const { record } = await stage(300)
    const source = bundleSource(server.store, record, record.files)
    await source.read(Buffer.alloc(100))
    await source.close()
    expect(openBlobs()).toBe(0)
  })
})
