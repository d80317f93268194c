/** From the paths that a user names to the files that are staged: what is taken, what is refused, and under which name. */
import type { BigIntStats } from 'node:fs'
import { lstat, readdir, stat } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import { pathFault, printable, SupercargoError } from '@supercargo/protocol'
import { abortReason, fromFileSystemError, isErrno } from '@supercargo/transfer'

/** A file or directory of this machine. */
export interface LocalPath {
  readonly path: string
  /** The name inside the resource; of a directory, the folder that its files go into. Default: the file's base name; none. */
  readonly as?: string | undefined
}

export interface FoundFile {
  /** Inside the resource. */
  readonly path: string
  /** On this machine. */
  readonly source: string
  readonly sizeBytes: number
  /** Differs when the content may have changed: size and time of modification. */
  readonly stamp: string
}

/**
 * All regular files below the paths, in a stable order. Symbolic links to files are followed, as is a path that a user names
 * himself; a link to a directory further down is refused, because it can lead anywhere, also in a circle. What is neither
 * file nor directory is refused.
 */
export async function* walk(paths: Iterable<LocalPath>, signal?: AbortSignal): AsyncGenerator<FoundFile> {
  for (const { path, as } of paths) {
    const status = await look(path, stat)
    if (status.isDirectory()) yield* walkDirectory(resolve(path), as ?? '', signal)
    else yield found(path, as ?? basename(resolve(path)), status)
  }
}

async function* walkDirectory(directory: string, prefix: string, signal?: AbortSignal): AsyncGenerator<FoundFile> {
  if (signal?.aborted) throw abortReason(signal)
  const names = await readdir(directory).catch((error: unknown) => {
    throw fromFileSystemError(error, `cannot list ${directory}`)
  })
  for (const name of names.sort()) {
    const source = join(directory, name)
    const path = prefix === '' ? name : `${prefix}/${name}`
    const own = await look(source, lstat)
    const status = own.isSymbolicLink() ? await look(source, stat) : own
    if (own.isSymbolicLink() && status.isDirectory()) {
      throw new SupercargoError('unsafe', 'linked-directory', `${source} is a symbolic link to a directory`, {
        hint: 'name its target as a path of its own, or copy it',
      })
    }
    if (status.isDirectory()) yield* walkDirectory(source, path, signal)
    else yield found(source, path, status)
  }
}

/** `size:mtime` to the nanosecond. */
export function stampOf(status: BigIntStats): string {
  return `${status.size}:${status.mtimeNs}`
}

export function fileChanged(source: string, cause?: unknown): SupercargoError {
  return new SupercargoError('corrupt', 'file-changed', `${source} changed while it was staged`, {
    cause,
    hint: 'stage it again when nothing writes to it any more',
  })
}

function found(source: string, path: string, status: BigIntStats): FoundFile {
  if (!status.isFile())
    throw new SupercargoError('unsafe', 'not-a-file', `${source} is ${nature(status)}, not a file or directory`)
  const fault = pathFault(path)
  if (fault !== undefined) {
    throw new SupercargoError(
      'invalid',
      'bad-path',
      `${printable(source)} cannot be staged as ${printable(path)}: ${fault}`,
      {
        hint: 'give it another name with target=path',
      },
    )
  }
  return { path, source, sizeBytes: Number(status.size), stamp: stampOf(status) }
}

function nature(status: BigIntStats): string {
  if (status.isFIFO()) return 'a named pipe'
  if (status.isSocket()) return 'a socket'
  return 'a device'
}

async function look(source: string, call: typeof stat | typeof lstat): Promise<BigIntStats> {
  try {
    return await call(source, { bigint: true })
  } catch (error) {
    // A name that is no UTF-8 comes from the directory with replacement characters, and then nothing is found under it.
    if (isErrno(error, 'ENOENT') && source.includes('\ufffd'))
      throw new SupercargoError('invalid', 'bad-path', `the name ${printable(source)} is not valid UTF-8`)
    throw fromFileSystemError(error, `cannot read ${source}`)
  }
}
