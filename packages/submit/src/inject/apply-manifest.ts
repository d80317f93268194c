/**
 * Applies a manifest by server-side apply. A workload comes first, then what it owns, with its uid: until that is there its pods
 * wait for their volumes, and nothing of ours is ever without an owner.
 */
import { type ApiClient, type KubeObject, patchObject, type StoredObject, servedKind } from '@supercargo/kube'
import { SupercargoError, toSupercargoError } from '@supercargo/protocol'
import { contentOf, type ManifestDocument } from './manifest.ts'
import { workloadAnnotation } from './own-documents.ts'
import type { Workload } from './workload.ts'

export interface ApplyManifestRequest {
  readonly client: ApiClient
  readonly documents: readonly ManifestDocument[]
  readonly workloads: readonly Workload[]
  /** Of objects that name none. */
  readonly namespace: string
  /** Take fields over from whoever else manages them. */
  readonly force: boolean
  readonly note: (text: string) => void
}

const fieldManager = 'supercargo'

/** The workloads as they are in the cluster, in their order. When it rejects, the error names what was applied before. */
export async function applyManifest(
  request: ApplyManifestRequest,
  signal: AbortSignal,
): Promise<readonly StoredObject[]> {
  const { workloads, note } = request
  const objects = request.documents.map(objectOf).filter((each) => each !== undefined)
  const keys = workloads.map(({ kind, name }) => `${kind}/${name}`)
  const ownedBy = ({ kind, metadata }: KubeObject): string | undefined => {
    const key = metadata.annotations?.[workloadAnnotation]
    return (kind === 'Secret' || kind === 'ConfigMap') && key !== undefined && keys.includes(key) ? key : undefined
  }
  const applied: string[] = []
  const stored = new Map<string, StoredObject>()
  const put = async (object: KubeObject): Promise<StoredObject> => {
    const answer = await applyObject(request, object, signal)
    applied.push(`${object.kind} ${answer.metadata.name}`)
    note(`applied ${applied.at(-1)}`)
    return answer
  }
  try {
    for (const object of objects.filter((each) => ownedBy(each) === undefined)) {
      const answer = await put(object)
      const key = `${object.kind}/${answer.metadata.name}`
      if (!keys.includes(key)) continue
      stored.set(key, answer)
      const { name, uid } = answer.metadata
      const ownerReferences = [{ apiVersion: object.apiVersion!, kind: object.kind!, name, uid }]
      for (const own of objects.filter((each) => ownedBy(each) === key))
        await put({ ...own, metadata: { ...own.metadata, ownerReferences } })
    }
  } catch (cause) {
    throw explained(toSupercargoError(cause), applied)
  }
  return keys.map((key) => stored.get(key)!)
}

async function applyObject(
  { client, namespace, force }: ApplyManifestRequest,
  object: KubeObject,
  signal: AbortSignal,
): Promise<StoredObject> {
  const { path, namespaced } = await servedKind(client, { apiVersion: object.apiVersion!, kind: object.kind! }, signal)
  const where = namespaced ? (object.metadata.namespace ?? namespace) : undefined
  const metadata = { ...object.metadata, ...(where === undefined ? {} : { namespace: where }) }
  const place = { path, namespace: where, name: object.metadata.name! }
  const patch = { type: 'apply', object: { ...object, metadata }, fieldManager, force } as const
  try {
    return await patchObject(client, place, patch, signal)
  } catch (error) {
    throw isUnchangeable(error) ? unchangeable(place, error) : error
  }
}

/** Jobs and pods stay as they were made; what the API server says about it begins with the whole pod. */
function isUnchangeable(error: unknown): boolean {
  return (
    SupercargoError.is(error) &&
    error.code === 'kube-refused' &&
    /immutable|may not change|updates to .* are forbidden|is invalid: spec\.template: Invalid value/.test(error.message)
  )
}

function unchangeable(
  { path, name }: { readonly path: { readonly kind: string }; readonly name: string },
  cause: unknown,
) {
  const says = `the ${path.kind} ${name} is there already with another content, and this kind cannot be changed`
  return new SupercargoError('conflict', 'workload-unchangeable', says, {
    cause,
    hint: 'delete it first, or give the new one another name',
  })
}

function objectOf(document: ManifestDocument): KubeObject | undefined {
  const object = contentOf(document) as KubeObject | null
  if (object === null) return undefined
  if (object.apiVersion !== undefined && object.kind !== undefined && object.metadata?.name !== undefined) return object
  throw new SupercargoError('invalid', 'bad-manifest', `${document.where()} is no object that can be applied`, {
    hint: 'it needs apiVersion, kind and metadata.name',
  })
}

function explained(error: SupercargoError, applied: readonly string[]): SupercargoError {
  const { kind, code, message, hint, context } = error
  const said = applied.length === 0 ? message : `${message}; applied before that: ${applied.join(', ')}`
  return new SupercargoError(kind, code, said, {
    cause: error.cause ?? error,
    hint: adviceFor(error) ?? hint,
    context: { ...context, applied },
  })
}

function adviceFor({ code }: SupercargoError): string | undefined {
  return code === 'kube-conflict' ? 'somebody else manages these fields; --force-conflicts takes them over' : undefined
}
