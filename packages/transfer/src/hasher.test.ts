/** Digests from the hashing thread: equal to the plain ones, of files that stand, grow, shrink or are not there. */
import { createHash, randomBytes } from 'node:crypto'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { mkdtemp, open, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Hasher } from './hasher.ts'

let directory: string
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'hasher-'))
})
afterAll(() => rm(directory, { recursive: true }))

const digest = (bytes: Uint8Array): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`

async function fileOf(bytes: Uint8Array): Promise<string> {
  const path = join(directory, randomBytes(6).toString('hex'))
  await writeFile(path, bytes)
  return path
}

describe('the hasher', () => {
  it('gives the digest of the whole file and tells every byte once, at every size that matters', async () => {
    await using hasher = new Hasher()
    for (const size of [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 32 << 20, (32 << 20) + 1]) {
      const bytes = Buffer.alloc(size, 'supercargo')
      let told = 0
      const path = await fileOf(bytes)
      expect(await hasher.hashFile(path, size, undefined, (count) => (told += count))).toBe(digest(bytes))
      expect(told).toBe(size)
      await rm(path)
    }
  })

  it('starts no thread for what the caller may hash, and says of it what the thread would say', async () => {
    let started = 0
    const count = () => started++
    subscribe('worker_threads', count)
    await using hasher = new Hasher({ hereBytesMax: 2500 })
    const bytes = randomBytes(1000)
    const path = await fileOf(bytes)
    let told = 0
    expect(await hasher.hashFile(path, 1000, undefined, (n) => (told += n))).toBe(digest(bytes))
    expect(told).toBe(1000)
    await expect(hasher.hashFile(join(directory, 'absent'), 1)).rejects.toMatchObject({ kind: 'notFound' })
    await expect(hasher.hashFile(path, 1001)).rejects.toMatchObject({ kind: 'corrupt', code: 'file-shrank' })
    await expect(hasher.hashFile(path, 1, AbortSignal.abort())).rejects.toMatchObject({ kind: 'interrupted' })
    expect(started).toBe(0)
    // Those 2001 bytes and these are too many.
    expect(await hasher.hashFile(path, 1000)).toBe(digest(bytes))
    expect(started).toBe(1)
    unsubscribe('worker_threads', count)
  })

  it('takes many files at a time', async () => {
    await using hasher = new Hasher()
    const files = await Promise.all(
      Array.from({ length: 50 }, async (_, index) => {
        const bytes = randomBytes(index * 1000)
        return { bytes, path: await fileOf(bytes) }
      }),
    )
    const digests = await Promise.all(files.map(({ path, bytes }) => hasher.hashFile(path, bytes.length)))
    expect(digests).toEqual(files.map(({ bytes }) => digest(bytes)))
  })

  it('follows a file that is being written, also one that was resumed', async () => {
    await using hasher = new Hasher()
    const bytes = randomBytes(20 << 20)
    const path = await fileOf(bytes.subarray(0, 1 << 20))
    const handle = await open(path, 'r+')
    const followed = hasher.follow(path)
    for (let position = 1 << 20; position < bytes.length; position += 1 << 20) {
      await handle.write(bytes, position, 1 << 20, position)
      followed.advance(position + (1 << 20))
    }
    await handle.close()
    expect(await followed.finish(bytes.length)).toBe(digest(bytes))
  })

  it('says that a file shrank, and goes on with others', async () => {
    await using hasher = new Hasher()
    const path = await fileOf(Buffer.alloc(1000))
    await truncate(path, 10)
    await expect(hasher.hashFile(path, 1000)).rejects.toMatchObject({ kind: 'corrupt', code: 'file-shrank' })
    const followed = hasher.follow(path)
    followed.advance(8 << 20)
    await expect(followed.finish(1000)).rejects.toMatchObject({ code: 'file-shrank' })
    expect(await hasher.hashFile(path, 10)).toBe(digest(Buffer.alloc(10)))
  })

  it('names a file that is not there', async () => {
    await using hasher = new Hasher()
    const path = join(directory, 'absent')
    await expect(hasher.hashFile(path, 1)).rejects.toMatchObject({
      kind: 'notFound',
      message: expect.stringContaining(path),
    })
  })

  it('stops between stretches when it is told to', async () => {
    await using hasher = new Hasher()
    const path = join(directory, 'sparse')
    await writeFile(path, '')
    await truncate(path, 40 * 2 ** 30)
    const stop = new AbortController()
    const hashing = hasher.hashFile(path, 40 * 2 ** 30, stop.signal, () => stop.abort())
    await expect(hashing).rejects.toMatchObject({ kind: 'interrupted' })
  })

  it('rejects who waits when it is closed, and starts no new thread for giving up', async () => {
    const hasher = new Hasher()
    const path = join(directory, 'sparse-too')
    await writeFile(path, '')
    await truncate(path, 2 ** 30)
    const hashing = hasher.hashFile(path, 2 ** 30)
    const followed = hasher.follow(path)
    const outcome = expect(hashing).rejects.toMatchObject({ kind: 'internal' })
    let started = 0
    const count = () => started++
    subscribe('worker_threads', count)
    await hasher.close()
    await outcome
    followed.abandon()
    unsubscribe('worker_threads', count)
    expect(started).toBe(0)
  })
})
