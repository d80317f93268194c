/** Retention policies: what an operator says about resources whose owner is there, and about young ones. First match counts. */
import type { Owner } from '@supercargo/protocol'
import { formatDuration } from '@supercargo/protocol'
import type { IndexedResource, ResourceIndex } from './resource-index.ts'

export interface RetentionPolicy {
  /** Which resources: all that are given must hold. */
  readonly namespace?: string | undefined
  /** The kind of one of the owners. */
  readonly kind?: string | undefined
  readonly resource?: string | undefined
  /** When an owner counts as gone: deleted, or finished (Pod, Job, SparkApplication). */
  readonly releaseAfter?: 'deletion' | 'completion' | undefined
  /** Of the resources with the same owner, a schedule for instance, only this many of the newest are kept. */
  readonly keepLast?: number | undefined
  readonly minAgeMs?: number | undefined
  readonly maxAgeMs?: number | undefined
}

export type Retention = (resource: Pick<IndexedResource, 'id' | 'namespace' | 'owners'>) => RetentionPolicy | undefined

export function createRetention(policies: readonly RetentionPolicy[]): Retention {
  return ({ id, namespace, owners }) =>
    policies.find(
      (policy) =>
        (policy.namespace === undefined || policy.namespace === namespace) &&
        (policy.resource === undefined || policy.resource === id) &&
        (policy.kind === undefined || owners.some(({ kind }) => kind === policy.kind)),
    )
}

/**
 * Notes at each resource what its policy says. Ages are measured on the collector's own clock (`elapsedMs`), which runs while it
 * looks: no jump of a clock makes anything old. True when there are resources that it had not met.
 */
export function applyRetention(index: ResourceIndex, retention: Retention, elapsedMs: number): boolean {
  let met = false
  const series = new Map<string, { readonly keepLast: number; readonly resources: IndexedResource[] }>()
  for (const resource of index.values()) {
    met ||= resource.bornMs === undefined
    resource.bornMs ??= elapsedMs
    const policy = retention(resource)
    resource.spent = undefined
    resource.protectedBy = undefined
    if (policy === undefined) continue
    const { minAgeMs = 0, maxAgeMs, keepLast } = policy
    const ageMs = elapsedMs - resource.bornMs
    if (ageMs < minAgeMs)
      resource.protectedBy = `it is younger than ${formatDuration(minAgeMs)}, which its policy grants`
    else if (maxAgeMs !== undefined && ageMs >= maxAgeMs)
      resource.spent = `it is older than ${formatDuration(maxAgeMs)}, which its policy allows`
    if (keepLast !== undefined) addTo(series, ownersKey(resource.owners), keepLast, resource)
  }
  for (const { keepLast, resources } of series.values()) {
    resources.sort(byAge)
    for (const resource of resources.slice(keepLast))
      resource.spent ??= `there are ${keepLast} newer ones of the same owner, as many as its policy keeps`
  }
  return met
}

/** Newest first. */
function byAge(first: IndexedResource, second: IndexedResource): number {
  return second.bornMs! - first.bornMs! || second.committedAtMs - first.committedAtMs || (second.id < first.id ? -1 : 1)
}

function addTo(
  series: Map<string, { readonly keepLast: number; readonly resources: IndexedResource[] }>,
  key: string,
  keepLast: number,
  resource: IndexedResource,
): void {
  const found = series.get(key)
  if (found === undefined) series.set(key, { keepLast, resources: [resource] })
  else found.resources.push(resource)
}

function ownersKey(owners: readonly Owner[]): string {
  return JSON.stringify(owners)
}
