/** The part of a sweep that ends resources: which are due, the breaker, the confirmation, the condemnation, the deletion. */
import { type Clock, forEachLimited } from '@supercargo/transfer'
import type { RemoteMaintenance } from '../store/maintenance.ts'
import { type BreakerSettings, breakerTrips } from './breaker.ts'
import type { CollectorMemory } from './collector-memory.ts'
import { isDue, type JudgeSettings, judgeResource } from './judge-resource.ts'
import type { OwnerSurvey } from './owner-survey.ts'
import type { Judgement } from './policy.ts'
import type { IndexedResource, ResourceIndex } from './resource-index.ts'
import type { Turn } from './turn.ts'

export interface CollectOptions extends JudgeSettings, BreakerSettings {
  readonly index: ResourceIndex
  readonly survey: OwnerSurvey
  readonly memory: CollectorMemory
  readonly maintenance: RemoteMaintenance
  readonly turn: Turn
  readonly clock: Clock
  readonly dryRun: boolean
  /** Somebody released the breaker: this sweep may condemn as much as it finds. */
  readonly released: boolean
  readonly log: CollectorLog
  readonly onError: (what: string, error: unknown) => void
}

export type CollectorLog = (
  level: 'info' | 'warn' | 'error',
  message: string,
  fields: Readonly<Record<string, unknown>>,
) => void

export interface Collected {
  readonly condemned: number
  readonly collected: number
  /** A dry run would have condemned or collected them. */
  readonly spared: number
}

/** Confirmations at a time: a request each. */
const parallelConfirmations = 4
const nothing: Collected = { condemned: 0, collected: 0, spared: 0 }

export async function collectResources(options: CollectOptions, signal: AbortSignal): Promise<Collected> {
  const { index, memory, survey, clock } = options
  if (memory.pause !== null || survey.otherCluster !== null) return nothing
  let bound = 0
  const due: IndexedResource[] = []
  for (const resource of index.values()) {
    if (resource.seenAtMs !== null && resource.condemned === null) bound++
    if (isDue(resource, options)) due.push(resource)
  }
  // Unused expiries do not count: nobody ever needed them.
  const condemning = due.filter((resource) => wouldCondemn(resource))
  const trips = options.released || options.dryRun ? undefined : breakerTrips(condemning.length, bound, options)
  if (trips !== undefined) {
    memory.stop('breaker', trips, clock.now())
    return nothing
  }
  const counts = { ...nothing }
  await forEachLimited(due, parallelConfirmations, async (resource) => {
    try {
      const done = signal.aborted ? undefined : await collectOne(options, resource, signal)
      if (done !== undefined) counts[done]++
    } catch (error) {
      // One that cannot be collected must not keep the others.
      options.onError(`resource ${resource.id}`, error)
    }
  })
  return counts
}

function wouldCondemn({ condemned, spent, seenAtMs }: IndexedResource): boolean {
  return condemned === null && (seenAtMs !== null || spent !== undefined)
}

async function collectOne(
  options: CollectOptions,
  resource: IndexedResource,
  signal: AbortSignal,
): Promise<keyof Collected | undefined> {
  const { index, survey, dryRun } = options
  // Whatever happens to the resource while the cluster is asked has a later number, and then the store keeps it.
  const { sequence } = index
  let judgement = judgeResource(resource, options)
  if (judgement.step === 'confirm') {
    const confirmation = await survey.confirm(resource, signal)
    // A fetch, a release or another owner came in between: nothing that was decided holds any more.
    if (index.get(resource.id) !== resource || !isDue(resource, options)) return undefined
    resource.confirmation = confirmation
    judgement = judgeResource(resource, options)
  }
  if (judgement.step !== 'condemn' && judgement.step !== 'delete') return undefined
  if (dryRun) return 'spared'
  if (judgement.step === 'condemn') return condemn(options, resource, judgement)
  options.turn.assertHeld()
  const deleted = await options.maintenance.collect(resource.id, sequence, options.turn.epoch, resource.mark)
  if (!deleted) return undefined
  options.log('info', 'resource collected', describe(resource, judgement))
  return 'collected'
}

function condemn(options: CollectOptions, resource: IndexedResource, judgement: Judgement): 'condemned' {
  const reason = judgement.reason.replace(/^collect: /, '')
  resource.condemned = { atMs: options.clock.now(), reason }
  resource.clock.restart()
  resource.clock.covered(options.clock.monotonic(), 0)
  options.memory.changed = true
  options.log('info', 'resource condemned', describe(resource, judgement))
  return 'condemned'
}

function describe(resource: IndexedResource, { state, reason, evidence }: Judgement): Record<string, unknown> {
  const { id, namespace, files, sizeBytes } = resource
  return { resourceId: id, namespace, state, reason, evidence, files, sizeBytes }
}
