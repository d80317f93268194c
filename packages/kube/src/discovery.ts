/** From a kind to its path: any namespaced kind, by discovery of its group and version. */
import { type Owner, SupercargoError } from '@supercargo/protocol'
import { z } from 'zod'
import { type ApiClient, apiPath } from './api-client.ts'

/** Where the objects of a kind live. */
export interface KindPath {
  readonly apiVersion: string
  readonly kind: string
  readonly plural: string
}

export type KindName = Pick<Owner, 'apiVersion' | 'kind'>

export interface KindDirectory {
  /**
   * The path of a namespaced kind that can be listed. Kinds: `notFound` (code `kube-type-not-found`: the group, version or
   * kind is not served, which says nothing about its objects), `invalid` (cluster-scoped, cannot be listed, or a kind that
   * must not be an owner), and every failure of the request.
   */
  find(name: KindName, signal: AbortSignal): Promise<KindPath>
  /** What is remembered of this kind no longer holds: its list was not found. */
  forget(name: KindName): void
}

export interface KindDirectoryOptions {
  /** Milliseconds on a monotonic scale. */
  readonly now?: () => number
  readonly freshForMs?: number
}

const defaultFreshForMs = 600_000

/** Kubernetes' own kinds, which need no question. */
const builtIn: Readonly<Record<string, string>> = {
  'v1 Pod': 'pods',
  'v1 Service': 'services',
  'v1 ReplicationController': 'replicationcontrollers',
  'v1 Secret': 'secrets',
  'v1 ConfigMap': 'configmaps',
  'v1 PersistentVolumeClaim': 'persistentvolumeclaims',
  'batch/v1 Job': 'jobs',
  'batch/v1 CronJob': 'cronjobs',
  'apps/v1 Deployment': 'deployments',
  'apps/v1 StatefulSet': 'statefulsets',
  'apps/v1 ReplicaSet': 'replicasets',
  'apps/v1 DaemonSet': 'daemonsets',
  'coordination.k8s.io/v1 Lease': 'leases',
}

/** The right to list them is the right to read them, and the server is never to have that. */
const neverOwners = new Set(['v1 Secret', 'v1 ConfigMap'])

const resourceListSchema = z.object({
  kind: z.literal('APIResourceList'),
  resources: z.array(
    z.object({ name: z.string(), kind: z.string(), namespaced: z.boolean(), verbs: z.array(z.string()).default([]) }),
  ),
})

export function createKindDirectory(client: ApiClient, options: KindDirectoryOptions = {}): KindDirectory {
  const now = options.now ?? (() => performance.now())
  const freshForMs = options.freshForMs ?? defaultFreshForMs
  const known = new Map<string, { readonly path: KindPath; readonly atMs: number }>()
  return {
    find: async (name, signal) => {
      const key = `${name.apiVersion} ${name.kind}`
      if (neverOwners.has(key)) {
        const says = `a ${name.kind} cannot be an owner: to list it is to read it`
        throw new SupercargoError('invalid', 'kube-kind-refused', says, { hint: 'name the object that uses it' })
      }
      const plural = builtIn[key]
      if (plural !== undefined) return { ...pick(name), plural }
      const fresh = known.get(key)
      if (fresh !== undefined && now() - fresh.atMs < freshForMs) return fresh.path
      const path = await discover(client, name, signal)
      known.set(key, { path, atMs: now() })
      return path
    },
    forget: ({ apiVersion, kind }) => void known.delete(`${apiVersion} ${kind}`),
  }
}

/** `/api/v1` or `/apis/group/version`. */
export function apiRoot(apiVersion: string): string {
  return apiPath(apiVersion.includes('/') ? '/apis' : '/api', ...apiVersion.split('/'))
}

/** The collection of a kind, in one namespace or in all. */
export function collectionPath(path: KindPath, namespace: string | undefined): string {
  const scope = namespace === undefined ? [] : ['namespaces', namespace]
  return apiPath(apiRoot(path.apiVersion), ...scope, path.plural)
}

/** The plural of one of Kubernetes' own kinds, also of those that cannot be owners. */
export function builtInPath(apiVersion: string, kind: string): KindPath {
  return { apiVersion, kind, plural: builtIn[`${apiVersion} ${kind}`]! }
}

/** Where a kind is, also one that is no owner. Code `kube-type-not-found` when the group, version or kind is not served. */
export async function servedKind(
  client: ApiClient,
  name: KindName,
  signal: AbortSignal,
): Promise<{ readonly path: KindPath; readonly namespaced: boolean; readonly verbs: readonly string[] }> {
  const { apiVersion, kind } = name
  const known = builtIn[`${apiVersion} ${kind}`]
  if (known !== undefined) return { path: { ...pick(name), plural: known }, namespaced: true, verbs: ['list'] }
  const what = `discover ${kind} of ${apiVersion}`
  const answer = await client.request({ what, path: apiRoot(apiVersion) }, signal)
  const list = resourceListSchema.safeParse(answer.json())
  if (!list.success) {
    throw new SupercargoError('corrupt', 'kube-bad-answer', `${what}: the API server's answer is not a list of kinds`)
  }
  // A name with a slash is a part of another resource: `pods/log`.
  const found = list.data.resources.find((each) => each.kind === kind && !each.name.includes('/'))
  if (found === undefined) {
    const hint = 'is the CustomResourceDefinition installed, and in this version?'
    const says = `the API server serves no kind ${kind} of ${apiVersion}`
    throw new SupercargoError('notFound', 'kube-type-not-found', says, { hint })
  }
  return { path: { ...pick(name), plural: found.name }, namespaced: found.namespaced, verbs: found.verbs }
}

async function discover(client: ApiClient, name: KindName, signal: AbortSignal): Promise<KindPath> {
  const { apiVersion, kind } = name
  const { path, namespaced, verbs } = await servedKind(client, name, signal)
  if (!namespaced) {
    const says = `${kind} of ${apiVersion} is cluster-scoped: it has no namespace to lend to a resource`
    throw new SupercargoError('invalid', 'kube-kind-cluster-scoped', says, {
      hint: 'name an owner of a namespaced kind',
    })
  }
  if (!verbs.includes('list')) {
    const says = `${kind} of ${apiVersion} cannot be listed, so nobody could say when it is gone`
    throw new SupercargoError('invalid', 'kube-kind-not-listable', says)
  }
  return path
}

function pick({ apiVersion, kind }: KindName): KindName {
  return { apiVersion, kind }
}
