/** Bytes of a blob by position; the open descriptor outlives the blob's name. */
import { constants } from 'node:fs'
import { type Digest, SupercargoError } from '@supercargo/protocol'
import { isErrno } from '@supercargo/transfer'
import type { FileSystem } from './file-system.ts'
import type { BlobReader } from './store.ts'
import { fromStorageError } from './store-error.ts'

/** Opens a blob and checks its size. Kind `corrupt` when it is not what its record says. */
export async function openBlob(
  system: FileSystem,
  path: string,
  digest: Digest,
  sizeBytes: number,
  name: string,
): Promise<BlobReader> {
  const fd = await system.open(path, constants.O_RDONLY | constants.O_NOFOLLOW).catch((error: unknown) => {
    if (!isErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP')) throw error
    throw new SupercargoError('corrupt', 'blob-missing', `the bytes of ${digest} are not in the store any more`, {
      cause: error,
      hint: 'stage the resource again',
    })
  })
  try {
    const found = await system.fstat(fd)
    if (found.sizeBytes !== sizeBytes || !found.file) throw wrongSize(digest, sizeBytes, found.sizeBytes)
  } catch (error) {
    await system.close(fd)
    throw error
  }
  let open = true
  return {
    digest,
    sizeBytes,
    name,
    read: async (buffer, position) => {
      const wanted = Math.max(0, Math.min(buffer.length, sizeBytes - position))
      let done = 0
      while (done < wanted) {
        const read = await system.read(fd, buffer, done, wanted - done, position + done).catch((error: unknown) => {
          throw fromStorageError(error, `cannot read the bytes of ${digest}`)
        })
        if (read === 0) throw wrongSize(digest, sizeBytes, position + done)
        done += read
      }
      return done
    },
    close: async () => {
      if (!open) return
      open = false
      await system.close(fd).catch((error: unknown) => {
        throw fromStorageError(error, `cannot close the bytes of ${digest}`)
      })
    },
  }
}

function wrongSize(digest: Digest, sizeBytes: number, found: number): SupercargoError {
  return new SupercargoError(
    'corrupt',
    'blob-size',
    `the bytes of ${digest} are damaged: the store has ${found} of ${sizeBytes}`,
    {
      hint: 'stage the resource again',
    },
  )
}
