/** Writes wait their turn and keep their order. */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SupercargoError } from '@supercargo/protocol'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { descriptors } from '../testing/disk-harness.ts'
import { content } from '../testing/staging.ts'
import { type FileSystem, nodeFileSystem } from './file-system.ts'
import { WriteQueue } from './write-queue.ts'

let directory: string
let path: string
let landed: number

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'supercargo-queue-'))
  path = join(directory, 'part')
  landed = 0
})

afterEach(async () => {
  expect(await descriptors(directory)).toEqual([])
  await rm(directory, { recursive: true })
})

function queue(system: Partial<FileSystem> = {}): WriteQueue {
  return new WriteQueue({ ...nodeFileSystem, ...system }, path, 0, (bytes) => {
    landed += bytes
  })
}

async function pushAll(to: WriteQueue, bytes: Buffer, sizeOf: (position: number) => number): Promise<void> {
  for (let position = 0; position < bytes.length; ) {
    const end = position + sizeOf(position)
    await to.push(bytes.subarray(position, end))
    position = end
  }
}

describe('the write queue', () => {
  it('loops until all bytes are written, however few the file system takes at a time', async () => {
    const bytes = content(3_300_000)
    const short = queue({
      writev: async (fd, chunks, position) => {
        const all = Buffer.concat(chunks)
        return nodeFileSystem.writeNow(fd, all.subarray(0, Math.max(1, Math.floor(all.length * 0.37))), position)
      },
    })
    await pushAll(short, bytes, (position) => 1 + (position % 70_000))
    await short.flush()
    await short.close()
    expect((await readFile(path)).equals(bytes)).toBe(true)
    expect(landed).toBe(bytes.length)
  })

  it('a small file is written in place by short writes, too', async () => {
    const bytes = content(10_000)
    const short = queue({
      writeNow: (fd, chunk, position) => nodeFileSystem.writeNow(fd, chunk.subarray(0, 999), position),
    })
    await pushAll(short, bytes, () => 4000)
    await short.flush()
    await short.close()
    expect((await readFile(path)).equals(bytes)).toBe(true)
  })

  it('a disk that fills up after a short write is "exhausted", at the next call at the latest', async () => {
    let calls = 0
    const full = queue({
      writev: async (fd, chunks, position) => {
        if (++calls > 1) throw Object.assign(new Error('no space'), { code: 'ENOSPC' })
        return nodeFileSystem.writeNow(fd, Buffer.concat(chunks).subarray(0, 1000), position)
      },
    })
    void full.push(content(1_100_000))
    await expect(full.flush()).rejects.toMatchObject({ kind: 'exhausted', code: 'disk-full' })
    expect(landed).toBe(1000)
    await full.stop(new SupercargoError('internal', 'end', 'end'))
  })

  it('a file system that takes nothing is full, not a loop without end', async () => {
    const nothing = queue({ writev: async () => 0 })
    void nothing.push(content(1_100_000))
    await expect(nothing.flush()).rejects.toMatchObject({ kind: 'exhausted' })
    await nothing.stop(new SupercargoError('internal', 'end', 'end'))
  })

  it('holds at most 2 MiB and the last chunk, and lets go of chunks that are written', async () => {
    const pending: (() => void)[] = []
    const held = queue({
      writev: (fd, chunks, position) =>
        new Promise((resolve) =>
          pending.push(() => {
            resolve(nodeFileSystem.writeNow(fd, Buffer.concat(chunks), position))
          }),
        ),
    })
    const chunk = content(65_536)
    let taken = 0
    let waiting: Promise<void> | undefined
    while (waiting === undefined) {
      waiting = held.push(chunk)
      taken += chunk.length
    }
    expect(taken).toBe(2 * 2 ** 20)
    expect(pending.length).toBe(1)
    pending.shift()!()
    await waiting
    expect(held.push(chunk)).toBeUndefined()
    const end = held.flush()
    while (held.writtenBytes < taken + chunk.length) {
      pending.shift()?.()
      await new Promise((resolve) => setImmediate(resolve))
    }
    await end
    await held.close()
  })

  it('many tiny chunks do not pile up: their number is bounded as well as their bytes', async () => {
    const tiny = queue()
    let waited = 0
    for (let index = 0; index < 5000; index++) {
      const waiting = tiny.push(Buffer.from('x'))
      if (waiting !== undefined) waited++
      await waiting
    }
    await tiny.flush()
    await tiny.close()
    expect(waited).toBeGreaterThan(0)
    expect((await readFile(path)).length).toBe(5000)
  })

  it('a chunk that comes just as a write ends is written, too', async () => {
    const late = queue()
    for (let round = 0; round < 50; round++) {
      const waiting = late.push(Buffer.alloc(2 * 2 ** 20, round))
      await waiting
      await late.push(Buffer.alloc(1, round))
    }
    await late.flush()
    await late.close()
    expect(landed).toBe(50 * (2 * 2 ** 20 + 1))
  })

  it('a failed sync on the way fails the file, and is not repeated', async () => {
    let syncs = 0
    const failing = queue({
      writev: async (_, chunks) => chunks.reduce((bytes, chunk) => bytes + chunk.length, 0),
      fdatasync: async () => {
        syncs++
        throw Object.assign(new Error('io'), { code: 'EIO' })
      },
      fsync: async () => {
        syncs++
      },
    })
    const chunk = Buffer.alloc(2 ** 20)
    const write = async () => {
      for (let index = 0; index < 70; index++) await failing.push(chunk)
      await failing.flush()
      await failing.sync()
    }
    await expect(write()).rejects.toMatchObject({ code: 'disk-error' })
    expect(syncs).toBe(1)
    await failing.stop(new SupercargoError('internal', 'end', 'end'))
  })

  it('stopped, it rejects whoever waits and writes nothing more', async () => {
    let release = (): void => undefined
    const stuck = queue({
      writev: (_, chunks) =>
        new Promise((resolve) => {
          release = () => resolve(chunks.reduce((bytes, chunk) => bytes + chunk.length, 0))
        }),
    })
    void stuck.push(Buffer.alloc(2 ** 20))
    const waiting = stuck.push(Buffer.alloc(2 ** 20))
    const stopping = stuck.stop(new SupercargoError('interrupted', 'superseded', 'taken over'))
    await expect(waiting).rejects.toMatchObject({ code: 'superseded' })
    release()
    await stopping
    await expect(stuck.flush()).rejects.toMatchObject({ code: 'superseded' })
    expect(landed).toBe(2 ** 20)
  })
})
