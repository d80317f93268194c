/** Answers from the index: the list of resources, and why each of them is kept. */
import {
  describeOwner,
  type Explanation,
  type Listing,
  type ListingRow,
  type ResourceState,
} from '@supercargo/protocol'
import type { UploadSummary } from '../store/maintenance.ts'
import { type JudgeSettings, judgeResource } from './judge-resource.ts'
import type { IndexedResource, ResourceIndex } from './resource-index.ts'

export interface ListSettings extends JudgeSettings {
  /** Why nothing is collected, or null. */
  readonly paused: string | null
}

export interface ListQuery {
  readonly namespace?: string | undefined
  readonly state?: ResourceState | undefined
  /** From the page before. */
  readonly continue?: string | undefined
  readonly limit: number
}

/** Rows of one page at most. */
const listLimitMax = 1000

export function listResources(index: ResourceIndex, settings: ListSettings, query: ListQuery): Listing {
  const ids = index.ids()
  const limit = Math.max(1, Math.min(listLimitMax, query.limit))
  const resources: ListingRow[] = []
  for (let position = firstAfter(ids, query.continue ?? ''); position < ids.length; position++) {
    const id = ids[position]!
    const found = index.uploads.get(id) ?? index.get(id)
    if (found === undefined || (query.namespace !== undefined && found.owners[0]?.namespace !== query.namespace))
      continue
    const explained = explainResource(index, settings, id)
    if (explained === undefined || (query.state !== undefined && explained.state !== query.state)) continue
    if (resources.length === limit) return { resources, continue: resources.at(-1)!.resourceId }
    const lastFetchedAtMs = index.get(id)?.lastFetchedAtMs ?? null
    resources.push({
      resourceId: id,
      owner: [...found.owners],
      principal: found.principal ?? null,
      state: explained.state,
      reason: explained.reason,
      files: found.files,
      sizeBytes: found.sizeBytes,
      createdAt: instant(found.createdAtMs),
      lastFetchedAt: lastFetchedAtMs === null ? null : instant(lastFetchedAtMs),
    })
  }
  return { resources }
}

/** Undefined when there is no resource or upload of this id. */
export function explainResource(index: ResourceIndex, settings: ListSettings, id: string): Explanation | undefined {
  const upload = index.uploads.get(id)
  if (upload !== undefined) return explainUpload(upload)
  const resource = index.get(id)
  if (resource === undefined) return undefined
  const { state, verdict, reason, evidence } = judgeResource(resource, settings, settings.paused)
  return { resourceId: id, state, verdict, reason, since: instant(sinceMs(resource)), evidence: [...evidence] }
}

function explainUpload({ id, owners, createdAtMs }: UploadSummary): Explanation {
  return {
    resourceId: id,
    state: 'uploading',
    verdict: 'keep',
    reason: 'kept: it is still being uploaded',
    since: instant(createdAtMs),
    evidence: owners.map((owner) => `${describeOwner(owner)}: not asked yet`),
  }
}

/** When the resource came into the state that it is in. */
function sinceMs(resource: IndexedResource): number {
  return resource.condemned?.atMs ?? resource.seenAtMs ?? resource.lastFetchedAtMs ?? resource.committedAtMs
}

function instant(ms: number): string {
  return new Date(ms).toISOString()
}

/** The position of the first id after `id` in sorted ids. */
function firstAfter(ids: readonly string[], id: string): number {
  let low = 0
  let high = ids.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (ids[middle]! > id) high = middle
    else low = middle + 1
  }
  return low
}
