/** The directory of one command: its templates, its properties, and its jars under the paths that they have in the pods. */
import { mkdir, rm, symlink, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { fromFileSystemError } from '@supercargo/transfer'
import type { Composed } from './compose.ts'

/** Readable for this user alone. Everything is gone when it is disposed of. */
export async function makeWorkDirectory(
  path: string,
  { files, links }: Pick<Composed, 'files' | 'links'>,
): Promise<AsyncDisposable> {
  const remove = () => rm(path, { recursive: true, force: true })
  if (files.length === 0 && links.length === 0) return { [Symbol.asyncDispose]: async () => undefined }
  try {
    // Fails when it is there: nobody else prepares what Spark will believe.
    await mkdir(path, { mode: 0o700 })
  } catch (error) {
    throw fromFileSystemError(error, `cannot make ${path}`)
  }
  try {
    for (const file of files) await writeFile(file.path, file.text, { mode: 0o600, flag: 'wx' })
    for (const { path: link, target } of links) {
      await mkdir(dirname(link), { recursive: true })
      await symlink(target, link)
    }
  } catch (error) {
    await remove()
    throw fromFileSystemError(error, `cannot write into ${path}`)
  }
  return { [Symbol.asyncDispose]: remove }
}
