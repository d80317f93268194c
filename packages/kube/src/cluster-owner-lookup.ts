/** The owner lookup of a real cluster: one list for each kind and scope, matched here, and a confirmation by a selector. */
import { describeOwner, SupercargoError } from '@supercargo/protocol'
import type { ApiClient } from './api-client.ts'
import { readClusterUid } from './cluster-identity.ts'
import { completionOf } from './completion.ts'
import { createKindDirectory, type KindPath } from './discovery.ts'
import { describeList, type ListRequest, listMetadata } from './list-metadata.ts'
import { indexOwners } from './owner-index.ts'
import type { OwnerLookup, OwnerPresence, OwnerQuery } from './owner-lookup.ts'
import type { Sleep } from './pause.ts'
import { mergeVersions, type SeenVersions, versionDomain } from './resource-version.ts'
import { createScopeLister } from './scope-lister.ts'

export interface ClusterOwnerLookupOptions {
  /** Milliseconds on a monotonic scale. */
  readonly now?: () => number
  readonly sleep?: Sleep
  /** For each page of a list. */
  readonly requestDeadlineMs?: number
  /** For the question who the cluster is. */
  readonly identityDeadlineMs?: number
  /** What a sweep has not asked by then is unknown. */
  readonly sweepDeadlineMs?: number
  readonly pageObjects?: number
  /** Up to this many namespaces are listed one by one, more by one list of the whole cluster where that is allowed. */
  readonly namespacedListsMax?: number
}

type Unknown = Extract<OwnerPresence, { state: 'unknown' }>

/** For the contract see `OwnerLookup`. Only the right to `list` the kinds is needed, and to `get` namespace kube-system. */
export function createClusterOwnerLookup(client: ApiClient, options: ClusterOwnerLookupOptions = {}): OwnerLookup {
  const kinds = createKindDirectory(client, options)
  const lister = createScopeLister(client, options)

  async function identify(expected: string | undefined, signal: AbortSignal): Promise<string | Unknown> {
    try {
      const uid = await readClusterUid(client, options.identityDeadlineMs, signal)
      if (expected === undefined || uid === expected) return uid
      const reason = `this is the cluster ${uid}, not ${expected}`
      return { state: 'unknown', code: 'kube-another-cluster', reason }
    } catch (error) {
      return asUnknown(error, signal)
    }
  }

  const lookup: OwnerLookup = {
    clusterUid: async (signal) => {
      const uid = await identify(undefined, signal)
      return typeof uid === 'string' ? uid : undefined
    },

    sweep: async (queries, memory, signal) => {
      const sweep = lister.begin(memory.versions)
      const before = await identify(memory.clusterUid, signal)
      const all = (answer: Unknown) => ({
        ...memory,
        clusterUid: undefined,
        owners: queries.map(() => answer),
        scopes: [],
      })
      if (typeof before !== 'string') return all(before)
      const owners: OwnerPresence[] = []
      await sweep.each(groupByKind(queries), async (positions) => {
        const group = positions.map((position) => queries[position]!)
        const answers = await sweepKind(group)
        for (const [index, position] of positions.entries()) owners[position] = answers[index]!
      })
      const after = await identify(before, signal)
      if (typeof after !== 'string') return all(after)
      return { clusterUid: after, versions: sweep.versions(), owners, scopes: sweep.scopes }

      async function sweepKind(group: readonly OwnerQuery[]): Promise<readonly OwnerPresence[]> {
        let path: KindPath
        try {
          path = await kinds.find(group[0]!.owner, signal)
        } catch (error) {
          const unknown = asUnknown(error, signal)
          sweep.note(group[0]!.owner, unknown)
          return group.map(() => unknown)
        }
        const index = indexOwners(group)
        const namespaces = new Set(group.map(({ owner }) => owner.namespace))
        const listed = await sweep.list({ path, ...completionOf(group[0]!) }, namespaces, index.visit, signal)
        return group.map(({ owner }, position) => {
          const uids = index.uids(position)
          const answer = listed(owner.namespace)
          if (answer.code === 'kube-type-not-found') kinds.forget(owner)
          return conclude(uids, answer)
        })
      }
    },

    confirm: async (query, memory, signal) => {
      let path: KindPath
      try {
        path = await kinds.find(query.owner, signal)
      } catch (error) {
        return asUnknown(error, signal)
      }
      const index = indexOwners([query])
      const evidence: string[] = []
      let versions: SeenVersions = memory.versions
      for (const request of confirmations(path, query)) {
        const seenVersion = versions[versionDomain(path.apiVersion)]
        const deadlineMs = options.requestDeadlineMs
        const answer = await listMetadata(client, { ...request, seenVersion, deadlineMs }, index.visit, signal)
        if (index.uids(0).length > 0) {
          return { state: 'present', uids: index.uids(0), evidence: `found by: ${describeList(request)}` }
        }
        if (!answer.complete) return { state: 'unknown', code: answer.code, reason: answer.reason }
        versions = mergeVersions(versions, { [versionDomain(path.apiVersion)]: answer.resourceVersion })
        evidence.push(`${describeList(request)} at version ${answer.resourceVersion}: ${answer.objects} objects`)
      }
      const uid = await identify(memory.clusterUid, signal)
      if (typeof uid !== 'string') return uid
      return { state: 'absent', evidence: `no ${describeOwner(query.owner)}: ${evidence.join('; ')}` }
    },
  }
  return lookup
}

/** Requests that together would show the owner, and that differ from every list of a sweep by their selector. */
function confirmations(path: KindPath, query: OwnerQuery): readonly ListRequest[] {
  const { owner, knownUids = [] } = query
  const { namespace } = owner
  const completion = completionOf(query)
  const and = (selector: string) => {
    return { ...completion, fieldSelector: [selector, completion.fieldSelector].filter(Boolean).join(',') }
  }
  // A uid cannot be selected; the namespace can, which is every object there by another way than without a selector.
  const everything = { path, namespace, ...and(`metadata.namespace=${namespace}`) }
  if (owner.name !== undefined) return [{ path, namespace, ...and(`metadata.name=${owner.name}`) }]
  if (owner.uid !== undefined) return [everything]
  const labelSelector = Object.entries(owner.labels ?? {})
    .map(([key, value]) => `${key}=${value}`)
    .join(',')
  const labelled: ListRequest = { path, namespace, labelSelector, ...completion }
  return knownUids.length === 0 ? [labelled] : [labelled, everything]
}

/** Positions of the queries that one list can answer. */
function groupByKind(queries: readonly OwnerQuery[]): readonly (readonly number[])[] {
  const groups = new Map<string, number[]>()
  for (const [position, query] of queries.entries()) {
    const { apiVersion, kind } = query.owner
    const { fieldSelector = '', isFinished } = completionOf(query)
    const key = `${apiVersion} ${kind} ${fieldSelector} ${isFinished !== undefined}`
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [position])
    else group.push(position)
  }
  return [...groups.values()]
}

function conclude(
  uids: readonly string[],
  answer: { readonly complete: boolean; readonly code?: string | undefined; readonly says: string },
): OwnerPresence {
  if (uids.length > 0) return { state: 'present', uids, evidence: answer.says }
  if (answer.complete) return { state: 'absent', evidence: answer.says }
  return { state: 'unknown', code: answer.code ?? 'kube-not-asked', reason: answer.says }
}

function asUnknown(error: unknown, signal: AbortSignal): Unknown {
  if (signal.aborted || !SupercargoError.is(error)) throw error
  return { state: 'unknown', code: error.code, reason: error.message }
}
