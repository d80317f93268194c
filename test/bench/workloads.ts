/** What is moved: one large file, a set of jars, many small files; incompressible, as jars are. */
import { randomFillSync } from 'node:crypto'
import { closeSync, mkdirSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'

export interface Workload {
  readonly name: string
  readonly files: number
  readonly fileBytes: number
}

export const workloads: readonly Workload[] = [
  { name: '1 x 1 GiB', files: 1, fileBytes: 2 ** 30 },
  { name: '200 x 1 MiB', files: 200, fileBytes: 2 ** 20 },
  { name: '1000 x 10 KiB', files: 1000, fileBytes: 10 * 2 ** 10 },
]

/** Fills `directory` with the workload's files and returns their names. */
export function makeFiles(workload: Workload, directory: string): string[] {
  mkdirSync(directory, { recursive: true })
  const names = Array.from({ length: workload.files }, (_, index) => `file-${String(index).padStart(4, '0')}.jar`)
  for (const name of names) writeRandom(join(directory, name), workload.fileBytes)
  return names
}

/** Replaces one percent of the files (at least one) by others of the same size. */
export function changeOnePercent(names: readonly string[], workload: Workload, directory: string): void {
  for (const name of names.slice(0, Math.max(1, Math.round(names.length / 100))))
    writeRandom(join(directory, name), workload.fileBytes)
}

function writeRandom(path: string, bytes: number): void {
  const block = Buffer.allocUnsafe(Math.min(bytes, 4 << 20))
  const fd = openSync(path, 'w')
  try {
    for (let written = 0; written < bytes; ) {
      randomFillSync(block)
      written += writeSync(fd, block, 0, Math.min(block.length, bytes - written))
    }
  } finally {
    closeSync(fd)
  }
}
