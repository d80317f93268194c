/** One sweep: looks at everything once, collects what may go, and reports. It never throws. */

import { causeChain, type Digest, type SweepReport } from '@supercargo/protocol'
import type { StoreSurvey } from '../store/store-survey.ts'
import { type CollectOptions, collectResources } from './collect-resources.ts'
import type { DoomedBlobs } from './doomed-blobs.ts'
import type { Survey } from './owner-survey.ts'
import { applyRetention, type Retention } from './retention.ts'

export interface SweepOptions extends Omit<CollectOptions, 'onError'> {
  readonly stored: StoreSurvey
  readonly doomed: DoomedBlobs
  readonly retention: Retention
  /** Reads the directories of blobs, too: for orphans and for the count of bytes. */
  readonly scanBlobs: boolean
}

export interface SweepOutcome {
  readonly report: SweepReport
  /** The cluster that the store is bound to, as far as this sweep knows. */
  readonly cluster: string | null
  /** What was learnt of the owners, undefined when that failed. */
  readonly survey: Survey | undefined
  /** The blobs were read, and the store's count of bytes is exact since then. */
  readonly counted: boolean
}

/** A blob younger than this is no orphan: its record may be on the way. */
export const orphanAgeMs = 5 * 60_000
/** Errors that a report names; the rest is in the log. */
const errorsMax = 20

export async function sweep(options: SweepOptions, signal: AbortSignal): Promise<SweepOutcome> {
  const { clock, maintenance, index, memory, turn } = options
  const startedAt = new Date(clock.now()).toISOString()
  const startedMs = clock.monotonic()
  const errors: string[] = []
  const counts = { examined: 0, kept: 0, condemned: 0, spared: 0, collected: 0 }
  const upkeep = { abandonedUploads: 0, orphanBlobs: 0, freedBytes: 0 }
  let counted = false
  let survey: Survey | undefined

  function note(what: string, error: unknown): void {
    if (errors.length < errorsMax) errors.push(`${what}: ${causeChain(error).join(': ')}`)
  }

  async function step(what: string, work: () => Promise<void>): Promise<void> {
    try {
      if (!signal.aborted) await work()
    } catch (error) {
      note(what, error)
    }
  }

  await step('abandoned uploads', async () => {
    upkeep.abandonedUploads = await maintenance.sweepAbandoned()
  })
  await step('leftovers', async () => {
    await maintenance.sweepLeftovers()
  })
  let isLooked = true
  if (options.stored.shared) {
    isLooked = false
    await step('records', async () => {
      const lookedAtMs = clock.monotonic()
      for (const { namespace, digests } of await index.refresh()) options.doomed.add(namespace, digests)
      isLooked = true
      if (index.damaged.size > 0) return
      const nowMs = () => clock.monotonic()
      upkeep.freedBytes += await options.doomed.look({ index, maintenance, epoch: turn.epoch, lookedAtMs, nowMs })
    })
  }
  await step('damaged records', async () => {
    await index.readDamaged()
    for (const id of index.damaged)
      errors.push(`the record of ${id} is damaged; no blob is deleted until it is restored or released`)
    errors.splice(errorsMax)
  })
  await step('owners', async () => {
    if (applyRetention(index, options.retention, memory.elapsedMs)) memory.changed = true
    survey = await options.survey.look(index, signal)
    counts.examined = index.size
  })
  // What was seen has to be durable before anything is decided by it.
  await step('memory', () => saveMemory(options))
  await step('resources', async () => {
    // Without a look of its own a sweep has no evidence.
    if (survey !== undefined && isLooked)
      Object.assign(counts, await collectResources({ ...options, onError: note }, signal))
  })
  counts.examined ||= index.size
  counts.kept = counts.examined - counts.collected
  if (options.scanBlobs && isLooked) {
    await step('blobs', async () => {
      const { settled, orphanBlobs, freedBytes } = await sweepBlobs(options, signal)
      upkeep.orphanBlobs += orphanBlobs
      upkeep.freedBytes += freedBytes
      counted = settled
    })
  }
  await step('memory', () => saveMemory(options))
  return {
    report: {
      startedAt,
      durationMs: Math.round(clock.monotonic() - startedMs),
      ...counts,
      ...upkeep,
      requests: survey?.requests ?? 0,
      epoch: turn.epoch,
      errors,
    },
    cluster: memory.cluster.clusterUid ?? null,
    survey,
    counted,
  }
}

async function saveMemory({ memory, index, maintenance, clock, turn }: SweepOptions): Promise<void> {
  const atMs = clock.monotonic()
  const state = memory.save(index, atMs)
  if (state === undefined) return
  try {
    await maintenance.saveState(state, turn.epoch)
    memory.saved(atMs)
  } catch (error) {
    memory.changed = true
    throw error
  }
}

/** Deletes blobs that nobody names and counts the rest. */
async function sweepBlobs(
  options: SweepOptions,
  signal: AbortSignal,
): Promise<{ orphanBlobs: number; freedBytes: number; settled: boolean }> {
  const { stored, index, maintenance, turn, doomed, clock } = options
  const mark = await maintenance.usageMark()
  const usage: Record<string, number> = {}
  let orphanBlobs = 0
  let freedBytes = 0
  for await (const { namespace, digests } of stored.blobs()) {
    if (signal.aborted) return { orphanBlobs, freedBytes, settled: false }
    const orphans: Digest[] = []
    for (const digest of digests) {
      const named = index.blobs.sizeOf(namespace, digest)
      const unnamed = named === undefined ? await stored.blobFacts(namespace, digest) : undefined
      usage[namespace] = (usage[namespace] ?? 0) + (named ?? unnamed?.sizeBytes ?? 0)
      if (unnamed !== undefined && isOld(unnamed.modifiedMs, options.clock) && index.damaged.size === 0)
        orphans.push(digest)
    }
    const { sequence } = index
    const unnamed = orphans.filter((digest) => !index.isNeeded(namespace, digest))
    if (unnamed.length === 0) continue
    const removed = await maintenance.removeBlobs(namespace, unnamed, sequence, turn.epoch)
    orphanBlobs += removed.removed
    freedBytes += removed.freedBytes
    if (removed.doomed !== undefined) doomed.add(namespace, removed.doomed, clock.monotonic())
    usage[namespace] = (usage[namespace] ?? 0) - removed.freedBytes
  }
  const strays = await stored.strays()
  if (strays.length > 0) await maintenance.removeObjects(strays, turn.epoch)
  const settled = await maintenance.setUsage(usage, mark)
  await maintenance.checkpoint()
  return { orphanBlobs, freedBytes, settled }
}

/** By the wall clock, which may jump: a blob from the future is as old as it looks from there. */
function isOld(modifiedMs: number, clock: CollectOptions['clock']): boolean {
  return Math.abs(clock.now() - modifiedMs) >= orphanAgeMs
}
