/** Where fetched files go: partial files in a work directory, published by rename, nothing outside the target directory. */
import { createHash } from 'node:crypto'
import { type FileHandle, lstat, mkdir, open, realpath, rename, rm, rmdir } from 'node:fs/promises'
import { dirname, join, resolve, sep } from 'node:path'
import {
  type Digest,
  digestHex,
  digestOf,
  type StagedFile,
  SupercargoError,
  workDirectoryName,
} from '@supercargo/protocol'
import { fromFileSystemError, type Hasher, inside, isErrno } from '@supercargo/transfer'

/**
 * A directory that files are fetched into. A partial file is named by the digest of what it will be, so that a later run
 * goes on where one was cut; readers of the directory see a file's old content or its new one. Names are not synced: a
 * crash of the machine may take back the last of them.
 */
export class FetchTarget {
  readonly #root: string
  readonly #work: string
  readonly #hasher: Hasher
  readonly #parents = new Map<string, Promise<void>>()

  constructor(root: string, hasher: Hasher) {
    this.#root = root
    this.#work = join(root, workDirectoryName)
    this.#hasher = hasher
  }

  static async open(directory: string, hasher: Hasher): Promise<FetchTarget> {
    return translated(`cannot write into ${directory}`, async () => {
      await mkdir(join(directory, workDirectoryName), { recursive: true })
      return new FetchTarget(await realpath(resolve(directory)), hasher)
    })
  }

  /** True when the file is there already, with these bytes. Kind `conflict` when a directory stands in its place. */
  async holds(file: StagedFile, signal: AbortSignal | undefined): Promise<boolean> {
    const path = inside(this.#root, file.path)
    const status = await lstat(path).catch((error: unknown) => {
      if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined
      throw fromFileSystemError(error, `cannot read ${path}`)
    })
    if (status?.isDirectory())
      throw new SupercargoError('conflict', 'directory-in-the-way', `${path} is a directory where a file belongs`)
    if (status?.isFile() !== true || status.size !== file.sizeBytes) return false
    return (await this.#hasher.hashFile(path, file.sizeBytes, signal)) === file.digest
  }

  partialPath(digest: Digest): string {
    return join(this.#work, `${digestHex(digest)}.part`)
  }

  /** Opens a partial file, with the bytes that an earlier try left. */
  async openPartial(file: StagedFile): Promise<{ handle: FileHandle; offset: number }> {
    const path = this.partialPath(file.digest)
    return translated(`cannot write ${path}`, async () => {
      const handle = await open(path, 'a+').then(async (created) => {
        await created.close()
        return open(path, 'r+')
      })
      const { size } = await handle.stat()
      if (size < file.sizeBytes) return { handle, offset: size }
      if (size > file.sizeBytes) await handle.truncate(0)
      return { handle, offset: size > file.sizeBytes ? 0 : size }
    })
  }

  async dropPartial(digest: Digest): Promise<void> {
    await rm(this.partialPath(digest), { force: true })
  }

  /** Makes a complete and verified partial file the file. */
  async publish(file: StagedFile): Promise<void> {
    const path = inside(this.#root, file.path)
    await this.#parent(dirname(path))
    await translated(`cannot write ${path}`, () => rename(this.partialPath(file.digest), path))
  }

  /** Checks whole bytes against the digest, then writes and publishes them. */
  async put(file: StagedFile, bytes: Uint8Array): Promise<void> {
    const digest = digestOf(createHash('sha256').update(bytes).digest('hex'))
    if (digest !== file.digest) throw damaged(file, digest)
    const path = inside(this.#root, file.path)
    await this.#parent(dirname(path))
    const temporary = join(this.#work, `${digestHex(file.digest)}.${process.pid}.tmp`)
    await translated(`cannot write ${path}`, async () => {
      try {
        const handle = await open(temporary, 'w', 0o666)
        try {
          await handle.writeFile(bytes)
        } finally {
          await handle.close()
        }
        await rename(temporary, path)
      } catch (error) {
        await rm(temporary, { force: true })
        throw error
      }
    })
  }

  /** Removes the work directory when nothing partial is left in it. */
  async tidy(): Promise<void> {
    await rmdir(this.#work).catch(() => {
      // Partial files of a run that was cut stay for the next one.
    })
  }

  /** Directories on the way are made; one that is a link to elsewhere would lead out of the target and is refused. */
  #parent(directory: string): Promise<void> {
    let made = this.#parents.get(directory)
    if (made === undefined) {
      made = translated(`cannot make the directory ${directory}`, async () => {
        await mkdir(directory, { recursive: true })
        const real = await realpath(directory)
        if (real === this.#root || real.startsWith(this.#root === sep ? sep : this.#root + sep)) return
        throw new SupercargoError(
          'unsafe',
          'path-escape',
          `${directory} leads outside of ${this.#root} by a symbolic link`,
        )
      })
      this.#parents.set(directory, made)
    }
    return made
  }
}

export function damaged(file: StagedFile, digest: Digest): SupercargoError {
  const text = `the bytes of ${file.path} are not what was staged: ${digest} instead of ${file.digest}`
  return new SupercargoError('corrupt', 'digest-mismatch', text)
}

async function translated<T>(action: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw fromFileSystemError(error, action)
  }
}
