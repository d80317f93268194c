/** The report: what came from where, and what a later run compares the target with. Its rename commits a set. */

import { join } from 'node:path'
import { digestSchema, filePathSchema, parseJson, parseWith } from '@supercargo/protocol'
import { z } from 'zod'
import type { Disk } from './disk.ts'
import type { WorkDirectory } from './work-directory.ts'

const ms = z.number().min(0)

const fileSchema = z.object({
  path: filePathSchema,
  sizeBytes: z.int().min(0),
  /** With the inode: a file that was replaced or written since is told apart without reading it. */
  mtimeMs: z.number(),
  inode: z.number(),
})

const itemSchema = z.object({
  /** Names content, target and what was done with it. */
  key: z.string(),
  source: z.string(),
  target: z.string(),
  unpacked: z.boolean(),
  /** Of what was fetched; for an archive, of the archive. */
  sizeBytes: z.int().min(0),
  digest: digestSchema,
  /** 0 when it was in place already. */
  attempts: z.int().min(0),
  waitingMs: ms,
  receivingMs: ms,
  hashingMs: ms,
  writingMs: ms,
  files: z.array(fileSchema),
})

export const rootReportSchema = z.object({
  version: z.literal(1),
  root: z.string(),
  /** Of the plan that the target was made from. */
  plan: digestSchema,
  finishedAt: z.string(),
  elapsedMs: ms,
  items: z.array(itemSchema),
  /** Directories that were made for the set; they go with it when they are empty. */
  directories: z.array(filePathSchema),
  /** Files of the set before that this one does not name any more. */
  removed: z.array(z.string()),
})

export type ReportFile = z.infer<typeof fileSchema>
export type ReportItem = z.infer<typeof itemSchema>
export type RootReport = z.infer<typeof rootReportSchema>

export interface Totals {
  readonly files: number
  readonly bytes: number
  readonly fetchedItems: number
  readonly fetchedBytes: number
  readonly removed: number
  readonly elapsedMs: number
}

/** What `localize` resolves with, and `--json` prints. */
export interface Report {
  readonly version: 1
  readonly ok: true
  readonly roots: readonly RootReport[]
  readonly totals: Totals
}

/** The report of the set that is in place, or undefined when there is none that can be read: then nothing is taken for granted. */
export async function readReport(work: WorkDirectory, disk: Disk): Promise<RootReport | undefined> {
  const text = await disk.readText(work.report)
  if (text === undefined) return undefined
  try {
    return parseWith(rootReportSchema, parseJson(text, 'the report'), 'the report')
  } catch {
    // A damaged report only costs the work of fetching again.
    return undefined
  }
}

export function writeReport(report: RootReport, work: WorkDirectory, disk: Disk): Promise<void> {
  return disk.replaceText(work.report, `${JSON.stringify(report)}\n`, work.path)
}

/** True when every file of the item is as it was published. */
export function isIntact(item: Pick<ReportItem, 'files'>, root: string, disk: Disk): boolean {
  return item.files.every((file) => {
    const stats = disk.stat(join(root, file.path))
    return (
      stats?.isFile() === true &&
      stats.size === file.sizeBytes &&
      stats.mtimeMs === file.mtimeMs &&
      stats.ino === file.inode
    )
  })
}

/** The record of a complete file below `directory`, under the path that it will have. */
export function fileRecord(stats: { size: number; mtimeMs: number; ino: number }, path: string): ReportFile {
  return { path, sizeBytes: stats.size, mtimeMs: stats.mtimeMs, inode: stats.ino }
}

export function totalsOf(roots: readonly RootReport[], elapsedMs: number): Totals {
  const items = roots.flatMap((root) => root.items)
  const files = items.flatMap((item) => item.files)
  const fetched = items.filter((item) => item.attempts > 0)
  return {
    files: files.length,
    bytes: files.reduce((sum, file) => sum + file.sizeBytes, 0),
    fetchedItems: fetched.length,
    fetchedBytes: fetched.reduce((sum, item) => sum + item.sizeBytes, 0),
    removed: roots.reduce((sum, root) => sum + root.removed.length, 0),
    elapsedMs: Math.round(elapsedMs),
  }
}
