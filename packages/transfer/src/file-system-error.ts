/** Translates Node's file-system errors into our kinds: the border file of node:fs. */
import { constants } from 'node:os'
import { type ErrorKind, SupercargoError } from '@supercargo/protocol'

interface Row {
  readonly kind: ErrorKind
  readonly code: string
  readonly says: string
  readonly hint?: string
}

const rows: Readonly<Record<string, Row>> = {
  ENOSPC: {
    kind: 'exhausted',
    code: 'disk-full',
    says: 'no space left on the device',
    hint: 'free space or use a larger volume',
  },
  EDQUOT: {
    kind: 'exhausted',
    code: 'disk-quota',
    says: 'the disk quota is used up',
    hint: 'free space or raise the quota',
  },
  EFBIG: { kind: 'tooLarge', code: 'file-too-large', says: 'the file system does not take a file of this size' },
  EROFS: {
    kind: 'unavailable',
    code: 'read-only-file-system',
    says: 'the file system is read-only',
    hint: 'mount it writable',
  },
  EACCES: {
    kind: 'denied',
    code: 'permission',
    says: 'permission denied',
    hint: 'check the owner, the mode and fsGroup of the directory',
  },
  EPERM: {
    kind: 'denied',
    code: 'permission',
    says: 'operation not permitted',
    hint: 'check the owner, the mode and fsGroup of the directory',
  },
  EMFILE: {
    kind: 'unavailable',
    code: 'too-many-open-files',
    says: 'too many open files',
    hint: 'raise the limit of open files (ulimit -n)',
  },
  ENFILE: { kind: 'unavailable', code: 'too-many-open-files', says: 'the system has too many open files' },
  ENOENT: { kind: 'notFound', code: 'no-such-file', says: 'no such file or directory' },
  ENOTDIR: { kind: 'invalid', code: 'not-a-directory', says: 'a part of the path is not a directory' },
  EISDIR: { kind: 'invalid', code: 'is-a-directory', says: 'it is a directory' },
  EEXIST: { kind: 'conflict', code: 'exists', says: 'it exists already' },
  ENOTEMPTY: { kind: 'conflict', code: 'directory-not-empty', says: 'the directory is not empty' },
  ENAMETOOLONG: { kind: 'invalid', code: 'name-too-long', says: 'the name is too long for the file system' },
  ELOOP: {
    kind: 'unsafe',
    code: 'symbolic-link',
    says: 'a symbolic link stands where a file or directory is expected',
  },
  ESHORT: {
    kind: 'corrupt',
    code: 'file-shrank',
    says: 'the file is shorter than it was',
    hint: 'do not change files while they are read',
  },
  EIO: {
    kind: 'internal',
    code: 'disk-error',
    says: 'the device reports an error',
    hint: 'check the health of the volume',
  },
}

/** `action` reads as the sentence's beginning: "cannot write /data/x". */
export function fromFileSystemError(error: unknown, action: string): SupercargoError {
  if (SupercargoError.is(error)) return error
  const row = rows[errnoName(error) ?? '']
  if (row === undefined) {
    const reason = error instanceof Error ? error.message : String(error)
    return new SupercargoError('internal', 'file-system', `${action}: ${reason}`, { cause: error })
  }
  return new SupercargoError(row.kind, row.code, `${action}: ${row.says}`, { cause: error, hint: row.hint })
}

/** True when the error is Node's error of this name (ENOENT, EEXIST …). */
export function isErrno(error: unknown, ...codes: string[]): boolean {
  const name = errnoName(error)
  return name !== undefined && codes.includes(name)
}

/** Node has no name for some numbers (EDQUOT): its code is then "Unknown system error -122", and the number says it. */
function errnoName(error: unknown): string | undefined {
  const { code, errno } = (error ?? {}) as NodeJS.ErrnoException
  if (errno === undefined || code === undefined || !code.startsWith('Unknown system error')) return code
  return Object.entries(constants.errno).find(([, number]) => number === -errno)?.[0]
}
