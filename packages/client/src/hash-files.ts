/** Digests of local files: a few small ones at once, more on a thread of their own while the walk goes on. */
import { stat } from 'node:fs/promises'
import { type Digest, pathConflict, SupercargoError } from '@supercargo/protocol'
import { forEachLimited, fromFileSystemError, Hasher } from '@supercargo/transfer'
import type { ProgressMeter } from './progress.ts'
import { type FoundFile, fileChanged, stampOf } from './walk.ts'

export interface HashedFile extends FoundFile {
  readonly digest: Digest
}

/** Files on their way to the hashing thread, so that it never waits for the walk. */
const ahead = 8
/** What a thread of its own is not worth. */
const hereBytesMax = 16 << 20

/** Every file with its digest, in the walk's order. Two files for one name are refused, before anything is sent. */
export async function hashFiles(
  files: AsyncIterable<FoundFile>,
  meter: ProgressMeter,
  signal?: AbortSignal,
): Promise<HashedFile[]> {
  await using hasher = new Hasher({ hereBytesMax })
  const hashed: HashedFile[] = []
  let count = 0
  await forEachLimited(
    numbered(files, () => count++, meter),
    ahead,
    async ([index, file], stop) => {
      const digest = await hasher.hashFile(file.source, file.sizeBytes, stop, (bytes) => meter.add(bytes))
      await checkUnchanged(file)
      hashed[index] = { ...file, digest }
    },
    signal,
  )
  const conflict = pathConflict(hashed.map((file) => file.path))
  if (conflict !== undefined) {
    throw new SupercargoError('conflict', 'duplicate-path', `two files want one name: ${conflict}`, {
      hint: 'give one of them another name with target=path',
    })
  }
  return hashed
}

async function checkUnchanged(file: FoundFile): Promise<void> {
  const status = await stat(file.source, { bigint: true }).catch((error: unknown) => {
    throw fromFileSystemError(error, `cannot read ${file.source}`)
  })
  if (stampOf(status) !== file.stamp) throw fileChanged(file.source)
}

async function* numbered(
  files: AsyncIterable<FoundFile>,
  next: () => number,
  meter: ProgressMeter,
): AsyncGenerator<[number, FoundFile]> {
  for await (const file of files) {
    meter.expect(file.sizeBytes)
    yield [next(), file]
  }
}
