/** Bytes that can be read in order into a buffer: a range of a blob. */
import type { BlobReader } from '../store/store.ts'

export interface ByteSource {
  /** All that `read` will give. */
  readonly sizeBytes: number
  /** Fills `buffer` from its beginning with the next bytes; resolves to their number, 0 only at the end. */
  read(buffer: Buffer): Promise<number>
  close(): Promise<void>
}

/** The bytes of a blob from `start` to before `end`. Closes the reader with itself. */
export function blobSource(reader: BlobReader, start: number, end: number): ByteSource {
  let position = start
  return {
    sizeBytes: end - start,
    async read(buffer) {
      const wanted = Math.min(buffer.length, end - position)
      if (wanted === 0) return 0
      const bytes = await reader.read(wanted === buffer.length ? buffer : buffer.subarray(0, wanted), position)
      position += bytes
      return bytes
    },
    close: () => reader.close(),
  }
}
