/** The flow: survey the roots, expand the plans, fetch what is missing, publish each set by its journal. */
import { formatBytes, SupercargoError } from '@supercargo/protocol'
import { assemble } from './assemble.ts'
import { type Assignment, assign, leavingFiles } from './assignment.ts'
import { ConnectionBudget } from './connection-budget.ts'
import type { Disk } from './disk.ts'
import { DiskSpace } from './disk-space.ts'
import { expandRoot, sourceItemOf } from './expand.ts'
import { fetchAll } from './fetch-all.ts'
import { isBundled } from './fetch-bundle.ts'
import type { FetchContext } from './fetch-context.ts'
import type { Journal } from './journal.ts'
import { readListings } from './listings.ts'
import { readManifests } from './manifests.ts'
import { prepareTasks } from './prepare-tasks.ts'
import { publish } from './publish.ts'
import type { RootReport } from './report.ts'
import { lockRoots } from './root-lock.ts'
import type { RootPlan } from './root-plan.ts'
import type { Run } from './run.ts'
import { schemeOf } from './sources/registry.ts'
import { type Root, reportInPlace, surveyRoot } from './survey.ts'
import { SyncQueue } from './sync-queue.ts'
import { checkTargets } from './targets.ts'
import { openWorkDirectory, type WorkDirectory } from './work-directory.ts'

/** The reports of the plans' roots, in their order. */
export async function runPlans(plans: readonly RootPlan[], run: Run): Promise<RootReport[]> {
  await checkItems(plans)
  const { disk, log } = run
  const inPlace: (RootReport | undefined)[] = []
  for (const plan of plans) inPlace.push(await reportInPlace(plan, disk))
  if (inPlace.every((report) => report !== undefined)) return inPlace.map(untouched)
  const works: WorkDirectory[] = []
  for (const plan of plans) works.push(await openWorkDirectory(plan.root, disk))
  const lock = await lockRoots(works, run)
  try {
    // Whoever held the lock may have done it all.
    const roots: Root[] = []
    for (const [index, plan] of plans.entries()) roots.push(await surveyRoot(plan, works[index]!, disk, log))
    const open = roots.filter((root) => !root.inPlace)
    const made = open.length === 0 ? new Map<Root, RootReport>() : await makeTrue(open, run)
    return roots.map((root) => made.get(root) ?? untouched(root.previous!))
  } finally {
    lock.release()
  }
}

/** Everything that can be said without a byte from anywhere: schemes, and what the image must contain. */
async function checkItems(plans: readonly RootPlan[]): Promise<void> {
  for (const item of plans.flatMap((plan) => plan.items)) {
    if (!('uri' in item) || schemeOf(item.uri) !== 'local') continue
    const { checkLocal } = await import('./sources/local.ts')
    await checkLocal(sourceItemOf(item))
  }
}

async function makeTrue(roots: readonly Root[], run: Run): Promise<Map<Root, RootReport>> {
  const { disk, clock } = run
  const manifests = await readManifests(roots, run)
  await run.sources.openFor(roots.flatMap((root) => root.plan.items))
  const listings = await readListings(roots, run)
  const expanding = { manifests, listings, ...run.sources }
  const assignments = roots.map((root) => assign(root, expandRoot(root.plan, expanding), disk))
  for (const assignment of assignments) checkAssignment(assignment, disk)
  const syncs = new SyncQueue(disk)
  const context: FetchContext = {
    ...run,
    space: new DiskSpace(disk),
    syncs,
    budget: new ConnectionBudget(run.transfersMax),
  }
  const smallFilesOf = (resource: string) =>
    (manifests.get(resource) ?? []).filter((file) => isBundled(file.sizeBytes)).length
  try {
    const tasks = await prepareTasks(assignments, context, run.signal)
    const arrivals = await fetchAll(tasks, run.transfersMax, context, smallFilesOf, run.signal)
    await syncs.drain()
    const journals: Journal[] = []
    for (const assignment of assignments) {
      const own = arrivals.filter((arrival) => arrival.content.root === assignment.root)
      journals.push(await assemble(assignment, own, clock.monotonic() - run.beganMs, new Date(clock.now()), disk))
    }
    run.signal.throwIfAborted()
    for (const [index, journal] of journals.entries()) await publish(journal, roots[index]!.work, disk)
    return new Map(journals.map((journal, index) => [roots[index]!, journal.report]))
  } catch (error) {
    await syncs.drain().catch(() => {
      // It is the failure that is thrown already, or one that came after it.
    })
    throw await whenFull(error, roots, disk)
  }
}

/** What stands in the way is found before anything is fetched. */
function checkAssignment({ root, expanded, contents }: Assignment, disk: Disk): void {
  const leaving = new Set(leavingFiles(root, new Set(expanded.inputs.map((input) => input.to))))
  const inputs = contents.flatMap((content) => content.inputs)
  checkTargets(
    root.work.root,
    inputs.filter((input) => !input.unpack).map((input) => input.to),
    leaving,
    disk,
  )
  // A path below stands for any entry: what is above it has to be a directory.
  const below = inputs.filter((input) => input.unpack && input.to !== '.').map((input) => `${input.to}/.entry`)
  checkTargets(root.work.root, below, leaving, disk)
}

function untouched(report: RootReport): RootReport {
  const items = report.items.map((item) => ({
    ...item,
    attempts: 0,
    waitingMs: 0,
    receivingMs: 0,
    hashingMs: 0,
    writingMs: 0,
  }))
  return { ...report, items, removed: [] }
}

/** When the disk is full, what is unfinished goes, so that the node recovers; a publication that was decided stays. */
async function whenFull(error: unknown, roots: readonly Root[], disk: Disk): Promise<unknown> {
  if (!SupercargoError.is(error) || !['disk-full', 'disk-quota'].includes(error.code)) return error
  const freeBytes = disk.freeBytes(roots[0]!.work.root)
  for (const { work } of roots) {
    if (disk.stat(work.journal) === undefined) await disk.remove(work.incoming)
  }
  return new SupercargoError('exhausted', error.code, `${error.message} (${formatBytes(freeBytes)} were left)`, {
    cause: error.cause,
    hint: error.hint,
    context: { ...error.context, haveBytes: freeBytes },
  })
}
