/** A file's path inside a resource or below a plan's root: relative, normal, printable, bounded. */
import { z } from 'zod'

/** Bytes in one name: what ext4, XFS and overlayfs take (NAME_MAX). */
export const nameBytesMax = 255
/** Bytes in a whole path: below PATH_MAX (4096) with room for the root it is joined to. */
export const pathBytesMax = 1024

/** The work directory of the localizer; nobody may put a file there. */
export const workDirectoryName = '.supercargo'

/**
 * Why a path is refused, or undefined when it is fine. The path is `/`-separated and never normalised: a path with `.`,
 * `..`, empty parts, a backslash, or control characters is refused, so that two spellings never name one file.
 * Unicode is kept as it is; `equalPaths` finds names that only differ in normalisation.
 */
export function pathFault(path: string): string | undefined {
  if (path === '') return 'it is empty'
  if (path.startsWith('/')) return 'it is absolute'
  if (Buffer.byteLength(path) > pathBytesMax) return `it is longer than ${pathBytesMax} bytes`
  if (!path.isWellFormed()) return 'it is not well-formed Unicode'
  if (/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/.test(path)) return 'it has a control character'
  if (path.includes('\\')) return 'it has a backslash'
  for (const name of path.split('/')) {
    if (name === '') return 'it has an empty part ("//" or a trailing "/")'
    if (name === '.' || name === '..') return `it has a "${name}" part`
    if (Buffer.byteLength(name) > nameBytesMax) return `a part of it is longer than ${nameBytesMax} bytes`
  }
  if (path === workDirectoryName || path.startsWith(`${workDirectoryName}/`))
    return `"${workDirectoryName}" is reserved`
  return undefined
}

export const filePathSchema = z.string().superRefine((path, context) => {
  const fault = pathFault(path)
  if (fault !== undefined)
    context.addIssue({ code: 'custom', message: `the path ${printable(path)} is refused: ${fault}` })
})

/**
 * The first conflict in a set of paths: two that are equal after Unicode normalisation (one file on some file systems),
 * or a file that stands where another path needs a directory.
 */
export function pathConflict(paths: Iterable<string>): string | undefined {
  const files = new Map<string, string>()
  for (const path of paths) {
    const key = path.normalize('NFC')
    const twin = files.get(key)
    if (twin !== undefined)
      return twin === path
        ? `${printable(path)} is there twice`
        : `${printable(twin)} and ${printable(path)} are one name`
    files.set(key, path)
  }
  for (const [key, path] of files) {
    for (let slash = key.lastIndexOf('/'); slash > 0; slash = key.lastIndexOf('/', slash - 1)) {
      const parent = files.get(key.slice(0, slash))
      if (parent !== undefined) return `${printable(parent)} is a file and cannot hold ${printable(path)}`
    }
  }
  return undefined
}

/** A string from outside, safe in a message: quoted, escaped, cut at 120 characters. */
export function printable(text: string): string {
  const quoted = JSON.stringify(text).replace(
    /[\u007f-\u009f\u2028\u2029]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
  return quoted.length > 120 ? `${quoted.slice(0, 117)}…"` : quoted
}
