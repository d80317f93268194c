/**
 * Whose is a pod: it is the owner itself, or the owner is among what its ownerReferences lead to (an executor's driver, the
 * driver's Job, the Job's CronJob). Metadata only, and only the right to `list`.
 */
import { createHash } from 'node:crypto'
import { type Owner, SupercargoError } from '@supercargo/protocol'
import { z } from 'zod'
import type { ApiClient } from './api-client.ts'
import { collectionPath, createKindDirectory, type KindDirectory, type KindPath } from './discovery.ts'
import { fromShortCache } from './short-cache.ts'
import type { Identity } from './token-review.ts'

/** The pod to which a token is bound. */
export type BoundPod = NonNullable<Identity['pod']>

export interface PodLineage {
  /**
   * Whether one of the owners is the pod or an ancestor of it. An owner with a uid is met by the uid alone; else by name and
   * labels, all that are given. Kind `unavailable` when no owner was met and the cluster did not answer a question that
   * could have met one. An answer is never a yes that the cluster did not give.
   */
  belongs(pod: BoundPod, owners: readonly Owner[], signal: AbortSignal): Promise<boolean>
}

export interface PodLineageOptions {
  /** Milliseconds on a monotonic scale. */
  readonly now?: () => number
  /** Of one request. */
  readonly deadlineMs?: number
}

interface Reference {
  readonly apiVersion: string
  readonly kind: string
  readonly name: string
  readonly uid: string
}

interface Ancestor {
  readonly labels: Readonly<Record<string, string>>
  readonly ownerReferences: readonly Reference[]
}

const yesForMs = 10_000
const noForMs = 1_000
const entriesMax = 10_000
const defaultDeadlineMs = 10_000
/** Objects that are read for one pod: the longest real chain has four (executor, driver, application, schedule). */
const readsMax = 8
/** What the directory of kinds says of those that cannot be owners. */
const ownsNothing = new Set(['kube-kind-refused', 'kube-kind-cluster-scoped', 'kube-kind-not-listable'])
const metadataOnly = 'application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json;q=0.9'

const referenceSchema = z.object({ apiVersion: z.string(), kind: z.string(), name: z.string(), uid: z.string().min(1) })
const listSchema = z.object({
  kind: z.string().endsWith('List'),
  items: z
    .array(
      z.object({
        metadata: z.object({
          name: z.string(),
          uid: z.string(),
          labels: z.record(z.string(), z.string()).default({}),
          ownerReferences: z.array(referenceSchema).default([]),
        }),
      }),
    )
    .nullable(),
})

export function createPodLineage(client: ApiClient, options: PodLineageOptions = {}): PodLineage {
  const now = options.now ?? (() => performance.now())
  const reader: Reader = { client, kinds: createKindDirectory(client, { now }), ...options }
  const verdicts = fromShortCache<boolean>({ now, entriesMax, keptForMs: (yes) => (yes ? yesForMs : noForMs) })
  return {
    belongs: async (pod, owners, signal) => {
      const near = owners.filter((owner) => owner.namespace === pod.namespace)
      if (near.length === 0) return false
      const key = createHash('sha256')
        .update(JSON.stringify([pod, near]))
        .digest('base64')
      return verdicts.get(key, (shared) => search(reader, pod, near, shared), signal)
    },
  }
}

interface Reader {
  readonly client: ApiClient
  readonly kinds: KindDirectory
  readonly deadlineMs?: number
}

/** Breadth first, so that the nearest is asked first. */
async function search(reader: Reader, pod: BoundPod, owners: readonly Owner[], signal: AbortSignal): Promise<boolean> {
  const waiting: Reference[] = [{ apiVersion: 'v1', kind: 'Pod', name: pod.name, uid: pod.uid }]
  const known = new Set(waiting.map(({ uid }) => uid))
  const isOwner = (reference: Reference): boolean => owners.some((owner) => isNamed(owner, reference))
  if (waiting.some(isOwner)) return true
  let failure: SupercargoError | undefined
  for (let reads = 0; reads < readsMax; reads++) {
    const reference = waiting.shift()
    if (reference === undefined) break
    let object: Ancestor | undefined
    try {
      object = await read(reader, reference, pod.namespace, signal)
    } catch (error) {
      if (signal.aborted || !SupercargoError.is(error)) throw error
      failure ??= error
    }
    if (object === undefined) continue
    const { labels, ownerReferences } = object
    if (owners.some((owner) => isLabelled(owner, reference, labels)) || ownerReferences.some(isOwner)) return true
    for (const parent of ownerReferences) {
      if (!known.has(parent.uid)) waiting.push(parent)
      known.add(parent.uid)
    }
  }
  if (failure !== undefined) throw unknown(failure)
  return false
}

/** The object of the reference: undefined when it is gone, when another has its name now, or when its kind owns nothing here. */
async function read(
  { client, kinds, deadlineMs = defaultDeadlineMs }: Reader,
  reference: Reference,
  namespace: string,
  signal: AbortSignal,
): Promise<Ancestor | undefined> {
  let path: KindPath
  try {
    path = await kinds.find(reference, signal)
  } catch (error) {
    if (SupercargoError.is(error) && ownsNothing.has(error.code)) return undefined
    throw error
  }
  const what = `look for ${reference.kind} ${namespace}/${reference.name}`
  const query = { fieldSelector: `metadata.name=${reference.name}` }
  const request = { what, path: collectionPath(path, namespace), query, accept: metadataOnly, deadlineMs }
  let body: unknown
  try {
    body = (await client.request(request, signal)).json()
  } catch (error) {
    if (SupercargoError.is(error) && error.code === 'kube-type-not-found') kinds.forget(reference)
    throw error
  }
  const answer = listSchema.safeParse(body)
  if (!answer.success) throw new SupercargoError('corrupt', 'kube-bad-answer', `${what}: the answer is not a list`)
  const { name, uid } = reference
  return answer.data.items?.find(({ metadata }) => metadata.uid === uid && metadata.name === name)?.metadata
}

/** Met by what the reference says alone. */
function isNamed(owner: Owner, reference: Reference): boolean {
  if (!isOfKind(owner, reference)) return false
  if (owner.uid !== undefined) return owner.uid === reference.uid
  return owner.name === reference.name && Object.keys(owner.labels ?? {}).length === 0
}

function isLabelled(owner: Owner, reference: Reference, labels: Readonly<Record<string, string>>): boolean {
  const wanted = Object.entries(owner.labels ?? {})
  if (!isOfKind(owner, reference) || owner.uid !== undefined || wanted.length === 0) return false
  if (owner.name !== undefined && owner.name !== reference.name) return false
  return wanted.every(([key, value]) => labels[key] === value)
}

/** The version of a group is a matter of how it is asked for, not of what it is. */
function isOfKind(owner: Owner, reference: Reference): boolean {
  return owner.kind === reference.kind && groupOf(owner.apiVersion) === groupOf(reference.apiVersion)
}

function groupOf(apiVersion: string): string {
  return apiVersion.includes('/') ? apiVersion.slice(0, apiVersion.indexOf('/')) : ''
}

function unknown(cause: SupercargoError): SupercargoError {
  return new SupercargoError('unavailable', 'pod-unknown', 'the cluster cannot be asked whose pod this is', {
    cause,
    hint: cause.kind === 'denied' ? 'give the server the right to list the kinds that pods belong to' : undefined,
    retryAfterMs: cause.retryAfterMs,
  })
}
