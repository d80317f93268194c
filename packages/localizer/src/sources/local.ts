/** `local:` URIs: part of the image. They must exist; nothing is fetched, nothing is touched. */
import { stat } from 'node:fs/promises'
import { SupercargoError } from '@supercargo/protocol'
import { fromFileSystemError, isErrno } from '@supercargo/transfer'
import { pathOf } from './file.ts'
import type { SourceItem } from './source.ts'

/** Rejects with kind `notFound` when the file is not in this image. */
export async function checkLocal(item: SourceItem): Promise<void> {
  const path = pathOf(item)
  try {
    await stat(path)
  } catch (error) {
    if (!isErrno(error, 'ENOENT', 'ENOTDIR')) throw fromFileSystemError(error, `cannot look at ${path}`)
    throw new SupercargoError('notFound', 'local-missing', `local:${path} is not in this image`, {
      hint: 'local: names a file of the image; use file: or a remote URI for anything else',
    })
  }
}
