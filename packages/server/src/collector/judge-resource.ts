/** From a resource of the index to the facts that the policy judges by, under the collector's settings. */
import { describeOwner, type ResourceState } from '@supercargo/protocol'
import { touchIntervalMs } from '../store/resource-records.ts'
import { type Deadlines, type Judgement, judge, stateOf } from './policy.ts'
import type { IndexedResource } from './resource-index.ts'

export interface JudgeSettings {
  readonly intervalMs: number
  readonly firstUseTimeoutMs: number
  readonly absentGraceMs: number
  readonly condemnedMs: number
}

/** What the policy says of a resource now. `paused` is why nothing at all is collected. */
export function judgeResource(resource: IndexedResource, settings: JudgeSettings, paused?: string | null): Judgement {
  const judgement = judge({
    id: resource.id,
    committed: true,
    seen: resource.seenAtMs !== null,
    remembered: resource.remembered,
    condemned: resource.condemned?.reason,
    owners: resource.owners.map((owner, position) => ({
      owner: describeOwner(owner),
      presence: resource.presence?.[position],
    })),
    coveredMs: resource.clock.elapsedMs,
    deadlines: deadlinesOf(resource, settings),
    spent: resource.spent,
    protectedBy: resource.protectedBy,
    paused: paused ?? undefined,
    confirmation: resource.confirmation,
  })
  const { finding } = resource
  return finding === undefined ? judgement : { ...judgement, evidence: [finding, ...judgement.evidence] }
}

export function resourceState(resource: IndexedResource): ResourceState {
  const presence = resource.presence ?? []
  return stateOf({
    committed: true,
    seen: resource.seenAtMs !== null,
    condemned: resource.condemned?.reason,
    owners: presence.map((each) => ({ presence: each })),
    spent: resource.spent,
  })
}

/** A cheap look before the policy's: of a hundred thousand resources hardly one is due. */
export function isDue(resource: IndexedResource, settings: JudgeSettings): boolean {
  const { firstUseTimeoutMs, absentMs, condemnedMs, quietMs } = deadlinesOf(resource, settings)
  const { clock, condemned, spent, seenAtMs } = resource
  if (!clock.running) return false
  if (condemned !== null) return clock.elapsedMs >= condemnedMs
  if (spent !== undefined) return clock.elapsedMs >= quietMs
  return clock.elapsedMs >= (seenAtMs === null ? firstUseTimeoutMs : absentMs)
}

function deadlinesOf({ lastFetchedAtMs, maxAgeMs }: IndexedResource, settings: JudgeSettings): Deadlines {
  const quietMs = lastFetchedAtMs === null ? 0 : touchIntervalMs
  return {
    firstUseTimeoutMs: Math.max(maxAgeMs ?? settings.firstUseTimeoutMs, quietMs),
    absentMs: Math.max(settings.absentGraceMs, settings.intervalMs, quietMs),
    condemnedMs: settings.condemnedMs,
    quietMs,
  }
}
