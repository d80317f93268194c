/** Writes to the API server double: create, replace, patch, delete, with versions and preconditions. */
import { type ApiReply, failure, notFound, type Route } from './api-reply.ts'
import type { ClusterModel, ModelObject } from './cluster-model.ts'
import type { SeenRequest } from './faults.ts'

interface Sent {
  metadata?: { name?: string; generateName?: string; uid?: string; resourceVersion?: string; [field: string]: unknown }
  [field: string]: unknown
}

export function applyWrite(cluster: ClusterModel, route: Route, request: SeenRequest): ApiReply {
  const { kind, namespace, name } = route
  const sent = JSON.parse(request.body === '' ? '{}' : request.body) as Sent
  if (request.method === 'POST') return create(cluster, route, sent)
  const current = cluster.find(kind.apiVersion, kind.kind, namespace, name!)
  if (request.method === 'PATCH') return patch(cluster, route, current, request, sent)
  if (current === undefined) return notFound(kind, name!)
  if (request.method === 'DELETE') {
    const { uid } = ((sent as { preconditions?: { uid?: string } }).preconditions ?? {}) as { uid?: string }
    if (uid !== undefined && uid !== current.metadata.uid) return conflict(route)
    cluster.remove(current)
    return { status: 200, body: { kind: 'Status', status: 'Success' } }
  }
  const version = sent.metadata?.resourceVersion
  if (version !== undefined && version !== current.metadata.resourceVersion) return conflict(route)
  return { status: 200, body: store(cluster, merged(current, sent)) }
}

function create(cluster: ClusterModel, { kind, namespace }: Route, sent: Sent): ApiReply {
  const suffix = String(cluster.version).padStart(5, '0')
  const name = sent.metadata?.name ?? `${sent.metadata?.generateName ?? ''}${suffix}`
  if (cluster.find(kind.apiVersion, kind.kind, namespace, name) !== undefined) {
    return failure(409, 'AlreadyExists', `${kind.plural} "${name}" already exists`, { name, kind: kind.plural })
  }
  const metadata = { ...sent.metadata, name, ...(namespace === undefined ? {} : { namespace }) }
  return { status: 201, body: cluster.put({ ...sent, apiVersion: kind.apiVersion, kind: kind.kind, metadata }) }
}

function patch(
  cluster: ClusterModel,
  { kind, namespace, name }: Route,
  current: ModelObject | undefined,
  request: SeenRequest,
  sent: Sent,
): ApiReply {
  const type = String(request.headers['content-type'])
  const identity = { apiVersion: kind.apiVersion, kind: kind.kind }
  if (type.includes('apply-patch') && current === undefined) {
    const metadata = { ...sent.metadata, name: name!, ...(namespace === undefined ? {} : { namespace }) }
    return { status: 201, body: cluster.put({ ...sent, ...identity, metadata }) }
  }
  if (current === undefined) return notFound(kind, name!)
  if (!type.includes('json-patch'))
    return { status: 200, body: store(cluster, merged(current, mergePatch(current, sent) as Sent)) }
  const object = structuredClone(current)
  for (const { op, path, value } of sent as unknown as { op: string; path: string; value?: unknown }[]) {
    const parts = path.split('/').slice(1)
    const key = parts.pop()!
    // biome-ignore lint/suspicious/noExplicitAny: a path into any object.
    const parent = parts.reduce((at: any, part) => at?.[part], object)
    if (op === 'test' && JSON.stringify(parent?.[key]) !== JSON.stringify(value)) {
      return failure(422, 'Invalid', 'the server rejected our request due to an error in our request')
    }
    if (op === 'remove') delete parent[key]
    if (op === 'add' || op === 'replace') parent[key] = value
  }
  return { status: 200, body: store(cluster, object) }
}

/** Without finalizers, what is being deleted goes. */
function store(cluster: ClusterModel, object: ModelObject): ModelObject {
  const stored = cluster.put(object)
  const { deletionTimestamp, finalizers = [] } = stored.metadata
  if (deletionTimestamp !== undefined && finalizers.length === 0) cluster.remove(stored)
  return stored
}

/** Name, namespace and uid are not up for change. */
function merged(current: ModelObject, sent: Sent): ModelObject {
  const { name, namespace, uid } = current.metadata
  const metadata = { ...sent.metadata, name, uid, ...(namespace === undefined ? {} : { namespace }) }
  return { ...sent, apiVersion: current.apiVersion, kind: current.kind, metadata } as unknown as ModelObject
}

/** RFC 7386. */
function mergePatch(target: unknown, change: unknown): unknown {
  if (typeof change !== 'object' || change === null || Array.isArray(change)) return change
  const result: Record<string, unknown> = typeof target === 'object' && target !== null ? { ...target } : {}
  for (const [key, value] of Object.entries(change)) {
    if (value === null) delete result[key]
    else result[key] = mergePatch(result[key], value)
  }
  return result
}

function conflict({ kind, name }: Route): ApiReply {
  const message = `Operation cannot be fulfilled on ${kind.plural} "${name}": the object has been modified`
  return failure(409, 'Conflict', message, { name, kind: kind.plural })
}
