/** A stream onto disk: every byte in its place, whatever the chunks and however the disk answers. */
import * as fs from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { FileSink, gatherBytes } from './file-sink.ts'

type Writev = (
  fd: number,
  buffers: readonly Uint8Array[],
  position: number,
  callback: (error: NodeJS.ErrnoException | null, written: number) => void,
) => void

const disk = vi.hoisted(() => ({ writev: undefined as unknown }))
vi.mock('node:fs', async (original) => {
  const real = await original<typeof import('node:fs')>()
  const writev: Writev = (...args) => ((disk.writev as Writev | undefined) ?? (real.writev as Writev))(...args)
  return { ...real, default: real, writev }
})

let directory: string
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'file-sink-'))
})
afterAll(() => rm(directory, { recursive: true }))
afterEach(() => {
  disk.writev = undefined
})

/** Takes the chunks as a byte pump does, and gives back the file. */
async function sunk(chunks: readonly Uint8Array[], position = 0): Promise<{ bytes: Buffer; sink: FileSink }> {
  const path = join(directory, `file-${Math.random()}`)
  const fd = fs.openSync(path, 'w+')
  const sink = new FileSink(fd, path, position)
  try {
    for (const chunk of chunks) await sink.write(chunk)
    await sink.flush()
    return { bytes: fs.readFileSync(path), sink }
  } finally {
    fs.closeSync(fd)
    fs.rmSync(path)
  }
}

function chunksOf(sizes: readonly number[]): Buffer[] {
  let next = 0
  return sizes.map((size) => Buffer.from(Array.from({ length: size }, () => next++ % 251)))
}

/** One write in flight is the real one; each is limited to `most` bytes and told as short. */
function shortWrites(most: number): void {
  disk.writev = ((fd, buffers, position, callback) => {
    const all = Buffer.concat(buffers).subarray(0, most)
    fs.write(fd, all, 0, all.length, position, (error, written) => callback(error, written))
  }) satisfies Writev
}

describe('a file sink', () => {
  it('writes what it was given, whatever the sizes of the chunks', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 0, max: 400_000 }), { maxLength: 20 }), async (sizes) => {
        const chunks = chunksOf(sizes)
        const { bytes, sink } = await sunk(chunks)
        expect(bytes.equals(Buffer.concat(chunks))).toBe(true)
        expect([sink.position, sink.written]).toEqual([bytes.length, bytes.length])
      }),
      { numRuns: 20 },
    )
  })

  it('continues a file at its position', async () => {
    const { bytes } = await sunk([Buffer.from('tail')], 5)
    expect(bytes.toString('latin1')).toBe('\0\0\0\0\0tail')
  })

  it('completes short writes: a full disk gives one before it says so', async () => {
    const chunks = chunksOf([3, 0, 5, 1, 700, 2, 1 << 20, 9])
    for (const most of [1000, 4096, 300_001]) {
      shortWrites(most)
      const { bytes } = await sunk(chunks)
      expect(bytes.equals(Buffer.concat(chunks))).toBe(true)
    }
  })

  it('asks the writer to wait when one write is in flight and as much again is gathered', async () => {
    let finish: (() => void) | undefined
    disk.writev = ((_fd, buffers, _position, callback) => {
      finish = () =>
        callback(
          null,
          buffers.reduce((sum, buffer) => sum + buffer.length, 0),
        )
    }) satisfies Writev
    const sink = new FileSink(-1, 'nowhere')
    expect(sink.write(Buffer.alloc(gatherBytes))).toBeUndefined()
    expect(sink.write(Buffer.alloc(gatherBytes - 1))).toBeUndefined()
    const wait = sink.write(Buffer.alloc(1))
    expect(wait).toBeInstanceOf(Promise)
    expect([sink.position, sink.written]).toEqual([2 * gatherBytes, 0])
    finish!()
    await wait
    expect(sink.written).toBe(gatherBytes)
  })

  it('tells the failure of the n-th write, for every n, and never resolves its flush after it', async () => {
    const chunks = chunksOf(Array.from({ length: 12 }, () => 512 * 1024))
    let writes = 0
    for (let failing = 1; ; failing++) {
      writes = 0
      disk.writev = ((fd, buffers, position, callback) => {
        if (++writes === failing) return callback(Object.assign(new Error('full'), { code: 'ENOSPC' }), 0)
        const all = Buffer.concat(buffers)
        fs.write(fd, all, 0, all.length, position, (error, written) => callback(error, written))
      }) satisfies Writev
      const outcome = await sunk(chunks).then(
        () => undefined,
        (error: unknown) => error,
      )
      if (writes < failing) {
        expect(outcome).toBeUndefined()
        expect(failing).toBeGreaterThan(5)
        return
      }
      expect(outcome).toMatchObject({ kind: 'exhausted', code: 'disk-full' })
    }
  })

  it('translates what the real device says', async () => {
    const fd = fs.openSync('/dev/full', 'w')
    try {
      const sink = new FileSink(fd, '/dev/full')
      void sink.write(Buffer.alloc(10))
      await expect(sink.flush()).rejects.toMatchObject({ kind: 'exhausted', code: 'disk-full' })
      await expect(sink.flush()).rejects.toMatchObject({ kind: 'exhausted' })
      await expect(sink.write(Buffer.alloc(1))).rejects.toMatchObject({ kind: 'exhausted' })
    } finally {
      fs.closeSync(fd)
    }
  })
})
