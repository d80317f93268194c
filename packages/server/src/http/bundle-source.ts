/** The files of a resource as one tar, read in order into the download pump's buffers. */
import { type StagedFile, SupercargoError } from '@supercargo/protocol'
import type { BlobReader, ResourceRecord, Store } from '../store/store.ts'
import type { ByteSource } from './byte-source.ts'
import { padded, tarEndBytes, tarHeader } from './tar-header.ts'

/**
 * Readers that are open ahead of the one being sent. It hides the latency of opening, and a bundle of up to this many
 * files survives the deletion of its resource as a single file does.
 */
const openAheadMax = 128

export function bundleSource(store: Store, record: ResourceRecord, files: readonly StagedFile[]): ByteSource {
  const readers: (Promise<BlobReader> | undefined)[] = []
  const openUpTo = (index: number): void => {
    while (readers.length < Math.min(index, files.length)) {
      const reader = store.open(record, files[readers.length]!)
      // It is awaited when its turn comes; until then a failure waits too.
      reader.catch(() => undefined)
      readers.push(reader)
    }
  }
  let sizeBytes = tarEndBytes
  for (const file of files) sizeBytes += tarHeader(file.path, file.sizeBytes).length + padded(file.sizeBytes)

  let index = 0
  let head: Buffer | undefined = files[0] === undefined ? undefined : tarHeader(files[0].path, files[0].sizeBytes)
  let headSent = 0
  let bytesSent = 0
  let endSent = 0

  const nextFile = async (): Promise<void> => {
    await (await readers[index])?.close()
    readers[index] = undefined
    index++
    const file = files[index]
    head = file === undefined ? undefined : tarHeader(file.path, file.sizeBytes)
    headSent = 0
    bytesSent = 0
  }

  return {
    sizeBytes,
    async read(buffer) {
      let filled = 0
      while (filled < buffer.length) {
        const file = files[index]
        if (file === undefined) {
          const zeros = Math.min(buffer.length - filled, tarEndBytes - endSent)
          if (zeros === 0) break
          buffer.fill(0, filled, filled + zeros)
          endSent += zeros
          filled += zeros
          continue
        }
        openUpTo(index + openAheadMax)
        if (headSent < head!.length) {
          const copied = head!.copy(buffer, filled, headSent)
          headSent += copied
          filled += copied
          continue
        }
        if (bytesSent < file.sizeBytes) {
          const room = buffer.subarray(filled, filled + Math.min(buffer.length - filled, file.sizeBytes - bytesSent))
          const bytes = await (await readers[index]!).read(room, bytesSent)
          if (bytes === 0)
            throw new SupercargoError(
              'corrupt',
              'blob-short',
              `the blob ${file.digest} is shorter than its record says`,
            )
          bytesSent += bytes
          filled += bytes
          continue
        }
        const padding = Math.min(buffer.length - filled, padded(file.sizeBytes) - bytesSent)
        buffer.fill(0, filled, filled + padding)
        bytesSent += padding
        filled += padding
        if (bytesSent === padded(file.sizeBytes)) await nextFile()
      }
      return filled
    },
    async close() {
      const left = readers.splice(0)
      const ended = await Promise.allSettled(left.map(async (reader) => (await reader)?.close()))
      void ended
    },
  }
}
