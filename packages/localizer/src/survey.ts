/** What a root holds before anything is done: an interrupted publication is finished, and the last report is compared with the disk. */
import type { Digest } from '@supercargo/protocol'
import type { Disk } from './disk.ts'
import { recover } from './publish.ts'
import { isIntact, type RootReport, readReport } from './report.ts'
import { planDigest, type RootPlan } from './root-plan.ts'
import { type WorkDirectory, workDirectory } from './work-directory.ts'

export interface Root {
  readonly plan: RootPlan
  readonly digest: Digest
  readonly work: WorkDirectory
  /** Of the set that is in place. */
  readonly previous: RootReport | undefined
  /** The set in place is what the plan wants, untouched since: nothing is to be done. */
  readonly inPlace: boolean
}

/**
 * The report of a root in which nothing is to be done, seen without its lock: no publication was under way before the report
 * was read, and a file that is intact later was so then. Undefined when anything speaks against it.
 */
export async function reportInPlace(plan: RootPlan, disk: Disk): Promise<RootReport | undefined> {
  const work = workDirectory(plan.root)
  if (disk.stat(work.path)?.isDirectory() !== true || disk.stat(work.journal) !== undefined) return undefined
  const report = await readReport(work, disk)
  return isInPlace(report, planDigest(plan), work, disk) ? report : undefined
}

/** To be called by the one run that holds the root's lock. */
export async function surveyRoot(
  plan: RootPlan,
  work: WorkDirectory,
  disk: Disk,
  log: (line: string) => void,
): Promise<Root> {
  const previous = (await recover(work, disk, log)) ?? (await readReport(work, disk))
  const digest = planDigest(plan)
  return { plan, digest, work, previous, inPlace: isInPlace(previous, digest, work, disk) }
}

function isInPlace(report: RootReport | undefined, digest: Digest, work: WorkDirectory, disk: Disk): boolean {
  return report?.plan === digest && report.items.every((item) => isIntact(item, work.root, disk))
}
