/** Publication of a verified set: journal, renames, report. After any interruption the next run goes on where this one stopped. */
import { createHash } from 'node:crypto'
import { dirname, join } from 'node:path'
import { digestOf, SupercargoError } from '@supercargo/protocol'
import { forEachLimited, inside } from '@supercargo/transfer'
import { type Disk, directoryMode } from './disk.ts'
import { type Journal, readJournal, removeJournal, writeJournal } from './journal.ts'
import { isIntact, type RootReport, readReport, writeReport } from './report.ts'
import { checkTargets, isReachable } from './targets.ts'
import type { WorkDirectory } from './work-directory.ts'

/** Renames at a time: they wait for the disk, not for the processor. */
const renamesMax = 8

/**
 * Makes the set visible. Everything in `incoming` that the journal names must be complete, verified and durable. Rejects
 * before the first rename with the target as it was, or after it with the journal in place: then the decision stands, and
 * the next run finishes it. One failing call does not stop it, since every step can be taken twice.
 */
export async function publish(journal: Journal, work: WorkDirectory, disk: Disk): Promise<void> {
  await disk.syncDirectory(work.incoming)
  await writeJournal(journal, work, disk)
  try {
    await finish(journal, work, disk)
  } catch {
    // Tried once more, because the set must not stay half old and half new for a failure that has passed.
    await finish(journal, work, disk)
  }
}

/**
 * Finishes what an earlier run had decided. Gives its report, or undefined when there was nothing to finish. A decision that
 * cannot be carried out any more, because something else has come to stand at a target or its files are gone, is given up
 * and told: otherwise every later run would fail by it. What of its set is in place stays known, so that it is used or removed.
 */
export async function recover(
  work: WorkDirectory,
  disk: Disk,
  log: (line: string) => void,
): Promise<RootReport | undefined> {
  const journal = await readJournal(work, disk, log)
  if (journal === undefined) return undefined
  try {
    checkTargets(work.root, targetsOf(journal), new Set(journal.removals), disk)
    await finish(journal, work, disk)
    log(`finished the publication in ${work.root} that an earlier run had begun`)
    return journal.report
  } catch (error) {
    if (!(SupercargoError.is(error) && hopeless.has(error.code))) throw error
    const report = giveUp(journal, await readReport(work, disk), work, disk)
    await writeReport(report, work, disk)
    await removeJournal(work, disk)
    log(
      `gave up the publication in ${work.root} that an earlier run had begun, and makes the set anew: ${error.message}`,
    )
    return report
  }
}

/** Failures of a publication that do not pass by themselves, nor by freeing space or setting a mode. */
const hopeless: ReadonlySet<string> = new Set(['journal-broken', 'symbolic-link', 'target-taken', 'other-file-system'])

/** A directory is checked by any path below it. */
function targetsOf(journal: Journal): string[] {
  return [...journal.renames.map(({ to }) => to), ...journal.directories.map((path) => `${path}/.entry`)]
}

/** Of no plan: the files of the set before, and those of the new set that have their names already. */
function giveUp({ report }: Journal, previous: RootReport | undefined, work: WorkDirectory, disk: Disk): RootReport {
  const arrived = report.items.map((item) => {
    if (isIntact(item, work.root, disk)) return item
    const files = item.files.filter((file) => isIntact({ files: [file] }, work.root, disk))
    return { ...item, key: `unfinished ${item.key}`, files }
  })
  return {
    ...report,
    plan: digestOf(createHash('sha256').update(`given up ${report.plan}`).digest('hex')),
    items: [...(previous?.items ?? []), ...arrived],
    directories: [...new Set([...(previous?.directories ?? []), ...report.directories])].sort(),
  }
}

async function finish(journal: Journal, work: WorkDirectory, disk: Disk): Promise<void> {
  const touched = new Set<string>()
  for (const path of journal.removals) {
    const target = inside(work.root, path)
    if (!isReachable(work.root, path, disk) || disk.stat(target)?.isFile() !== true) continue
    await disk.remove(target)
    touched.add(dirname(target))
  }
  for (const path of journal.emptied) {
    const target = inside(work.root, path)
    if (await disk.removeDirectory(target)) touched.add(dirname(target))
    touched.delete(target)
  }
  for (const path of journal.directories) {
    const target = inside(work.root, path)
    if (await disk.makeDirectory(target, directoryMode)) touched.add(dirname(target))
  }
  await forEachLimited(journal.renames, renamesMax, async ({ from, to, inode, sizeBytes }) => {
    const target = inside(work.root, to)
    const source = join(work.incoming, from)
    if (disk.stat(source) !== undefined) await disk.rename(source, target)
    else checkRenamed(target, { inode, sizeBytes }, disk)
    touched.add(dirname(target))
  })
  for (const directory of touched) {
    if (disk.stat(directory) !== undefined) await disk.syncDirectory(directory)
  }
  await writeReport(journal.report, work, disk)
  await disk.remove(work.incoming)
  await removeJournal(work, disk)
}

/** The file has left `incoming`: it must be the one that stands at its target. */
function checkRenamed(target: string, expected: { inode: number; sizeBytes: number }, disk: Disk): void {
  const stats = disk.stat(target)
  if (stats?.ino === expected.inode && stats.size === expected.sizeBytes) return
  throw new SupercargoError(
    'corrupt',
    'journal-broken',
    `${target} was to be published, and is neither at its target nor in the work directory`,
  )
}
