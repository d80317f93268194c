/** Bytes of a blob in a bucket, in order: one request for what will be read, opened before anybody can delete it. */
import type { Readable } from 'node:stream'
import { type Digest, emptyDigest, SupercargoError } from '@supercargo/protocol'
import { fromConnectionError } from '@supercargo/transfer'
import type { BucketObjects } from '@supercargo/transfer/s3'
import type { BlobReader } from '../store.ts'
import { fromBucketError } from './s3-border.ts'

/** Which bytes will be read. */
export interface ByteRange {
  readonly start: number
  readonly end: number
}

/** Breaks of one stream in a row without a byte between them, until the reader hears of it. */
const breaksMax = 4

export async function openObject(
  objects: BucketObjects,
  at: string,
  digest: Digest,
  sizeBytes: number,
  range: ByteRange,
): Promise<BlobReader> {
  const reader = new ObjectReader(objects, at, digest, sizeBytes)
  await reader.open(range.start, range.end)
  return reader
}

export function emptyReader(): BlobReader {
  return { digest: emptyDigest, sizeBytes: 0, read: async () => 0, close: async () => undefined }
}

export function blobMissing(digest: Digest): SupercargoError {
  return new SupercargoError('corrupt', 'blob-missing', `the bytes of ${digest} are not in the store any more`, {
    hint: 'stage the resource again',
  })
}

class ObjectReader implements BlobReader {
  readonly digest: Digest
  readonly sizeBytes: number
  readonly #objects: BucketObjects
  readonly #at: string
  #etag: string | undefined
  #stream: Readable | undefined
  #chunks: AsyncIterator<Buffer> | undefined
  #rest: Buffer = Buffer.alloc(0)
  #position = 0
  #end = 0

  constructor(objects: BucketObjects, at: string, digest: Digest, sizeBytes: number) {
    this.#objects = objects
    this.#at = at
    this.digest = digest
    this.sizeBytes = sizeBytes
  }

  async open(start: number, end: number): Promise<void> {
    this.#drop()
    const read = await this.#objects.read(this.#at, start, end, this.#etag)
    if (read === undefined) throw blobMissing(this.digest)
    this.#stream = read.stream
    // A reader that waits for its own client must not fail for it before it reads on.
    read.stream.on('error', () => undefined)
    if (read.sizeBytes !== this.sizeBytes) {
      this.#drop()
      const says = `the bytes of ${this.digest} are damaged: the store has ${read.sizeBytes} of ${this.sizeBytes}`
      throw new SupercargoError('corrupt', 'blob-size', says, { hint: 'stage the resource again' })
    }
    this.#etag = read.etag
    this.#chunks = read.stream[Symbol.asyncIterator]() as AsyncIterator<Buffer>
    this.#position = start
    this.#end = end
  }

  async read(buffer: Uint8Array, position: number): Promise<number> {
    const wanted = Math.max(0, Math.min(buffer.length, this.sizeBytes - position))
    if (wanted === 0) return 0
    if (position !== this.#position || position + wanted > this.#end) {
      await this.open(position, Math.max(position + wanted, position < this.#end ? this.#end : this.sizeBytes))
    }
    let done = 0
    let breaks = 0
    while (done < wanted) {
      try {
        const bytes = await this.#next()
        const taken = Math.min(bytes.length, wanted - done)
        buffer.set(bytes.subarray(0, taken), done)
        this.#rest = bytes.subarray(taken)
        done += taken
        this.#position += taken
        breaks = 0
      } catch (error) {
        const failure = fromConnectionError(error, 'the object store')
        if (!failure.retry || ++breaks === breaksMax) throw fromBucketError(failure)
        await this.open(position + done, this.#end)
      }
    }
    return done
  }

  async close(): Promise<void> {
    this.#drop()
  }

  async #next(): Promise<Buffer> {
    if (this.#rest.length > 0) return this.#rest
    const next = await this.#chunks!.next()
    if (next.done !== true) return next.value
    throw new SupercargoError('interrupted', 'cut-short', 'the object store ended its answer too early')
  }

  #drop(): void {
    this.#stream?.destroy()
    this.#stream = undefined
    this.#chunks = undefined
    this.#rest = Buffer.alloc(0)
  }
}
