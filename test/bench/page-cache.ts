/**
 * A page cache that is full, as on any machine that has been up for a while.
 *
 * A virtual machine whose free pages went back to its host pays for each of them again at the first touch, up to ten times
 * the write itself, and whoever runs next in a benchmark pays for the others. With a full cache every new page comes from
 * the reclaim of a clean one, for every contender alike.
 */
import { closeSync, ftruncateSync, openSync, readFileSync, readSync } from 'node:fs'
import { totalmem } from 'node:os'

/** Free memory at which the kernel has begun to reclaim, so that no untouched page is left to hand out. */
const freeBytesMax = 600 << 20

export class PageCache {
  readonly #file: number
  readonly #block = Buffer.alloc(4 << 20)
  readonly #sizeBytes = 2 * totalmem()
  #position = 0

  /** `path` becomes a file of holes: reading it fills memory and writes nothing to the disk. */
  constructor(path: string) {
    this.#file = openSync(path, 'w+')
    ftruncateSync(this.#file, this.#sizeBytes)
  }

  /** Reads until memory is full, at most once through the file. */
  fill(): void {
    for (let bytes = 0; bytes < this.#sizeBytes && freeBytes() > freeBytesMax; bytes += this.#block.length) {
      readSync(this.#file, this.#block, 0, this.#block.length, this.#position)
      this.#position = (this.#position + this.#block.length) % this.#sizeBytes
    }
  }

  close(): void {
    closeSync(this.#file)
  }
}

function freeBytes(): number {
  return Number(/^MemFree:\s+(\d+) kB/m.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1] ?? 0) * 1024
}
