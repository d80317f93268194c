/** Writes privately, then publishes by one rename: file synced, renamed, directory synced. */
import { randomBytes } from 'node:crypto'
import { open, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fromFileSystemError } from './file-system-error.ts'

/** Makes the names in a directory durable (rename, create and unlink are only after this). */
export async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/**
 * Replaces `path` by `bytes`, atomically and durably: readers see the old or the new, and after it resolves a crash cannot
 * bring the old back. `scratch` is where the unfinished file lives: a directory of the same file system.
 */
export async function writeDurably(
  path: string,
  bytes: string | Uint8Array,
  options: { scratch?: string; mode?: number } = {},
): Promise<void> {
  const temporary = join(options.scratch ?? dirname(path), `.${randomBytes(9).toString('base64url')}.tmp`)
  try {
    const handle = await open(temporary, 'wx', options.mode ?? 0o600)
    try {
      await handle.writeFile(bytes)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(temporary, path)
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {
      // The failure that led here is the one to report; a leftover under a temporary name is swept.
    })
    throw fromFileSystemError(error, `cannot write ${path}`)
  }
  await syncDirectory(dirname(path)).catch((error: unknown) => {
    throw fromFileSystemError(error, `cannot sync ${dirname(path)}`)
  })
}
