/** A file that is being fetched: how much of it is held, and whether that can be continued by a later attempt or a later run. */
import { readFileSync } from 'node:fs'
import { type Digest, SupercargoError } from '@supercargo/protocol'
import type { Disk } from './disk.ts'

/** Smaller files are fetched again rather than continued: their note would cost more than their bytes. */
const notedBytesMin = 1 << 20

interface Note {
  readonly etag: string
  /** The boot in which the bytes were written: after a power cut a file can have its length and not its bytes. */
  readonly boot: string
}

/**
 * With a known digest any prefix may be continued, because the whole is verified in the end. Without one, only a prefix of
 * a strong ETag, written since the machine was started; it is continued under `If-Range`.
 */
export class PartialFile {
  readonly path: string
  readonly #digest: Digest | undefined
  readonly #disk: Disk
  #heldBytes = 0
  #etag: string | undefined

  constructor(path: string, digest: Digest | undefined, disk: Disk) {
    this.path = path
    this.#digest = digest
    this.#disk = disk
  }

  get heldBytes(): number {
    return this.#heldBytes
  }

  /** Of the bytes that are held. */
  get etag(): string | undefined {
    return this.#etag
  }

  /** Takes over what an earlier run has left, as far as it can be trusted. */
  async load(sizeBytes: number | undefined): Promise<void> {
    const stats = this.#disk.stat(this.path)
    if (stats === undefined) return
    const note = this.#digest === undefined ? await this.#readNote() : undefined
    const usable =
      stats.isFile() &&
      (sizeBytes === undefined || stats.size <= sizeBytes) &&
      (this.#digest !== undefined || (note !== undefined && note.boot === bootId()))
    if (!usable) return this.reset()
    this.#heldBytes = stats.size
    this.#etag = note?.etag
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
    const boot = bootId()
    if (!noted || boot === undefined || (same && this.#heldBytes > 0)) return
    this.#disk.writeSmall(this.#notePath, [Buffer.from(JSON.stringify({ etag, boot } satisfies Note))], 0o600)
  }

  /** Bytes from the start that are in the file for certain. */
  grownTo(bytes: number): void {
    this.#heldBytes = bytes
  }

  /** Forgets everything. */
  reset(): void {
    this.#heldBytes = 0
    this.#etag = undefined
    this.#disk.removeFile(this.path)
    this.#disk.removeFile(this.#notePath)
  }

  /** The note is of no use once the file is complete. */
  complete(): void {
    if (this.#digest === undefined && this.#etag !== undefined) this.#disk.removeFile(this.#notePath)
  }

  get #notePath(): string {
    return `${this.path}.etag`
  }

  async #readNote(): Promise<Note | undefined> {
    const text = await this.#disk.readText(this.#notePath)
    if (text === undefined) return undefined
    try {
      const note = JSON.parse(text) as Partial<Note>
      return typeof note.etag === 'string' && typeof note.boot === 'string'
        ? { etag: note.etag, boot: note.boot }
        : undefined
    } catch (error) {
      if (error instanceof SyntaxError || SupercargoError.is(error)) return undefined
      throw error
    }
  }
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
