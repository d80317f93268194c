/** One sweep: looks at everything once, collects what may go, and reports. It never throws. */

import { type CollectorStatus, causeChain, type Digest, describeOwner } from '@supercargo/protocol'
import { type Clock, forEachLimited } from '@supercargo/transfer'
import { blobFacts, scanBlobs } from '../store/blob-scan.ts'
import type { StoreMaintenance } from '../store/maintenance.ts'
import type { OwnerSurvey } from './owner-survey.ts'
import { type Judgement, judge } from './policy.ts'
import type { IndexedResource, ResourceIndex } from './resource-index.ts'

/** The store's upkeep from another thread: the same methods, every answer a promise. */
export type RemoteMaintenance = {
  readonly [Method in keyof StoreMaintenance]: (
    ...parameters: Parameters<StoreMaintenance[Method]>
  ) => Promise<Awaited<ReturnType<StoreMaintenance[Method]>>>
}

export interface SweepOptions {
  readonly directory: string
  readonly index: ResourceIndex
  readonly survey: OwnerSurvey
  readonly maintenance: RemoteMaintenance
  readonly clock: Clock
  readonly firstUseTimeoutMs: number
  /** Reads the directories of blobs, too: for orphans and for the count of bytes. */
  readonly scanBlobs: boolean
  readonly dryRun: boolean
}

export type SweepReport = NonNullable<CollectorStatus['lastSweep']>

export interface SweepOutcome {
  readonly report: SweepReport
  /** The cluster that the store is bound to, as far as this sweep knows. */
  readonly cluster: string | null
  /** Why nothing was collected, or null. */
  readonly paused: string | null
  /** The blobs were read, and the store's count of bytes is exact since then. */
  readonly counted: boolean
}

/** A blob younger than this is no orphan: its record may be on the way. */
export const orphanAgeMs = 5 * 60_000
/** Confirmations at a time: a request each. */
const parallelConfirmations = 4
/** Errors that a report names; the rest is in the log. */
const errorsMax = 20

export async function sweep(options: SweepOptions, signal: AbortSignal): Promise<SweepOutcome> {
  const { clock, maintenance, index, survey } = options
  const startedAt = new Date(clock.now()).toISOString()
  const startedMs = clock.monotonic()
  const errors: string[] = []
  const counts = { examined: 0, kept: 0, collected: 0, abandonedUploads: 0, orphanBlobs: 0, freedBytes: 0 }
  let counted = false

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
    counts.abandonedUploads = await maintenance.sweepAbandoned()
  })
  await step('leftovers', async () => {
    await maintenance.sweepLeftovers()
  })
  await step('damaged records', async () => {
    await index.readDamaged()
    for (const id of index.damaged)
      errors.push(`the record of ${id} is damaged; no blob is deleted until it is restored or released`)
    errors.splice(errorsMax)
  })
  await step('owners', () => survey.look(index, signal))
  await step('resources', async () => {
    counts.examined = index.size
    const candidates = [...index.values()].filter((resource) => mayExpire(resource, options))
    await forEachLimited(candidates, parallelConfirmations, async (resource) => {
      // One that cannot be collected must not keep the others.
      const collected = await examine(options, resource, signal).catch((error: unknown) => {
        note(`resource ${resource.id}`, error)
        return false
      })
      if (collected) counts.collected++
    })
    counts.kept = counts.examined - counts.collected
  })
  if (options.scanBlobs) {
    await step('blobs', async () => {
      const { settled, ...deleted } = await sweepBlobs(options, signal)
      Object.assign(counts, deleted)
      counted = settled
    })
  }
  return {
    report: { startedAt, durationMs: Math.round(clock.monotonic() - startedMs), ...counts, errors },
    cluster: survey.cluster,
    paused: survey.paused,
    counted,
  }
}

/** What the policy says of a resource now. */
export function judgeResource(resource: IndexedResource, firstUseTimeoutMs: number): Judgement {
  const judgement = judge({
    id: resource.id,
    committed: true,
    seen: resource.seenAtMs !== null,
    owners: resource.owners.map((owner, position) => ({
      owner: describeOwner(owner),
      presence: resource.presence?.[position],
    })),
    unusedMs: resource.firstUse.elapsedMs,
    firstUseTimeoutMs: resource.maxAgeMs ?? firstUseTimeoutMs,
    confirmation: resource.confirmation,
  })
  return resource.finding === undefined
    ? judgement
    : { ...judgement, evidence: [resource.finding, ...judgement.evidence] }
}

/** A cheap look before the policy's: of a hundred thousand resources hardly one is due. */
function mayExpire({ seenAtMs, firstUse, maxAgeMs }: IndexedResource, { firstUseTimeoutMs }: SweepOptions): boolean {
  return seenAtMs === null && firstUse.elapsedMs >= (maxAgeMs ?? firstUseTimeoutMs)
}

/** Resolves to true when the resource was collected. */
async function examine(options: SweepOptions, resource: IndexedResource, signal: AbortSignal): Promise<boolean> {
  const { index, survey, maintenance, firstUseTimeoutMs, dryRun } = options
  if (!judgeResource(resource, firstUseTimeoutMs).wantsConfirmation) return false
  // Whatever happens to the resource while the cluster is asked has a later number, and then the store keeps it.
  const { sequence } = index
  resource.confirmation = await survey.confirm(resource, signal)
  const judgement = judgeResource(resource, firstUseTimeoutMs)
  if (judgement.verdict === 'keep' || dryRun) return false
  return maintenance.collect(resource.id, sequence)
}

/** Deletes blobs that nobody names and counts the rest. */
async function sweepBlobs(
  options: SweepOptions,
  signal: AbortSignal,
): Promise<{ orphanBlobs: number; freedBytes: number; settled: boolean }> {
  const { directory, index, maintenance } = options
  const mark = await maintenance.usageMark()
  const usage: Record<string, number> = {}
  let orphanBlobs = 0
  let freedBytes = 0
  for await (const { namespace, digests } of scanBlobs(directory)) {
    if (signal.aborted) return { orphanBlobs, freedBytes, settled: false }
    const orphans: Digest[] = []
    for (const digest of digests) {
      const named = index.blobs.sizeOf(namespace, digest)
      const unnamed = named === undefined ? blobFacts(directory, namespace, digest) : undefined
      usage[namespace] = (usage[namespace] ?? 0) + (named ?? unnamed?.sizeBytes ?? 0)
      if (unnamed !== undefined && isOld(unnamed.modifiedMs, options.clock) && index.damaged.size === 0)
        orphans.push(digest)
    }
    const { sequence } = index
    const unnamed = orphans.filter((digest) => index.blobs.sizeOf(namespace, digest) === undefined)
    if (unnamed.length === 0) continue
    const removed = await maintenance.removeBlobs(namespace, unnamed, sequence)
    orphanBlobs += removed.removed
    freedBytes += removed.freedBytes
    usage[namespace] = (usage[namespace] ?? 0) - removed.freedBytes
  }
  const settled = await maintenance.setUsage(usage, mark)
  await maintenance.checkpoint()
  return { orphanBlobs, freedBytes, settled }
}

/** By the wall clock, which may jump: a blob from the future is as old as it looks from there. */
function isOld(modifiedMs: number, clock: Clock): boolean {
  return Math.abs(clock.now() - modifiedMs) >= orphanAgeMs
}
