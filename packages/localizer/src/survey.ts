/** What a root holds before anything is done: an interrupted publication is finished, and the last report is compared with the disk. */
import type { Digest } from '@supercargo/protocol'
import type { Disk } from './disk.ts'
import { recover } from './publish.ts'
import { isIntact, type RootReport, readReport } from './report.ts'
import { planDigest, type RootPlan } from './root-plan.ts'
import { openWorkDirectory, type WorkDirectory } from './work-directory.ts'

export interface Root {
  readonly plan: RootPlan
  readonly digest: Digest
  readonly work: WorkDirectory
  /** Of the set that is in place. */
  readonly previous: RootReport | undefined
  /** The set in place is what the plan wants, untouched since: nothing is to be done. */
  readonly inPlace: boolean
}

export async function surveyRoot(plan: RootPlan, disk: Disk, log: (line: string) => void): Promise<Root> {
  const work = await openWorkDirectory(plan.root, disk)
  const recovered = await recover(work, disk)
  if (recovered !== undefined) log(`finished the publication in ${work.root} that an earlier run had begun`)
  const previous = recovered ?? (await readReport(work, disk))
  const digest = planDigest(plan)
  const inPlace = previous?.plan === digest && previous.items.every((item) => isIntact(item, work.root, disk))
  return { plan, digest, work, previous, inPlace }
}
