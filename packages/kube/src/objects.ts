/** Objects as raw JSON: read, list, create, patch and delete. No field is lost on the way, whatever its name. */
import { SupercargoError } from '@supercargo/protocol'
import { z } from 'zod'
import { type ApiClient, apiPath } from './api-client.ts'
import { collectionPath, type KindPath } from './discovery.ts'

export interface OwnerReference {
  readonly apiVersion: string
  readonly kind: string
  readonly name: string
  readonly uid: string
  readonly controller?: boolean
  readonly blockOwnerDeletion?: boolean
}

export interface ObjectMeta {
  readonly name?: string
  readonly generateName?: string
  readonly namespace?: string
  readonly uid?: string
  readonly resourceVersion?: string
  readonly labels?: Readonly<Record<string, string>>
  readonly annotations?: Readonly<Record<string, string>>
  readonly ownerReferences?: readonly OwnerReference[]
  readonly deletionTimestamp?: string
  readonly [field: string]: unknown
}

export interface KubeObject {
  readonly apiVersion?: string
  readonly kind?: string
  readonly metadata: ObjectMeta
  readonly [field: string]: unknown
}

/** An object as the API server returned it. */
export interface StoredObject extends KubeObject {
  readonly metadata: ObjectMeta & { readonly name: string; readonly uid: string; readonly resourceVersion: string }
}

export interface ObjectPlace {
  readonly path: KindPath
  readonly namespace: string
  readonly name: string
}

/** The same, or where an object of the whole cluster is. */
export interface AnyPlace extends Omit<ObjectPlace, 'namespace'> {
  readonly namespace: string | undefined
}

/** What a patch is: RFC 6902, RFC 7386, or server-side apply, which needs the name of who applies. */
export type ObjectPatch =
  | { readonly type: 'json'; readonly operations: readonly object[] }
  | { readonly type: 'merge'; readonly change: object }
  | { readonly type: 'apply'; readonly object: KubeObject; readonly fieldManager: string; readonly force?: boolean }

const fieldManager = 'supercargo'
const pageObjects = 200
const patchTypes = {
  json: 'application/json-patch+json',
  merge: 'application/merge-patch+json',
  apply: 'application/apply-patch+yaml',
}

const storedSchema = z.looseObject({
  metadata: z.looseObject({ name: z.string().min(1), uid: z.string().min(1), resourceVersion: z.string() }),
})

const listSchema = z.object({
  kind: z.string().endsWith('List'),
  metadata: z.object({ resourceVersion: z.string(), continue: z.string().optional() }),
  items: z.array(storedSchema).nullable(),
})

/** The object, or undefined when there is none. */
export async function readObject(
  client: ApiClient,
  place: ObjectPlace,
  signal: AbortSignal,
): Promise<StoredObject | undefined> {
  try {
    return await send(client, place.path, { what: `read ${shown(place)}`, path: objectPath(place) }, signal)
  } catch (error) {
    if (SupercargoError.is(error) && error.code === 'kube-not-found') return undefined
    throw error
  }
}

/**
 * Creates the object in its metadata.namespace. Code `kube-already-exists` when its name is taken. `idempotent` is for names
 * that nobody else makes: then the request is sent once more over a fresh connection when a pooled one was closed already,
 * and a name that is taken may be the first one's doing.
 */
export async function createObject(
  client: ApiClient,
  path: KindPath,
  object: KubeObject,
  signal: AbortSignal,
  options: { readonly idempotent?: boolean } = {},
): Promise<StoredObject> {
  const { name, generateName, namespace } = object.metadata
  const what = `create ${path.kind} ${namespace ?? ''}/${name ?? `${generateName ?? ''}*`}`
  const query = { fieldManager, fieldValidation: 'Strict' }
  const body = { apiVersion: path.apiVersion, kind: path.kind, ...object }
  const request = { what, method: 'POST' as const, path: collectionPath(path, namespace), query, body, ...options }
  return send(client, path, request, signal)
}

/** Replaces the object. With the resourceVersion that was read, code `kube-conflict` says that another came between. */
export async function replaceObject(
  client: ApiClient,
  place: ObjectPlace,
  object: KubeObject,
  options: { readonly deadlineMs?: number },
  signal: AbortSignal,
): Promise<StoredObject> {
  const request = { what: `replace ${shown(place)}`, method: 'PUT' as const, path: objectPath(place) }
  return send(client, place.path, { ...request, query: { fieldManager }, body: object, ...options }, signal)
}

export async function patchObject(
  client: ApiClient,
  place: AnyPlace,
  patch: ObjectPatch,
  signal: AbortSignal,
): Promise<StoredObject> {
  const body = patch.type === 'json' ? patch.operations : patch.type === 'merge' ? patch.change : patch.object
  const query =
    patch.type === 'apply'
      ? { fieldManager: patch.fieldManager, force: String(patch.force ?? false), fieldValidation: 'Strict' }
      : { fieldManager, fieldValidation: 'Strict' }
  const request = { what: `patch ${shown(place)}`, method: 'PATCH' as const, path: objectPath(place), query, body }
  return send(client, place.path, { ...request, contentType: patchTypes[patch.type] }, signal)
}

/** Deletes the object, only the one with `uid` where that is given. False when it is not there (any more). */
export async function deleteObject(
  client: ApiClient,
  place: ObjectPlace,
  options: { readonly uid?: string; readonly propagation?: 'Background' | 'Foreground' | 'Orphan' },
  signal: AbortSignal,
): Promise<boolean> {
  const { uid, propagation: propagationPolicy = 'Background' } = options
  const preconditions = uid === undefined ? {} : { preconditions: { uid } }
  const body = { apiVersion: 'v1', kind: 'DeleteOptions', propagationPolicy, ...preconditions }
  const what = `delete ${shown(place)}`
  try {
    await client.request({ what, method: 'DELETE', path: objectPath(place), body, idempotent: true }, signal)
    return true
  } catch (error) {
    const gone = SupercargoError.is(error) && error.code === 'kube-not-found'
    // A conflict with a uid means that another object has the name now: ours is gone.
    const replaced = uid !== undefined && SupercargoError.is(error) && error.code === 'kube-conflict'
    if (gone || replaced) return false
    throw error
  }
}

export interface ObjectSelection {
  readonly namespace: string | undefined
  readonly labelSelector?: string | undefined
  readonly fieldSelector?: string | undefined
}

/** All objects that match, and the version from which a watch goes on. A list that changes between its pages begins anew once. */
export async function listObjects(
  client: ApiClient,
  path: KindPath,
  selection: ObjectSelection,
  signal: AbortSignal,
): Promise<{ readonly items: readonly StoredObject[]; readonly resourceVersion: string }> {
  const { namespace, labelSelector, fieldSelector } = selection
  const what = `list ${path.plural} in ${namespace ?? 'all namespaces'}`
  for (let attempt = 1; ; attempt++) {
    try {
      const items: StoredObject[] = []
      let token: string | undefined
      for (;;) {
        const query = { limit: pageObjects, continue: token, labelSelector, fieldSelector }
        const answer = await client.request({ what, path: collectionPath(path, namespace), query }, signal)
        const page = listSchema.safeParse(answer.json())
        if (!page.success) throw badAnswer(what, 'a list')
        items.push(...((page.data.items ?? []) as StoredObject[]))
        token = page.data.metadata.continue
        if (!token) return { items, resourceVersion: page.data.metadata.resourceVersion }
      }
    } catch (error) {
      if (attempt > 1 || !SupercargoError.is(error) || error.code !== 'kube-expired') throw error
    }
  }
}

/** What makes another object go when this one goes. Only with the uid that the API server gave: one that nobody has means delete at once. */
export function ownerReference(owner: StoredObject, path: KindPath): OwnerReference {
  const { name, uid } = owner.metadata
  return { apiVersion: path.apiVersion, kind: path.kind, name, uid, controller: true, blockOwnerDeletion: true }
}

function objectPath({ path, namespace, name }: AnyPlace): string {
  return apiPath(collectionPath(path, namespace), name)
}

function shown({ path, namespace, name }: AnyPlace): string {
  return `${path.kind} ${namespace === undefined ? '' : `${namespace}/`}${name}`
}

async function send(
  client: ApiClient,
  path: KindPath,
  request: Parameters<ApiClient['request']>[0],
  signal: AbortSignal,
): Promise<StoredObject> {
  const answer = await client.request({ ...request, confidential: path.kind === 'Secret' }, signal)
  const object = storedSchema.safeParse(answer.json())
  if (!object.success) throw badAnswer(request.what, 'an object')
  return object.data as StoredObject
}

function badAnswer(what: string, expected: string): SupercargoError {
  return new SupercargoError('corrupt', 'kube-bad-answer', `${what}: the API server's answer is not ${expected}`)
}
