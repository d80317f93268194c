/**
 * One metadata-only, paged list of a kind in a scope, with the rules that make it evidence (DESIGN, owners, rule 1): each
 * page a 200 with well-formed JSON whose kind ends in List, all pages of one resourceVersion, the last without `continue`
 * and without a remainingItemCount, nothing missing between them, and not older than a version already seen.
 */
import { SupercargoError } from '@supercargo/protocol'
import { z } from 'zod'
import type { ApiClient } from './api-client.ts'
import { collectionPath, type KindPath } from './discovery.ts'
import { isOlder, parseVersion } from './resource-version.ts'

export interface ListRequest {
  readonly path: KindPath
  /** Undefined is the whole cluster. */
  readonly namespace: string | undefined
  readonly labelSelector?: string | undefined
  readonly fieldSelector?: string | undefined
  /** Objects of which it is true are not visited. It sees the whole object, which then has to be sent. */
  readonly isFinished?: ((object: unknown) => boolean) | undefined
  /** The newest version already seen: an answer that is older is stale, however complete it looks. */
  readonly seenVersion?: string | undefined
  /** For each page. */
  readonly deadlineMs?: number | undefined
  readonly pageObjects?: number | undefined
}

export interface ObjectMetadata {
  readonly uid: string
  readonly name: string
  readonly namespace: string
  readonly labels: Readonly<Record<string, string>>
}

interface Listed {
  /** Objects visited and requests sent. */
  readonly objects: number
  readonly requests: number
}

/** `complete` is evidence for what was not visited. Otherwise only what was visited counts, and `code` says why. */
export type ListAnswer =
  | (Listed & { readonly complete: true; readonly resourceVersion: string })
  | (Listed & {
      readonly complete: false
      readonly code: string
      readonly reason: string
      /** The version of the first page, when there was one. */
      readonly resourceVersion?: string | undefined
      readonly retryAfterMs?: number | undefined
    })

/** 500 keeps memory low and the event loop free (measured: 138 MB, 64 ms at 20,000 objects; 2,000 a page: 294 MB, 521 ms). */
const defaultPageObjects = 500
/** A page that is too large for the client's limit is asked for again in this many parts, so that fat objects of one tenant stop nobody's list. */
const pageShrink = 5
const pagesMax = 100_000

/** The full object is the fallback for API servers that cannot reduce it; the rest of the answer is the same. */
const metadataOnly = 'application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json;q=0.9'

/** An empty metadata list has `items: null`, not `[]`. */
const pageSchema = z.object({
  kind: z.string().endsWith('List'),
  metadata: z.object({
    resourceVersion: z.string(),
    continue: z.string().optional(),
    remainingItemCount: z.number().int().optional(),
  }),
  items: z.array(z.unknown()).nullable(),
})

/**
 * Lists and calls `visit` for each object as its page arrives, also when the list then turns out to be no evidence: an
 * object that was seen is there. Failures of the cluster are answers; it rejects only when the signal aborts.
 */
export async function listMetadata(
  client: ApiClient,
  request: ListRequest,
  visit: (object: ObjectMetadata) => void,
  signal: AbortSignal,
): Promise<ListAnswer> {
  let objects = 0
  let requests = 0
  let limit = request.pageObjects ?? defaultPageObjects
  let token: string | undefined
  let version: string | undefined
  let total: number | undefined
  const incomplete = (code: string, reason: string, retryAfterMs?: number): ListAnswer => {
    return { complete: false, code, reason, objects, requests, resourceVersion: version, retryAfterMs }
  }
  const what = describeList(request)
  while (requests < pagesMax) {
    let page: Page
    requests++
    try {
      page = await readPage(client, request, { what, limit, token }, signal)
    } catch (error) {
      if (signal.aborted || !SupercargoError.is(error)) throw error
      if (error.code === 'kube-answer-too-large' && limit > 1) {
        limit = Math.max(1, Math.floor(limit / pageShrink))
        continue
      }
      return incomplete(error.code, error.message, error.retryAfterMs)
    }
    for (const item of page.items) visit(item)
    objects += page.count
    if (parseVersion(page.resourceVersion) === undefined) {
      return incomplete('kube-list-unversioned', `${what}: the list has no usable resourceVersion`)
    }
    if (version !== undefined && page.resourceVersion !== version) {
      const says = `its pages are of the versions ${version} and ${page.resourceVersion}`
      return incomplete('kube-list-torn', `${what}: ${says}`)
    }
    version = page.resourceVersion
    if (isOlder(version, request.seenVersion)) {
      const says = `version ${version} is older than ${request.seenVersion}, which was seen before`
      return incomplete('kube-list-older', `${what}: ${says}`)
    }
    token = page.token
    if (page.remaining !== undefined) {
      // Counted only where nothing is filtered: then a page before the last is full.
      if (token !== undefined && page.count !== limit) {
        return incomplete('kube-list-miscounted', `${what}: a page before the last has ${page.count} objects`)
      }
      total ??= objects + page.remaining
    }
    if (token === undefined) {
      if ((page.remaining ?? 0) > 0) {
        return incomplete('kube-list-cut', `${what}: ${page.remaining} more objects were announced, but no way to them`)
      }
      if (total !== undefined && total !== objects) {
        return incomplete('kube-list-miscounted', `${what}: ${objects} objects came, ${total} were announced`)
      }
      return { complete: true, resourceVersion: version, objects, requests }
    }
  }
  return incomplete('kube-list-endless', `${what}: no end after ${pagesMax} pages`)
}

/** `pods in spark`, `jobs in all namespaces with app=x`. */
export function describeList({ path, namespace, labelSelector, fieldSelector, isFinished }: ListRequest): string {
  const unfinished = isFinished === undefined ? undefined : 'no end in their status'
  const selectors = [labelSelector, fieldSelector, unfinished].filter((each) => each !== undefined)
  const scope = namespace === undefined ? 'all namespaces' : `namespace ${namespace}`
  return `list ${path.plural} in ${scope}${selectors.length === 0 ? '' : ` with ${selectors.join(' and ')}`}`
}

interface Page {
  /** Those that are visited. */
  readonly items: readonly ObjectMetadata[]
  /** All that came. */
  readonly count: number
  readonly resourceVersion: string
  readonly token: string | undefined
  readonly remaining: number | undefined
}

async function readPage(
  client: ApiClient,
  request: ListRequest,
  page: { readonly what: string; readonly limit: number; readonly token: string | undefined },
  signal: AbortSignal,
): Promise<Page> {
  const { what } = page
  const answer = await client.request(
    {
      what,
      path: collectionPath(request.path, request.namespace),
      // Never a resourceVersion: 0 may be far in the past and ignores the limit, and an exact one is the past.
      query: {
        limit: page.limit,
        continue: page.token,
        labelSelector: request.labelSelector,
        fieldSelector: request.fieldSelector,
      },
      accept: request.isFinished === undefined ? metadataOnly : 'application/json',
      ...(request.deadlineMs === undefined ? {} : { deadlineMs: request.deadlineMs }),
    },
    signal,
  )
  const bad = (says: string): SupercargoError => new SupercargoError('corrupt', 'kube-not-a-list', `${what}: ${says}`)
  if (answer.status !== 200) throw bad(`the API server answered ${answer.status}, not 200`)
  if (!/^application\/json\s*(;|$)/i.test(answer.headers['content-type'] ?? '')) throw bad('the answer is not JSON')
  const body = pageSchema.safeParse(answer.json())
  if (!body.success) throw bad('the answer is not a list')
  const all = body.data.items ?? []
  const items = all.flatMap((item) => {
    const object = readItem(item)
    if (object === undefined) throw bad('an object of the list has no uid, name or namespace')
    if (request.namespace !== undefined && object.namespace !== request.namespace) {
      throw bad(`an object of namespace ${object.namespace} is among those of ${request.namespace}`)
    }
    return request.isFinished?.(item) === true ? [] : [object]
  })
  const { resourceVersion, continue: token, remainingItemCount: remaining } = body.data.metadata
  return { items, count: all.length, resourceVersion, token: token === '' ? undefined : token, remaining }
}

/** By hand, not by a schema: this runs for each object of the cluster. */
function readItem(item: unknown): ObjectMetadata | undefined {
  const metadata = (item as { metadata?: Partial<Record<keyof ObjectMetadata, unknown>> } | null)?.metadata
  const { uid, name, namespace, labels } = metadata ?? {}
  const isText = (value: unknown): value is string => typeof value === 'string' && value !== ''
  if (!isText(uid) || !isText(name) || !isText(namespace)) return undefined
  if (labels === undefined || labels === null) return { uid, name, namespace, labels: {} }
  if (typeof labels !== 'object' || !Object.values(labels).every((value) => typeof value === 'string')) return undefined
  return { uid, name, namespace, labels: labels as Record<string, string> }
}
