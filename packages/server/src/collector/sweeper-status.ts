/** The collector's state as `GET /api/v1/collector`, the command and the metrics show it. */
import type { CollectorStatus } from '@supercargo/protocol'
import type { CollectorMemory } from './collector-memory.ts'
import { resourceState } from './judge-resource.ts'
import type { ResourceIndex } from './resource-index.ts'
import type { SweepOutcome } from './sweep.ts'

/** Since this process began. */
export interface Totals {
  condemned: number
  collected: number
  revived: number
  breakerTrips: number
}

export interface StatusFacts {
  readonly index: ResourceIndex
  readonly memory: CollectorMemory
  readonly outcome: SweepOutcome | undefined
  readonly otherCluster: string | null
  readonly hasTurn: boolean
  readonly totals: Totals
  readonly dryRun: boolean
  readonly completeSweepAgeMs: number | null
}

export function collectorStatus(facts: StatusFacts): CollectorStatus {
  const { index, memory, outcome, otherCluster, totals } = facts
  const namespaces = index.blobs.bytes()
  const bytes = Object.values(namespaces).reduce((sum, part) => sum + part, 0)
  return {
    cluster: outcome?.cluster ?? null,
    lastSweep: outcome?.report ?? null,
    paused: memory.pause?.reason ?? otherCluster,
    pauseCode: memory.pause?.code ?? (otherCluster === null ? null : 'other-cluster'),
    sweeping: facts.hasTurn,
    dryRun: facts.dryRun,
    states: countStates(index),
    unknownOwners: { ...outcome?.survey?.unknown },
    completeSweepAgeMs: facts.completeSweepAgeMs,
    totals: { ...totals, nearMisses: memory.nearMisses },
    usage: { resources: index.size, blobs: index.blobs.count, bytes, reservedBytes: 0, namespaces },
  }
}

function countStates(index: ResourceIndex): CollectorStatus['states'] {
  const states = { uploading: index.uploads.size, unused: 0, bound: 0, missing: 0, condemned: 0 }
  for (const resource of index.values()) states[resourceState(resource)]++
  return states
}
