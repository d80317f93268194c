/** Matches the objects of one kind against many owners as they stream by: an index of the owners, not of the objects. */
import type { Owner } from '@supercargo/protocol'
import type { ObjectMetadata } from './list-metadata.ts'
import type { OwnerQuery } from './owner-lookup.ts'

export interface OwnerIndex {
  visit(object: ObjectMetadata): void
  /** The uids of visited objects that are the owner of the query at this position, or are remembered by it. */
  uids(position: number): readonly string[]
}

/** One way to be an owner: by uid, or by name, labels or both. Owners that ask for the same share it. */
interface Selector {
  readonly owner: Owner
  readonly labels: readonly (readonly [string, string])[]
  readonly uids: string[]
}

/**
 * With a uid the uid decides. Else every condition that is given must hold: the name, and all labels. An object of another
 * namespace is never the owner, whatever its uid.
 */
export function indexOwners(queries: readonly OwnerQuery[]): OwnerIndex {
  const selectors = new Map<string, Selector>()
  const selectorOf = queries.map(({ owner }) => {
    const key = selectorKey(owner)
    const selector = selectors.get(key) ?? { owner, labels: Object.entries(owner.labels ?? {}), uids: [] }
    selectors.set(key, selector)
    return selector
  })
  const { byName, byLabel, byUid } = postings([...selectors.values()])
  const remembered = new Set<string>()
  for (const { owner, knownUids } of queries) {
    for (const uid of knownUids ?? []) remembered.add(`${owner.namespace}/${uid}`)
  }
  const seen = new Set<string>()
  const uidOf = (owner: Owner, uid: string): boolean => seen.has(`${owner.namespace}/${uid}`)
  return {
    visit: (object) => {
      const { namespace, uid } = object
      const place = `${namespace}/${uid}`
      if (remembered.has(place)) seen.add(place)
      for (const selector of byUid.get(place) ?? []) selector.uids.push(uid)
      for (const selector of byName.get(`${namespace}/${object.name}`) ?? []) take(selector, object)
      for (const [key, value] of Object.entries(object.labels)) {
        for (const selector of byLabel.get(`${namespace}/${key}=${value}`) ?? []) take(selector, object)
      }
    },
    uids: (position) => {
      const { owner, knownUids } = queries[position]!
      const matched = selectorOf[position]!.uids
      if (owner.uid !== undefined) return [...new Set(matched)]
      return [...new Set([...matched, ...(knownUids ?? []).filter((uid) => uidOf(owner, uid))])]
    },
  }
}

function take(selector: Selector, object: ObjectMetadata): void {
  if (selector.labels.every(([key, value]) => object.labels[key] === value)) selector.uids.push(object.uid)
}

/** Each selector stands in one list: under its uid, its name, or the one of its labels that the fewest others share. */
function postings(selectors: readonly Selector[]) {
  const byUid = new Map<string, Selector[]>()
  const byName = new Map<string, Selector[]>()
  const byLabel = new Map<string, Selector[]>()
  const shared = new Map<string, number>()
  const place = ({ owner }: Selector, [key, value]: readonly [string, string]): string =>
    `${owner.namespace}/${key}=${value}`
  const labelled = selectors.filter(({ owner }) => owner.uid === undefined && owner.name === undefined)
  for (const selector of labelled) {
    for (const label of selector.labels) {
      shared.set(place(selector, label), (shared.get(place(selector, label)) ?? 0) + 1)
    }
  }
  for (const selector of selectors) {
    const { namespace, uid, name } = selector.owner
    if (uid !== undefined) add(byUid, `${namespace}/${uid}`, selector)
    else if (name !== undefined) add(byName, `${namespace}/${name}`, selector)
    else {
      const places = selector.labels.map((label) => place(selector, label))
      const rarest = places.reduce((best, each) => (shared.get(each)! < shared.get(best)! ? each : best))
      add(byLabel, rarest, selector)
    }
  }
  return { byUid, byName, byLabel }
}

function add(map: Map<string, Selector[]>, key: string, selector: Selector): void {
  const list = map.get(key)
  if (list === undefined) map.set(key, [selector])
  else list.push(selector)
}

function selectorKey({ namespace, uid, name, labels }: Owner): string {
  if (uid !== undefined) return JSON.stringify([namespace, uid])
  return JSON.stringify([namespace, name ?? null, Object.entries(labels ?? {}).sort()])
}
