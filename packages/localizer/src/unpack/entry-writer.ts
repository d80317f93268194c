/** Entries of an archive onto disk below a fresh directory; nothing here is visible outside of the work directory. */
import { dirname, join } from 'node:path'
import { FileSink, inside } from '@supercargo/transfer'
import { type Disk, workMode } from '../disk.ts'
import type { SyncQueue } from '../sync-queue.ts'
import type { AcceptedEntry } from './entry-policy.ts'

/** Entries up to this size are gathered and written in one call. */
const smallBytesMax = 1 << 20

export interface EntryTarget {
  /** Undefined: go on; a promise: wait for it. */
  write(chunk: Uint8Array): Promise<void> | undefined
  end(): Promise<void>
  abandon(): Promise<void>
}

export class EntryWriter {
  readonly #directory: string
  readonly #disk: Disk
  readonly #syncs: SyncQueue
  readonly #made = new Set<string>(['.'])
  /** Paths of the files that are complete. */
  readonly files: string[] = []
  /** Directories that the archive names, also empty ones. */
  readonly directories: string[] = []

  constructor(directory: string, disk: Disk, syncs: SyncQueue) {
    this.#directory = directory
    this.#disk = disk
    this.#syncs = syncs
  }

  async directory(path: string): Promise<void> {
    await this.#makeAll(path)
    this.directories.push(path)
  }

  /** A file whose declared size decides how it is written. */
  async file(entry: AcceptedEntry, sizeBytes: number): Promise<EntryTarget> {
    await this.#makeAll(dirname(entry.path))
    const path = inside(this.#directory, entry.path)
    return sizeBytes <= smallBytesMax ? this.#small(entry, path) : await this.#large(entry, path)
  }

  #small(entry: AcceptedEntry, path: string): EntryTarget {
    const chunks: Uint8Array[] = []
    return {
      write: (chunk) => {
        chunks.push(chunk)
        return undefined
      },
      end: async () => {
        this.#disk.writeSmall(path, chunks, entry.mode)
        this.#complete(entry, path)
      },
      abandon: async () => {},
    }
  }

  async #large(entry: AcceptedEntry, path: string): Promise<EntryTarget> {
    const fd = this.#disk.open(path, true)
    const sink = new FileSink(fd, path)
    return {
      write: (chunk) => sink.write(chunk),
      end: async () => {
        try {
          await sink.flush()
          this.#disk.setMode(fd, entry.mode)
        } finally {
          await this.#disk.close(fd)
        }
        this.#complete(entry, path)
      },
      abandon: async () => {
        await sink.flush().catch(() => {
          // The directory is removed with everything in it.
        })
        await this.#disk.close(fd)
      },
    }
  }

  #complete(entry: AcceptedEntry, path: string): void {
    this.#syncs.add(path)
    this.files.push(entry.path)
  }

  async #makeAll(path: string): Promise<void> {
    if (this.#made.has(path)) return
    await this.#makeAll(dirname(path))
    await this.#disk.makeDirectory(join(this.#directory, path), workMode)
    this.#made.add(path)
  }
}
