/** Reads which blobs are on disk, without a store: for the collector's thread, which has no part in their making. */
import { readdirSync, rmdirSync, statSync } from 'node:fs'
import { setImmediate } from 'node:timers/promises'
import { type Digest, digestHex, digestOf } from '@supercargo/protocol'
import { isErrno } from '@supercargo/transfer'
import { DiskLayout, isHex, isNamespace } from './disk-layout.ts'
import type { BlobShard } from './store-survey.ts'

/**
 * All blobs, one directory at a time, by synchronous reads: the thread pool belongs to the transfers. Directories that a crash or a removal left empty are removed on the way: that is
 * safe beside a running store, which makes a directory again when it has gone. Foreign names are passed over.
 */
export async function* scanBlobs(directory: string): AsyncGenerator<BlobShard> {
  const { blobs } = new DiskLayout(directory)
  for (const namespace of names(blobs)) {
    if (!isNamespace(namespace)) continue
    for (const shard of names(`${blobs}/${namespace}`)) {
      if (!/^[0-9a-f]{2}$/.test(shard)) continue
      await setImmediate()
      const found = names(`${blobs}/${namespace}/${shard}`)
      const digests = found.filter((name) => isHex(name) && name.startsWith(shard)).map(digestOf)
      if (digests.length > 0) yield { namespace, digests }
      if (found.length === 0) removeIfEmpty(`${blobs}/${namespace}/${shard}`)
    }
    removeIfEmpty(`${blobs}/${namespace}`)
  }
}

/** Size and age of a blob, undefined when it has gone. */
export function blobFacts(
  directory: string,
  namespace: string,
  digest: Digest,
): { sizeBytes: number; modifiedMs: number } | undefined {
  try {
    const { size, mtimeMs } = statSync(`${new DiskLayout(directory).shard(namespace, digest)}/${digestHex(digest)}`)
    return { sizeBytes: size, modifiedMs: mtimeMs }
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined
    throw error
  }
}

function names(path: string): string[] {
  try {
    return readdirSync(path)
  } catch (error) {
    // It went while we looked, or it is a foreign file.
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return []
    throw error
  }
}

function removeIfEmpty(path: string): void {
  try {
    rmdirSync(path)
  } catch (error) {
    if (!isErrno(error, 'ENOENT', 'ENOTDIR', 'ENOTEMPTY', 'EEXIST')) throw error
  }
}
