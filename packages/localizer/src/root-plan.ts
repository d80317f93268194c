/** What one run has to make true: plans of one root each. The fork's two mounts are two of them. */
import { createHash } from 'node:crypto'
import { type Digest, digestOf, type Plan, type ResourceItem, type UriItem } from '@supercargo/protocol'

/** A URI of a plan; with `secretFile`, the file whose bytes are the `Authorization` field (the 2017 server's way). */
export type FetchItem = UriItem & { readonly secretFile?: string }

export type Item = ResourceItem | FetchItem

/** The file with what opens a staged resource: its secret, or the pod's own token. */
export function credentialFileOf(item: ResourceItem): string {
  return 'tokenFile' in item ? item.tokenFile : item.secretFile
}

/** A plan of version 1, or one of the two roots of the fork's properties. Every plan is one as it is. */
export type RootPlan = Omit<Plan, 'items'> & { readonly items: readonly Item[] }

/** What the target is a function of: two plans with one digest want the same files. Limits and credentials are left out. */
export function planDigest(plan: RootPlan): Digest {
  const content = JSON.stringify([
    plan.root,
    plan.staging?.url ?? null,
    plan.items.map(itemContent),
    plan.hadoop ?? null,
  ])
  return digestOf(createHash('sha256').update(content).digest('hex'))
}

function itemContent(item: Item): unknown[] {
  return 'resource' in item
    ? ['resource', item.resource, item.to]
    : ['uri', item.uri, item.to, item.digest ?? null, item.sizeBytes ?? null, item.unpack]
}
