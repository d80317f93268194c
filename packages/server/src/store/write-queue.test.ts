/** Writes wait their turn and keep their order. */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SupercargoError } from '@supercargo/protocol'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { descriptors } from '../testing/disk-harness.ts'
import { content } from '../testing/staging.ts'
import { type FileSystem, nodeFileSystem } from './file-system.ts'
import { WriteBudget } from './write-budget.ts'
import { WriteQueue } from './write-queue.ts'

let directory: string
let path: string
let landed: number
let budget: WriteBudget

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'supercargo-queue-'))
  path = join(directory, 'part')
  landed = 0
  budget = new WriteBudget(16 * 2 ** 20)
})

afterEach(async () => {
  expect(await descriptors(directory)).toEqual([])
  expect(budget.takenBytes).toBe(0)
  // Nobody counts any more whose share could be smaller for it.
  expect(budget.shareBytes).toBe(2 * 2 ** 20)
  await rm(directory, { recursive: true })
})

function queue(system: Partial<FileSystem> = {}, file = path): WriteQueue {
  return new WriteQueue({ ...nodeFileSystem, ...system }, budget, file, 0, (bytes) => {
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

  it('many tiny chunks cost no more memory than their bytes', async () => {
    const tiny = queue()
    for (let index = 0; index < 70_000; index++) await tiny.push(Buffer.from(String(index % 10)))
    expect(budget.takenBytes).toBe(2 * 64 * 2 ** 10)
    await tiny.flush()
    await tiny.close()
    expect(await readFile(path, 'latin1')).toBe('0123456789'.repeat(7000))
  })

  it("a chunk is its owner's again at once: what happens to it later is not written", async () => {
    const lent = queue()
    const chunk = Buffer.alloc(100_000, 'a')
    for (let round = 0; round < 30; round++) {
      chunk.fill(97 + (round % 26))
      await lent.push(chunk)
    }
    chunk.fill('!')
    await lent.flush()
    await lent.close()
    const expected = Array.from({ length: 30 }, (_, round) => Buffer.alloc(100_000, 97 + (round % 26)))
    expect((await readFile(path)).equals(Buffer.concat(expected))).toBe(true)
  })

  it('a chunk larger than many batches arrives whole', async () => {
    const bytes = content(40 * 2 ** 20)
    const large = queue()
    await large.push(bytes)
    await large.flush()
    await large.close()
    expect((await readFile(path)).equals(bytes)).toBe(true)
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

describe('the budget of all write queues', () => {
  /** A disk that finishes its writes one at a time, in the order they came. */
  class SlowDisk {
    readonly waiting: (() => void)[] = []
    readonly system: Partial<FileSystem> = {
      writev: (fd, chunks, position) =>
        new Promise((resolve) => {
          this.waiting.push(() => resolve(nodeFileSystem.writeNow(fd, Buffer.concat(chunks), position)))
        }),
    }
  }

  /** Pushes until the queue wants to be waited for; the bytes that it took. */
  function fill(to: WriteQueue, chunk: Buffer): { taken: number; room: Promise<void> } {
    for (let taken = chunk.length; ; taken += chunk.length) {
      const room = to.push(chunk)
      if (room !== undefined) return { taken, room }
    }
  }

  it.each([1, 8, 32, 200, 1000])('bounds the memory of %i uploads that a slow disk holds up', async (uploads) => {
    const disk = new SlowDisk()
    const chunk = content(50_000)
    const queues = Array.from({ length: uploads }, (_, index) => queue(disk.system, `${path}-${index}`))
    // All have begun before the first is held up, as uploads do that arrive together.
    for (const each of queues) each.push(chunk)
    const filled = queues.map((each) => fill(each, chunk))
    // Beyond the budget each upload has the chunk that may always come, in blocks.
    const slack = uploads * 2 * 64 * 2 ** 10
    expect(budget.takenBytes).toBeLessThanOrEqual(Math.max(16 * 2 ** 20, uploads * 64 * 2 ** 10) + slack)
    const taken = filled.map((each) => each.taken)
    expect(Math.max(...taken)).toBe(Math.min(...taken))
    for (const finish of disk.waiting.splice(0)) finish()
    await Promise.all(filled.map(({ room }) => room))
    const stopped = Promise.all(queues.map((each) => each.stop(new SupercargoError('interrupted', 'end', 'end'))))
    for (const finish of disk.waiting.splice(0)) finish()
    await stopped
  })

  it('an upload waits for its own writes alone: one whose disk hangs holds up nobody', async () => {
    const disk = new SlowDisk()
    const hanging = queue(disk.system, `${path}-hanging`)
    const { room } = fill(hanging, content(65_536))
    const bytes = content(20 * 2 ** 20)
    const other = queue()
    await pushAll(other, bytes, () => 65_536)
    await other.flush()
    await other.close()
    expect((await readFile(path)).equals(bytes)).toBe(true)
    disk.waiting.shift()!()
    await room
    const end = hanging.stop(new SupercargoError('interrupted', 'end', 'end'))
    for (const finish of disk.waiting.splice(0)) finish()
    await end
  })

  it('a share that others made smaller is large again when they have ended', async () => {
    const many = Array.from({ length: 64 }, (_, index) => queue({}, `${path}-${index}`))
    for (const each of many) each.push(content(10))
    expect(budget.shareBytes).toBe(256 * 2 ** 10)
    for (const each of many.slice(0, 60)) await each.flush()
    expect(budget.shareBytes).toBe(2 * 2 ** 20)
    for (const each of many) await each.flush()
    for (const each of many) await each.close()
  })
})
