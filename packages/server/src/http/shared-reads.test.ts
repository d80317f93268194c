/** Bytes that many want are read once, lent in bounded memory, and never another's. */
import { type Digest, digestOf } from '@supercargo/protocol'
import { describe, expect, it } from 'vitest'
import type { BlobReader } from '../store/store.ts'
import { content } from '../testing/staging.ts'
import { blobSource } from './byte-source.ts'
import { SharedReads } from './shared-reads.ts'

const windowBytes = 256 << 10
const windowsMax = 64

/** A blob in memory that counts its reads. */
class CountedBlob {
  readonly bytes: Buffer
  readonly digest: Digest
  reads = 0
  failing = false

  constructor(sizeBytes: number, name = 'a') {
    this.bytes = content(sizeBytes)
    this.digest = digestOf(name.repeat(64))
  }

  open(): BlobReader {
    return {
      digest: this.digest,
      sizeBytes: this.bytes.length,
      read: async (buffer, position) => {
        this.reads++
        if (this.failing) throw new Error('the disk is broken')
        return this.bytes.copy(buffer, 0, position)
      },
      close: async () => undefined,
    }
  }
}

/** Enough readers of the blob that its bytes are shared. */
function herd(shared: SharedReads, blob: CountedBlob): () => void {
  const leave = Array.from({ length: 8 }, () => shared.join(blob.digest))
  return () => {
    for (const each of leave) each()
  }
}

describe('shared reads', () => {
  it('the disk is asked once for bytes that a herd wants, and each gets exactly its range', async () => {
    const shared = new SharedReads()
    const blob = new CountedBlob(3 * windowBytes + 12_345)
    const ranges = Array.from({ length: 40 }, (_, index) => [index * 1000, blob.bytes.length - index * 777] as const)
    const sources = ranges.map(([start, end]) => blobSource(blob.open(), start, end, shared))
    const read = async (index: number): Promise<void> => {
      const [start, end] = ranges[index]!
      const parts: Buffer[] = []
      for (let left = end - start; left > 0; ) {
        const { bytes, release } = await sources[index]!.lend!()!
        parts.push(Buffer.from(bytes))
        left -= bytes.length
        release()
      }
      expect(Buffer.concat(parts).equals(blob.bytes.subarray(start, end))).toBe(true)
      await sources[index]!.close()
    }
    await Promise.all(ranges.map((_, index) => read(index)))
    expect(blob.reads).toBe(4)
  })

  it('few readers read for themselves', () => {
    const shared = new SharedReads()
    const blob = new CountedBlob(windowBytes)
    const leave = Array.from({ length: 7 }, () => shared.join(blob.digest))
    expect(shared.lend(blob.open(), 0)).toBeUndefined()
    shared.join(blob.digest)
    expect(shared.lend(blob.open(), 0)).toBeDefined()
    for (const each of leave) each()
    expect(shared.lend(blob.open(), 0)).toBeUndefined()
  })

  it('a window that somebody holds is never used for other bytes, and who finds none reads for itself', async () => {
    const shared = new SharedReads()
    const blob = new CountedBlob((windowsMax + 2) * windowBytes)
    herd(shared, blob)
    const held = await Promise.all(
      Array.from({ length: windowsMax }, (_, index) => shared.lend(blob.open(), index * windowBytes)!),
    )
    expect(shared.lend(blob.open(), windowsMax * windowBytes)).toBeUndefined()
    for (const [index, { bytes }] of held.entries())
      expect(bytes.equals(blob.bytes.subarray(index * windowBytes, (index + 1) * windowBytes))).toBe(true)
    held[7]!.release()
    const next = await shared.lend(blob.open(), windowsMax * windowBytes)!
    expect(next.bytes.equals(blob.bytes.subarray(windowsMax * windowBytes, (windowsMax + 1) * windowBytes))).toBe(true)
    expect(shared.lend(blob.open(), 7 * windowBytes)).toBeUndefined()
    for (const [index, { bytes }] of held.entries())
      if (index !== 7)
        expect(bytes.equals(blob.bytes.subarray(index * windowBytes, (index + 1) * windowBytes))).toBe(true)
  })

  it('two blobs never answer for each other', async () => {
    const shared = new SharedReads()
    const [one, two] = [new CountedBlob(windowBytes, 'a'), new CountedBlob(windowBytes, 'b')]
    two.bytes.reverse()
    herd(shared, one)
    herd(shared, two)
    const [first, second] = await Promise.all([shared.lend(one.open(), 0)!, shared.lend(two.open(), 0)!])
    expect(first.bytes.equals(one.bytes)).toBe(true)
    expect(second.bytes.equals(two.bytes)).toBe(true)
  })

  it('a read that fails fails for all who waited, is not kept, and costs no window for ever', async () => {
    const shared = new SharedReads()
    const blob = new CountedBlob(2 * windowsMax * windowBytes)
    herd(shared, blob)
    for (let position = 0; position < blob.bytes.length; position += windowBytes) {
      blob.failing = true
      const waiting = Array.from({ length: 3 }, () => shared.lend(blob.open(), position)!)
      const ended = await Promise.allSettled(waiting)
      expect(ended.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected'])
      blob.failing = false
      const window = await shared.lend(blob.open(), position)!
      expect(window.bytes.equals(blob.bytes.subarray(position, position + windowBytes))).toBe(true)
      window.release()
    }
  })
})
