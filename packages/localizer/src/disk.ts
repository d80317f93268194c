/** The calls that change or look at the target's file system, as one port: what is published goes through here. */

import * as fs from 'node:fs'
import { lstatSync, type Stats } from 'node:fs'
import { constants, copyFile, lstat, mkdir, readdir, readFile, rename, rm, rmdir } from 'node:fs/promises'
import { promisify } from 'node:util'
import { fromFileSystemError, isErrno, syncDirectory, writeDurably } from '@supercargo/transfer'

/** Published modes, whatever the umask: the main container runs as another user. */
export const fileMode = 0o644
export const executableMode = 0o755
export const directoryMode = 0o755
/** Work in progress is nobody else's. */
export const workMode = 0o700

/**
 * Every method fails with our kinds, naming the path. None follows a symbolic link at the end of its path. What a transfer
 * needs before its first byte is synchronous: between an answer and its reader nothing may wait, or a cut goes unheard.
 */
export interface Disk {
  /** Undefined when nothing is there. */
  stat(path: string): Stats | undefined
  /** Makes one directory, if it is not there, with exactly this mode. True when it was made. */
  makeDirectory(path: string, mode: number): Promise<boolean>
  list(path: string): Promise<string[]>
  /** Undefined when nothing is there. */
  readText(path: string): Promise<string | undefined>
  /** Opens for positional writes; `fresh` empties what is there. Close with `close`. */
  open(path: string, fresh: boolean): number
  close(fd: number): Promise<void>
  /** Synchronously: of a file that was written synchronously, too. */
  closeAtOnce(fd: number): void
  /** Makes a file's bytes durable. */
  syncPath(path: string): Promise<void>
  syncDirectory(path: string): Promise<void>
  /** A whole small file at once, synchronously: a thousand of them cost a tenth of a thousand streams. */
  writeSmall(path: string, chunks: readonly Uint8Array[], mode: number): void
  /** Writes all of a chunk at a position, synchronously. */
  writeAt(fd: number, chunk: Uint8Array, position: number, path: string): void
  setMode(fd: number, mode: number): void
  /** Replaces a text file atomically and durably. */
  replaceText(path: string, text: string, scratch: string): Promise<void>
  copy(from: string, to: string): Promise<void>
  rename(from: string, to: string): Promise<void>
  /** Removes one file; nothing there is fine. */
  removeFile(path: string): void
  /** Removes a file or a whole tree; nothing there is fine. */
  remove(path: string): Promise<void>
  /** False when it is not empty, not there or no directory. */
  removeDirectory(path: string): Promise<boolean>
  /** Bytes that may still be written. */
  freeBytes(path: string): number
}

/**
 * Of one write. Linux takes memory for the page cache in pieces of the size of the write, and a virtual machine that gives its
 * free memory back does so in large pieces, which the host then has to supply anew: measured over 256 MiB in such a
 * machine, 0.06 s of system time by 64 KiB, 0.2 to 0.8 s by 128 KiB and more. Elsewhere the further calls cost a hundredth of a second.
 */
const pieceBytesMax = 64 << 10

const closeFile = promisify(fs.close)
const syncFile = promisify(fs.fsync)

export const realDisk: Disk = {
  stat: (path) =>
    told(`cannot look at ${path}`, () => {
      try {
        return lstatSync(path, { throwIfNoEntry: false })
      } catch (error) {
        if (isErrno(error, 'ENOTDIR')) return undefined
        throw error
      }
    }),
  makeDirectory: (path, mode) =>
    telling(`cannot make the directory ${path}`, async () => {
      try {
        await mkdir(path, { mode })
      } catch (error) {
        if (isErrno(error, 'EEXIST') && (await lstat(path)).isDirectory()) return false
        throw error
      }
      await fs.promises.chmod(path, mode)
      return true
    }),
  list: (path) => telling(`cannot list ${path}`, () => readdir(path)),
  readText: (path) =>
    telling(`cannot read ${path}`, async () => {
      try {
        return await readFile(path, 'utf8')
      } catch (error) {
        if (isErrno(error, 'ENOENT')) return undefined
        throw error
      }
    }),
  open: (path, fresh) => {
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_NOFOLLOW | (fresh ? constants.O_TRUNC : 0)
    return told(`cannot write ${path}`, () => fs.openSync(path, flags, fileMode))
  },
  closeAtOnce: (fd) => told('cannot close a file', () => fs.closeSync(fd)),
  close: (fd) => telling('cannot close a file', () => closeFile(fd)),
  syncPath: (path) =>
    telling(`cannot sync ${path}`, async () => {
      // Only the sync itself waits for the device; to open and close on the thread pool too would triple the trips.
      const fd = fs.openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW)
      try {
        await syncFile(fd)
      } finally {
        fs.closeSync(fd)
      }
    }),
  syncDirectory: (path) => telling(`cannot sync ${path}`, () => syncDirectory(path)),
  writeSmall: (path, chunks, mode) =>
    told(`cannot write ${path}`, () => {
      const fd = fs.openSync(
        path,
        constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW,
        mode,
      )
      try {
        writeAll(fd, chunks)
        fs.fchmodSync(fd, mode)
      } finally {
        fs.closeSync(fd)
      }
    }),
  writeAt: (fd, chunk, position, path) =>
    told(`cannot write ${path}`, () => {
      for (let done = 0; done < chunk.length; )
        done += fs.writeSync(fd, chunk, done, Math.min(chunk.length - done, pieceBytesMax), position + done)
    }),
  setMode: (fd, mode) => told('cannot set the mode of a file', () => fs.fchmodSync(fd, mode)),
  replaceText: (path, text, scratch) => writeDurably(path, text, { scratch, mode: fileMode }),
  copy: (from, to) => telling(`cannot copy to ${to}`, () => copyFile(from, to, constants.COPYFILE_FICLONE)),
  rename: (from, to) => telling(`cannot rename to ${to}`, () => rename(from, to)),
  removeFile: (path) =>
    told(`cannot remove ${path}`, () => {
      try {
        fs.unlinkSync(path)
      } catch (error) {
        if (!isErrno(error, 'ENOENT')) throw error
      }
    }),
  remove: (path) => telling(`cannot remove ${path}`, () => rm(path, { recursive: true, force: true })),
  removeDirectory: async (path) => {
    try {
      await rmdir(path)
      return true
    } catch (error) {
      if (isErrno(error, 'ENOTEMPTY', 'EEXIST', 'ENOENT', 'ENOTDIR')) return false
      throw fromFileSystemError(error, `cannot remove the directory ${path}`)
    }
  },
  freeBytes: (path) =>
    told(`cannot ask for the free space of ${path}`, () => {
      const { bavail, bsize } = fs.statfsSync(path)
      return bavail * bsize
    }),
}

/** A short count is no error: a full disk gives one before it says ENOSPC. */
function writeAll(fd: number, chunks: readonly Uint8Array[]): void {
  const bytes = chunks.reduce((sum, chunk) => sum + chunk.length, 0)
  if (bytes === 0) return
  let written = fs.writevSync(fd, chunks as Uint8Array[], 0)
  if (written === bytes) return
  const rest = Buffer.concat(chunks)
  while (written < bytes) written += fs.writeSync(fd, rest, written, bytes - written, written)
}

async function telling<T>(action: string, call: () => Promise<T>): Promise<T> {
  try {
    return await call()
  } catch (error) {
    throw fromFileSystemError(error, action)
  }
}

function told<T>(action: string, call: () => T): T {
  try {
    return call()
  } catch (error) {
    throw fromFileSystemError(error, action)
  }
}
