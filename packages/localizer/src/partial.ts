/** A file that is being fetched: how much of it is held, and whether that can be continued by a later attempt or a later run. */
import { readFileSync } from 'node:fs'
import type { Digest } from '@supercargo/protocol'
import { z } from 'zod'
import type { Disk } from './disk.ts'
import type { Span } from './parts.ts'

/** Smaller files are fetched again rather than continued: their note would cost more than their bytes. */
const notedBytesMin = 1 << 20
/** Longer than any note, so that none leaves a rest of the one before. */
const notePadding = 2048

const noteSchema = z.object({
  etag: z.string(),
  /** The boot in which the bytes were written: after a power cut a file can have its length and not its bytes. */
  boot: z.string(),
  sizeBytes: z.int().min(0).optional(),
  /** Of a file that several connections bring: the stretches that are still to come. Without it, what is there has no gaps. */
  missing: z.array(z.tuple([z.int().min(0), z.int().min(0)])).optional(),
})
type Note = z.infer<typeof noteSchema>

/**
 * With a known digest any prefix may be continued, because the whole is verified in the end. Without one, only a prefix of
 * a strong ETag, written since the machine was started; it is continued under `If-Range`. The same holds for every file
 * in parts, whose gaps are in its note.
 */
export class PartialFile {
  readonly path: string
  readonly #digest: Digest | undefined
  readonly #disk: Disk
  #heldBytes = 0
  #etag: string | undefined
  #sizeBytes: number | undefined
  #missing: readonly Span[] | undefined

  constructor(path: string, digest: Digest | undefined, disk: Disk) {
    this.path = path
    this.#digest = digest
    this.#disk = disk
  }

  /** From the start, without a gap. */
  get heldBytes(): number {
    return this.#heldBytes
  }

  /** Everywhere: it grows whenever an attempt brought something. */
  get broughtBytes(): number {
    if (this.#missing === undefined) return this.#heldBytes
    return this.#missing.reduce((sum, [from, to]) => sum - (to - from), this.#sizeBytes!)
  }

  /** Of the bytes that are held. */
  get etag(): string | undefined {
    return this.#etag
  }

  /** Several connections bring it, or did: then it may have gaps, and they are in the note. */
  get isInParts(): boolean {
    return this.#missing !== undefined
  }

  /** What is left to bring of a file in parts, and of which version and size of item. */
  get parts(): { readonly etag: string; readonly sizeBytes: number; readonly missing: readonly Span[] } | undefined {
    if (this.#missing === undefined) return undefined
    return { etag: this.#etag!, sizeBytes: this.#sizeBytes!, missing: this.#missing }
  }

  /**
   * Takes over what an earlier run has left, as far as it can be trusted. Without a digest the last byte is asked for once more,
   * also of a file that is complete: the answer says whether the version is still the same.
   */
  async load(sizeBytes: number | undefined): Promise<void> {
    const stats = this.#disk.stat(this.path)
    if (stats === undefined) return
    const note = await this.#readNote()
    const ofNow = note !== undefined && note.boot === bootId()
    const missing = note?.missing
    const usable =
      stats.isFile() &&
      (sizeBytes === undefined || stats.size <= sizeBytes) &&
      (missing === undefined
        ? this.#digest !== undefined || ofNow
        : ofNow && note.sizeBytes !== undefined && areGaps(missing, note.sizeBytes))
    if (!usable) return this.reset()
    this.#etag = ofNow ? note.etag : undefined
    if (missing === undefined) {
      this.#heldBytes = this.#digest === undefined ? Math.max(0, stats.size - 1) : stats.size
      return
    }
    const total = note!.sizeBytes!
    this.#sizeBytes = total
    this.#missing = missing.length === 0 && this.#digest === undefined ? [[Math.max(0, total - 1), total]] : missing
    this.#heldBytes = this.#missing[0]?.[0] ?? total
  }

  /** Whether bytes that are held now could be continued by another request. */
  get continuable(): boolean {
    return this.#digest !== undefined || this.#etag !== undefined
  }

  /** From now on bytes of this version are appended. Called before the first of them is written. */
  begin(etag: string | undefined, sizeBytes: number | undefined): void {
    const same = etag === this.#etag
    this.#etag = etag
    const noted =
      this.#digest === undefined && etag !== undefined && (sizeBytes ?? Number.POSITIVE_INFINITY) >= notedBytesMin
    if (!noted || (same && this.#heldBytes > 0)) return
    this.#writeNote()
  }

  /** From now on several connections bring the version that `begin` named. Called before the first of them writes behind a gap. */
  divide(sizeBytes: number, missing: readonly Span[]): void {
    this.#sizeBytes = sizeBytes
    this.#missing = missing
    this.#writeNote()
  }

  /** Everything but this is written. */
  lacks(missing: readonly Span[]): void {
    this.#heldBytes = missing[0]?.[0] ?? this.#sizeBytes ?? this.#heldBytes
    if (this.#missing === undefined) return
    this.#missing = missing
    this.#writeNote()
  }

  /** Bytes from the start that are in the file for certain, where it has no gaps. */
  grownTo(bytes: number): void {
    this.#heldBytes = bytes
  }

  /** Forgets everything. */
  reset(): void {
    this.#heldBytes = 0
    this.#etag = undefined
    this.#missing = undefined
    this.#sizeBytes = undefined
    this.#disk.removeFile(this.path)
    this.#disk.removeFile(this.#notePath)
  }

  get #notePath(): string {
    return `${this.path}.etag`
  }

  #writeNote(): void {
    const boot = bootId()
    if (boot === undefined) return
    const note: Note = {
      etag: this.#etag!,
      boot,
      ...(this.#missing === undefined
        ? {}
        : { sizeBytes: this.#sizeBytes, missing: this.#missing.map(([from, to]): [number, number] => [from, to]) }),
    }
    // In place and within one page: whenever the process is killed, the old or the new note is there.
    const fd = this.#disk.open(this.#notePath, false)
    try {
      this.#disk.writeAt(fd, Buffer.from(JSON.stringify(note).padEnd(notePadding)), 0, this.#notePath)
    } finally {
      this.#disk.closeAtOnce(fd)
    }
  }

  async #readNote(): Promise<Note | undefined> {
    const text = await this.#disk.readText(this.#notePath)
    if (text === undefined) return undefined
    try {
      return noteSchema.safeParse(JSON.parse(text)).data
    } catch (error) {
      if (error instanceof SyntaxError) return undefined
      throw error
    }
  }
}

/** In order, apart, and within the file. */
function areGaps(missing: readonly Span[], sizeBytes: number): boolean {
  return missing.every(([from, to], index) => from < to && to <= sizeBytes && from >= (missing[index - 1]?.[1] ?? 0))
}

let boot: string | null | undefined

/** Changes when the machine is started. Undefined where the kernel does not tell: then nothing is continued without a digest. */
function bootId(): string | undefined {
  if (boot === undefined) {
    try {
      boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
    } catch {
      // Not Linux.
      boot = null
    }
  }
  return boot ?? undefined
}
