/** The routes of the API server double: discovery, lists, watches, single objects, reviews, as the real one answers them. */
import { type ApiReply, type ApiState, failure, notFound, type Route } from './api-reply.ts'
import { applyWrite } from './api-writes.ts'
import type { ClusterModel, ModelEvent, ModelKind, ModelObject } from './cluster-model.ts'
import type { SeenRequest } from './faults.ts'

export function answerApi(server: ApiState, request: SeenRequest, authorized: boolean): ApiReply {
  const { cluster } = server
  if (!authorized) return failure(401, 'Unauthorized', 'Unauthorized')
  // RBAC comes before the question whether the type exists.
  if (server.rules.forbids(request)) return failure(403, 'Forbidden', `${request.path} is forbidden`)
  if (request.path.endsWith('/tokenreviews')) return reviewToken(server, request)
  if (request.path.endsWith('/subjectaccessreviews')) return reviewAccess(server, request)
  const match = /^\/(?:api\/(v1)|apis\/([^/]+\/[^/]+))(?:\/(.*))?$/.exec(request.path)
  const apiVersion = match?.[1] ?? match?.[2]
  const served = cluster.kinds.filter((kind) => kind.apiVersion === apiVersion)
  if (match === null || served.length === 0) return { status: 404, body: '404 page not found\n' }
  if (match[3] === undefined) return discovery(apiVersion!, served)
  const route = findRoute(served, match[3].split('/').map(decodeURIComponent))
  if (route === undefined) return failure(404, 'NotFound', 'the server could not find the requested resource')
  if (request.method !== 'GET') return applyWrite(cluster, route, request)
  if (route.name !== undefined) return readOne(cluster, route, request)
  return request.query.get('watch') === 'true' ? watch(cluster, route, request) : list(cluster, route, request)
}

function findRoute(served: readonly ModelKind[], parts: readonly string[]): Route | undefined {
  const scoped = parts[0] === 'namespaces' && parts.length > 2
  const [plural, name] = scoped ? parts.slice(2) : parts
  const kind = served.find((each) => each.plural === plural)
  if (kind === undefined || (scoped && !kind.namespaced)) return undefined
  return { kind, namespace: scoped ? parts[1] : undefined, name }
}

function discovery(groupVersion: string, served: readonly ModelKind[]): ApiReply {
  const verbs = ['create', 'delete', 'get', 'list', 'patch', 'update', 'watch']
  const resources = served.flatMap(({ kind, plural, namespaced }) => [
    { name: `${plural}/status`, singularName: '', kind, namespaced, verbs: ['get'] },
    { name: plural, singularName: kind.toLowerCase(), kind, namespaced, verbs },
  ])
  return { status: 200, body: { kind: 'APIResourceList', apiVersion: 'v1', groupVersion, resources } }
}

function readOne(cluster: ClusterModel, { kind, namespace, name }: Route, request: SeenRequest): ApiReply {
  if (isMetadataList(request)) return notAcceptable()
  const object = cluster.find(kind.apiVersion, kind.kind, namespace, name!)
  if (object === undefined) return notFound(kind, name!)
  return { status: 200, body: object }
}

function list(cluster: ClusterModel, { kind, namespace }: Route, request: SeenRequest): ApiReply {
  if (/as=PartialObjectMetadata;/.test(String(request.headers.accept))) return notAcceptable()
  const { query } = request
  const limit = Number(query.get('limit') ?? 0)
  const token = query.get('continue')
  const selective = query.has('labelSelector') || query.has('fieldSelector')
  let snapshot: Snapshot
  let from = 0
  if (token === null) {
    const objects = cluster.all(kind.apiVersion, kind.kind, namespace).filter((object) => selects(query, object))
    snapshot = { version: cluster.version, objects }
  } else {
    const [id, position] = token.split(':')
    const known = snapshots.get(cluster)?.get(id!)
    if (known === undefined) return failure(400, 'BadRequest', 'continue key is not valid')
    if (known.version < cluster.compactedAt) {
      const expired = failure(410, 'Expired', 'The provided continue parameter is too old').body as object
      return { status: 410, body: { ...expired, metadata: { continue: remember(cluster, known, Number(position)) } } }
    }
    snapshot = known
    from = Number(position)
  }
  const to = limit > 0 ? Math.min(from + limit, snapshot.objects.length) : snapshot.objects.length
  const left = snapshot.objects.length - to
  const page = snapshot.objects.slice(from, to)
  const metadata = {
    resourceVersion: String(snapshot.version),
    ...(left > 0 ? { continue: remember(cluster, snapshot, to) } : {}),
    ...(left > 0 && !selective ? { remainingItemCount: left } : {}),
  }
  if (!isMetadataList(request)) {
    return { status: 200, body: { kind: `${kind.kind}List`, apiVersion: kind.apiVersion, metadata, items: page } }
  }
  const items = page.map(({ metadata: of }) => ({
    kind: 'PartialObjectMetadata',
    apiVersion: 'meta.k8s.io/v1',
    metadata: of,
  }))
  // Measured: an empty list of metadata has null for its items.
  const empty = items.length === 0 ? null : items
  return {
    status: 200,
    body: { kind: 'PartialObjectMetadataList', apiVersion: 'meta.k8s.io/v1', metadata, items: empty },
  }
}

interface Snapshot {
  readonly version: number
  readonly objects: readonly ModelObject[]
}

const snapshots = new WeakMap<ClusterModel, Map<string, Snapshot>>()

function remember(cluster: ClusterModel, snapshot: Snapshot, position: number): string {
  const known = snapshots.get(cluster) ?? new Map<string, Snapshot>()
  snapshots.set(cluster, known)
  const id = `s${known.size}`
  known.set(id, snapshot)
  return `${id}:${position}`
}

function watch(cluster: ClusterModel, { kind, namespace }: Route, { query }: SeenRequest): ApiReply {
  const from = Number(query.get('resourceVersion') ?? 0)
  const stream: ApiReply['stream'] = (send, end) => {
    if (from < cluster.compactedAt) {
      send({ type: 'ERROR', object: failure(410, 'Expired', 'too old resource version').body })
      end()
      return () => undefined
    }
    let sent = from
    const concerns = ({ object }: ModelEvent): boolean =>
      object.apiVersion === kind.apiVersion &&
      object.kind === kind.kind &&
      (namespace === undefined || object.metadata.namespace === namespace) &&
      selects(query, object)
    const flush = (): void => {
      for (const event of cluster.history) {
        if (event.version <= sent) continue
        sent = event.version
        if (concerns(event)) send({ type: event.type, object: event.object })
      }
    }
    flush()
    return cluster.onChange(flush)
  }
  return { status: 200, body: '', stream }
}

function selects(query: URLSearchParams, object: ModelObject): boolean {
  const labels = (query.get('labelSelector') ?? '').split(',').filter(Boolean)
  const fields = (query.get('fieldSelector') ?? '').split(',').filter(Boolean)
  const value = (path: string): string =>
    // biome-ignore lint/suspicious/noExplicitAny: a path into any object.
    String(path.split('.').reduce((at: any, part) => at?.[part], object) ?? '')
  return (
    labels.every((each) => compare(each, (key) => object.metadata.labels?.[key] ?? '')) &&
    fields.every((each) => compare(each, value))
  )
}

function compare(requirement: string, read: (key: string) => string): boolean {
  const [, key, operator, wanted] = /^([^!=]+)(!=|==?)(.*)$/.exec(requirement)!
  return (read(key!) === wanted) === (operator !== '!=')
}

function isMetadataList(request: SeenRequest): boolean {
  return /as=PartialObjectMetadataList/.test(String(request.headers.accept))
}

function notAcceptable(): ApiReply {
  return failure(406, 'NotAcceptable', 'only the following media types are accepted: application/json')
}

function reviewToken(server: ApiState, request: SeenRequest): ApiReply {
  const { token, audiences } = (JSON.parse(request.body) as { spec: { token: string; audiences: string[] } }).spec
  const known = server.tokens.get(token)
  const shared = known?.audiences.filter((each) => audiences.includes(each)) ?? []
  const status =
    known !== undefined && shared.length > 0
      ? { authenticated: true, user: known.user, audiences: shared }
      : { user: {}, error: 'invalid bearer token' }
  return { status: 201, body: { kind: 'TokenReview', apiVersion: 'authentication.k8s.io/v1', status } }
}

function reviewAccess(server: ApiState, request: SeenRequest): ApiReply {
  const { spec } = JSON.parse(request.body) as { spec: { user: string; resourceAttributes: Record<string, string> } }
  const status = { allowed: server.rules.allows(spec) }
  return { status: 201, body: { kind: 'SubjectAccessReview', apiVersion: 'authorization.k8s.io/v1', status } }
}
