/** The few operations of the file system that the disk store uses, as a port, so that a test can fail the n-th of them. */
import * as fs from 'node:fs'

export interface FileFacts {
  readonly sizeBytes: number
  readonly modifiedMs: number
  readonly directory: boolean
  /** Regular: not a directory, link, socket or device. */
  readonly file: boolean
}

/**
 * Promises are the operations that may take long. The ones that end in `Now` take microseconds, block, and throw: one
 * such call costs less than the way through the thread pool, which decides the speed of thousands of small blobs.
 * Every failure is Node's own error; the store translates it.
 */
export interface FileSystem {
  openNow(path: string, flags: number, mode: number): number
  writeNow(fd: number, bytes: Uint8Array, position: number): number
  chmodNow(fd: number, mode: number): void
  /** For a descriptor with nothing left to write. */
  closeNow(fd: number): void
  open(path: string, flags: number): Promise<number>
  close(fd: number): Promise<void>
  /** May write fewer bytes than given. */
  writev(fd: number, chunks: readonly Uint8Array[], position: number): Promise<number>
  read(fd: number, buffer: Uint8Array, offset: number, length: number, position: number): Promise<number>
  fsync(fd: number): Promise<void>
  fdatasync(fd: number): Promise<void>
  fstat(fd: number): Promise<FileFacts>
  /** Does not follow a link. */
  stat(path: string): Promise<FileFacts>
  list(path: string): Promise<string[]>
  readText(path: string): Promise<string>
  makeDirectory(path: string): Promise<void>
  removeDirectory(path: string): Promise<void>
  rename(from: string, to: string): Promise<void>
  unlink(path: string): Promise<void>
  setModified(path: string, atMs: number): Promise<void>
  /** Bytes that this process may still write to the file system of `path`. */
  freeBytes(path: string): Promise<number>
}

/** Only its owner may enter a directory of the store. */
const directoryMode = 0o700

export const nodeFileSystem: FileSystem = {
  openNow: (path, flags, mode) => fs.openSync(path, flags, mode),
  writeNow: (fd, bytes, position) => fs.writeSync(fd, bytes, 0, bytes.length, position),
  chmodNow: (fd, mode) => fs.fchmodSync(fd, mode),
  closeNow: (fd) => fs.closeSync(fd),
  open: (path, flags) =>
    new Promise((resolve, reject) => fs.open(path, flags, (error, fd) => (error ? reject(error) : resolve(fd)))),
  close: (fd) => new Promise((resolve, reject) => fs.close(fd, (error) => (error ? reject(error) : resolve()))),
  writev: (fd, chunks, position) =>
    new Promise((resolve, reject) =>
      fs.writev(fd, chunks, position, (error, written) => (error ? reject(error) : resolve(written))),
    ),
  read: (fd, buffer, offset, length, position) =>
    new Promise((resolve, reject) =>
      fs.read(fd, buffer, offset, length, position, (error, read) => (error ? reject(error) : resolve(read))),
    ),
  fsync: (fd) => new Promise((resolve, reject) => fs.fsync(fd, (error) => (error ? reject(error) : resolve()))),
  fdatasync: (fd) => new Promise((resolve, reject) => fs.fdatasync(fd, (error) => (error ? reject(error) : resolve()))),
  fstat: (fd) =>
    new Promise((resolve, reject) => fs.fstat(fd, (error, stats) => (error ? reject(error) : resolve(facts(stats))))),
  stat: (path) =>
    new Promise((resolve, reject) => fs.lstat(path, (error, stats) => (error ? reject(error) : resolve(facts(stats))))),
  list: (path) => fs.promises.readdir(path),
  readText: (path) =>
    new Promise((resolve, reject) =>
      fs.readFile(path, 'utf8', (error, text) => (error ? reject(error) : resolve(text))),
    ),
  makeDirectory: (path) => fs.promises.mkdir(path, { mode: directoryMode }),
  removeDirectory: (path) => fs.promises.rmdir(path),
  rename: (from, to) =>
    new Promise((resolve, reject) => fs.rename(from, to, (error) => (error ? reject(error) : resolve()))),
  unlink: (path) => new Promise((resolve, reject) => fs.unlink(path, (error) => (error ? reject(error) : resolve()))),
  setModified: (path, atMs) => fs.promises.utimes(path, atMs / 1000, atMs / 1000),
  freeBytes: async (path) => {
    const { bavail, bsize } = await fs.promises.statfs(path)
    return bavail * bsize
  },
}

/** Makes the names in a directory durable. */
export async function syncDirectory(system: FileSystem, path: string): Promise<void> {
  const fd = await system.open(path, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY)
  try {
    await system.fsync(fd)
  } finally {
    await system.close(fd)
  }
}

/** Writes a new file whole and makes its bytes (not yet its name) durable. Whatever stood at `path` is replaced. */
export async function writeFileDurably(system: FileSystem, path: string, content: string | Uint8Array): Promise<void> {
  const bytes = typeof content === 'string' ? Buffer.from(content) : content
  const fd = system.openNow(
    path,
    fs.constants.O_WRONLY | fs.constants.O_CREAT | fs.constants.O_TRUNC | fs.constants.O_NOFOLLOW,
    0o600,
  )
  try {
    writeAllNow(system, fd, bytes, 0)
    await system.fsync(fd)
  } finally {
    await system.close(fd)
  }
}

/**
 * Writes all chunks at `position`; `landed` is told of each part that the file system took. A short write is no failure
 * yet: a file system that fills up takes a part first and fails at the next call.
 */
export async function writeAll(
  system: FileSystem,
  fd: number,
  chunks: readonly Uint8Array[],
  position: number,
  landed: (bytes: number) => void,
): Promise<void> {
  let at = position
  for (let left = chunks; left.length > 0; ) {
    const written = await system.writev(fd, left, at)
    if (written === 0) throw Object.assign(new Error('the file system took no bytes'), { code: 'ENOSPC' })
    at += written
    landed(written)
    left = behind(left, written)
  }
}

/** Loops until all bytes are written: a file system that fills up takes a part first and fails at the next call. */
export function writeAllNow(system: FileSystem, fd: number, bytes: Uint8Array, position: number): void {
  for (let done = 0; done < bytes.length; ) {
    const written = system.writeNow(fd, done === 0 ? bytes : bytes.subarray(done), position + done)
    if (written === 0) throw Object.assign(new Error('the file system took no bytes'), { code: 'ENOSPC' })
    done += written
  }
}

function facts(stats: fs.Stats): FileFacts {
  return { sizeBytes: stats.size, modifiedMs: stats.mtimeMs, directory: stats.isDirectory(), file: stats.isFile() }
}

/** The chunks without their first `written` bytes. */
function behind(chunks: readonly Uint8Array[], written: number): readonly Uint8Array[] {
  let bytes = written
  for (const [index, chunk] of chunks.entries()) {
    if (bytes < chunk.length) return [chunk.subarray(bytes), ...chunks.slice(index + 1)]
    bytes -= chunk.length
  }
  return []
}
