/** The collector's state as `GET /api/v1/collector`, the command and the metrics show it. */
import type { CollectorStatus, Owner, SweepReport } from '@supercargo/protocol'
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
  /** The newest first. */
  readonly recent: readonly SweepReport[]
  readonly otherCluster: string | null
  readonly hasTurn: boolean
  readonly totals: Totals
  readonly dryRun: boolean
  readonly completeSweepAgeMs: number | null
}

/** Rows of `stagers`. */
const stagersMax = 100

export function collectorStatus(facts: StatusFacts): CollectorStatus {
  const { index, memory, outcome, otherCluster, totals } = facts
  const namespaces = index.blobs.bytes()
  const bytes = Object.values(namespaces).reduce((sum, part) => sum + part, 0)
  return {
    cluster: outcome?.cluster ?? null,
    lastSweep: outcome?.report ?? null,
    recentSweeps: [...facts.recent],
    paused: memory.pause?.reason ?? otherCluster,
    pauseCode: memory.pause?.code ?? (otherCluster === null ? null : 'other-cluster'),
    sweeping: facts.hasTurn,
    dryRun: facts.dryRun,
    ...countStates(index),
    stagers: countStagers(index),
    unknownOwners: { ...outcome?.survey?.unknown },
    completeSweepAgeMs: facts.completeSweepAgeMs,
    totals: { ...totals, nearMisses: memory.nearMisses },
    usage: { resources: index.size, blobs: index.blobs.count, bytes, reservedBytes: 0, namespaces },
  }
}

type States = CollectorStatus['states']

function countStates(index: ResourceIndex): { states: States; kinds: Record<string, States> } {
  const states = noneOfEach()
  const kinds = new Map<string, States>()
  const count = (owners: readonly Owner[], state: keyof States): void => {
    const { kind } = owners[0]!
    const ofKind = kinds.get(kind) ?? noneOfEach()
    kinds.set(kind, ofKind)
    ofKind[state]++
    states[state]++
  }
  for (const upload of index.uploads.values()) count(upload.owners, 'uploading')
  for (const resource of index.values()) count(resource.owners, resourceState(resource))
  return { states, kinds: Object.fromEntries(kinds) }
}

function countStagers(index: ResourceIndex): CollectorStatus['stagers'] {
  const stagers = new Map<string, CollectorStatus['stagers'][number]>()
  for (const { namespace, principal = null, sizeBytes } of index.values()) {
    const key = `${namespace} ${principal ?? ''}`
    const stager = stagers.get(key) ?? { namespace, principal, resources: 0, sizeBytes: 0 }
    stagers.set(key, stager)
    stager.resources++
    stager.sizeBytes += sizeBytes
  }
  return [...stagers.values()].sort((a, b) => b.sizeBytes - a.sizeBytes).slice(0, stagersMax)
}

function noneOfEach(): States {
  return { uploading: 0, unused: 0, bound: 0, missing: 0, condemned: 0 }
}
