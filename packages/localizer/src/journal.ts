/** The journal: the decision to publish a set, written down before its first rename, so that any later run can finish it. */
import { filePathSchema, parseJson, parseWith, SupercargoError } from '@supercargo/protocol'
import { z } from 'zod'
import type { Disk } from './disk.ts'
import { rootReportSchema } from './report.ts'
import type { WorkDirectory } from './work-directory.ts'

const renameSchema = z.object({
  /** Below `incoming`; longer than a path of the set by the name of its archive's directory. */
  from: z.string().refine((path) => !path.startsWith('/') && !path.split('/').includes('..')),
  /** Below the root. */
  to: filePathSchema,
  /** Of the file, to know it again once it has its new name. */
  inode: z.number(),
  sizeBytes: z.int().min(0),
})

const journalSchema = z.object({
  version: z.literal(1),
  /** Files of the older set, removed first: one may stand where a directory has to be. */
  removals: z.array(filePathSchema),
  /** Directories of the older set, deepest first, removed where they are empty. */
  emptied: z.array(filePathSchema),
  /** Every directory that a target needs, parents first. */
  directories: z.array(filePathSchema),
  renames: z.array(renameSchema),
  report: rootReportSchema,
})

export type Journal = z.infer<typeof journalSchema>

/**
 * Undefined when nothing is being published. One that cannot be read is set aside and told: what it meant to do is done anew,
 * since the report and the verified files decide for every target whether it is in place.
 */
export async function readJournal(
  work: WorkDirectory,
  disk: Disk,
  log: (line: string) => void,
): Promise<Journal | undefined> {
  const stats = disk.stat(work.journal)
  if (stats === undefined) return undefined
  if (!stats.isFile()) return setAside('it is not a file', work, disk, log)
  const text = await disk.readText(work.journal)
  if (text === undefined) return undefined
  try {
    return parseWith(journalSchema, parseJson(text, 'the journal'), 'the journal')
  } catch (error) {
    if (!SupercargoError.is(error)) throw error
    return setAside(error.message, work, disk, log)
  }
}

/** Durable when it resolves: from here on the new set is what the target will hold. */
export function writeJournal(journal: Journal, work: WorkDirectory, disk: Disk): Promise<void> {
  return disk.replaceText(work.journal, JSON.stringify(journal), work.path)
}

export async function removeJournal(work: WorkDirectory, disk: Disk): Promise<void> {
  await disk.remove(work.journal)
  await disk.syncDirectory(work.path)
}

async function setAside(
  reason: string,
  work: WorkDirectory,
  disk: Disk,
  log: (line: string) => void,
): Promise<undefined> {
  await disk.remove(work.damagedJournal)
  await disk.rename(work.journal, work.damagedJournal)
  await disk.syncDirectory(work.path)
  log(
    `the journal of an interrupted publication in ${work.root} cannot be used (${reason}) and is kept as ${work.damagedJournal}; ` +
      'the set is made anew, and new files that this publication had renamed already stay unless the plan names them',
  )
  return undefined
}
