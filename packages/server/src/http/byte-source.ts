/** Bytes that can be read in order into a buffer: a range of a blob. */
import type { BlobReader } from '../store/store.ts'
import type { SharedReads, SharedWindow } from './shared-reads.ts'

export interface ByteSource {
  /** All that `read` will give. */
  readonly sizeBytes: number
  /** Fills `buffer` from its beginning with the next bytes; resolves to their number, 0 only at the end. */
  read(buffer: Buffer): Promise<number>
  /** The next bytes, at least one, where others want them too and hold them in memory; undefined means `read`. Only before the end. */
  lend?(): Promise<SharedWindow> | undefined
  close(): Promise<void>
}

/** The bytes of a blob from `start` to before `end`. Closes the reader with itself. */
export function blobSource(reader: BlobReader, start: number, end: number, shared: SharedReads): ByteSource {
  const leave = shared.join(reader.digest)
  let position = start
  const lent = async (lending: Promise<SharedWindow>): Promise<SharedWindow> => {
    const { bytes, release } = await lending
    const wanted = bytes.subarray(0, end - position)
    position += wanted.length
    return { bytes: wanted, release }
  }
  let open = true
  return {
    sizeBytes: end - start,
    async read(buffer) {
      const wanted = Math.min(buffer.length, end - position)
      if (wanted === 0) return 0
      const bytes = await reader.read(wanted === buffer.length ? buffer : buffer.subarray(0, wanted), position)
      position += bytes
      return bytes
    },
    lend() {
      const lending = shared.lend(reader, position)
      return lending === undefined ? undefined : lent(lending)
    },
    close() {
      if (open) leave()
      open = false
      return reader.close()
    },
  }
}
