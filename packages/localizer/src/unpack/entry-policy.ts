/** What an archive may contain: names, kinds, modes and amounts. One refused entry refuses the archive. No I/O. */
import { type PlanLimits, pathFault, printable, SupercargoError } from '@supercargo/protocol'
import { executableMode, fileMode } from '../disk.ts'

export type EntryKind = 'file' | 'directory' | 'other'

export interface Entry {
  readonly name: string
  readonly kind: EntryKind
  /** As the archive calls it, for the message: `symlink`, `fifo` … */
  readonly type: string
  /** Declared. */
  readonly sizeBytes: number
  readonly mode: number
}

export interface AcceptedEntry {
  /** Relative, normal, without a leading `./` or a trailing slash. */
  readonly path: string
  readonly directory: boolean
  readonly mode: number
}

type UnpackLimits = Pick<PlanLimits, 'unpackedBytesMax' | 'unpackedEntriesMax' | 'unpackedRatioMax'>

/** Directories inside each other. */
export const depthMax = 64
/** Until so much is unpacked, the ratio means nothing: a small text file packs a thousandfold. */
export const ratioGraceBytes = 16 << 20

/** Judges the entries of one archive in order. Throws kind `unsafe`, `corrupt` or `tooLarge`, naming the entry escaped. */
export class EntryPolicy {
  readonly #archive: string
  readonly #limits: UnpackLimits
  readonly #packedBytes: number
  /** Lower-case names differ on every file system that a pod mounts; normalisation forms may not. */
  readonly #files = new Set<string>()
  readonly #directories = new Set<string>()
  #entries = 0
  #bytes = 0

  constructor(archive: string, packedBytes: number, limits: UnpackLimits) {
    this.#archive = archive
    this.#packedBytes = packedBytes
    this.#limits = limits
  }

  /** Undefined for the root's own entry (`./`). */
  accept(entry: Entry): AcceptedEntry | undefined {
    this.#entries++
    if (this.#entries > this.#limits.unpackedEntriesMax) {
      throw this.#error(
        'tooLarge',
        'too-many-entries',
        `has more than ${this.#limits.unpackedEntriesMax} entries`,
        'raise limits.unpackedEntriesMax',
      )
    }
    const directory = entry.kind === 'directory'
    const path = entry.name.replace(/^(\.\/+)+/, '').replace(directory ? /\/+$/ : /$^/, '')
    if (directory && (path === '' || path === '.')) return undefined
    if (entry.kind === 'other')
      throw this.#entryError(entry.name, `it is a ${entry.type}; only files and directories are unpacked`)
    const fault =
      pathFault(path) ?? (path.split('/').length > depthMax ? `it is deeper than ${depthMax} directories` : undefined)
    if (fault !== undefined) throw this.#entryError(entry.name, fault)
    if (!Number.isSafeInteger(entry.sizeBytes) || entry.sizeBytes < 0)
      throw this.#entryError(entry.name, 'its size is not a number of bytes')
    if (this.#bytes + entry.sizeBytes > this.#limits.unpackedBytesMax) throw this.#tooManyBytes()
    this.#claim(entry.name, path.normalize('NFC'), directory)
    return { path, directory, mode: (entry.mode & 0o111) === 0 ? fileMode : executableMode }
  }

  /** Counts what really comes out; a declared size is only a promise. */
  unpacked(bytes: number): void {
    this.#bytes += bytes
    if (this.#bytes > this.#limits.unpackedBytesMax) throw this.#tooManyBytes()
    this.checkRatio(this.#bytes)
  }

  /** `streamBytes` came out of the decompressor, whatever they mean. */
  checkRatio(streamBytes: number): void {
    if (streamBytes <= ratioGraceBytes || streamBytes <= this.#packedBytes * this.#limits.unpackedRatioMax) return
    throw this.#error(
      'tooLarge',
      'archive-bomb',
      `unpacks to more than ${this.#limits.unpackedRatioMax} times its size`,
      'raise limits.unpackedRatioMax if that is meant',
    )
  }

  #claim(name: string, path: string, directory: boolean): void {
    for (let slash = path.lastIndexOf('/'); slash > 0; slash = path.lastIndexOf('/', slash - 1)) {
      const parent = path.slice(0, slash)
      if (this.#files.has(parent)) throw this.#entryError(name, 'it is inside of what another entry says is a file')
      if (this.#directories.has(parent)) break
      this.#directories.add(parent)
    }
    if (directory) {
      if (this.#files.has(path)) throw this.#entryError(name, 'another entry says it is a file')
      this.#directories.add(path)
      return
    }
    if (this.#files.has(path)) throw this.#entryError(name, 'it is there twice')
    if (this.#directories.has(path)) throw this.#entryError(name, 'another entry says it is a directory')
    this.#files.add(path)
  }

  #tooManyBytes(): SupercargoError {
    return this.#error(
      'tooLarge',
      'too-many-bytes',
      `unpacks to more than ${this.#limits.unpackedBytesMax} bytes`,
      'raise limits.unpackedBytesMax',
    )
  }

  #entryError(name: string, reason: string): SupercargoError {
    return this.#error('unsafe', 'unsafe-entry', `is refused because of its entry ${printable(name)}: ${reason}`)
  }

  #error(kind: 'unsafe' | 'tooLarge', code: string, says: string, hint?: string): SupercargoError {
    return new SupercargoError(kind, code, `the archive ${this.#archive} ${says}`, { hint })
  }
}
