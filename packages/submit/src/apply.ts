/**
 * Apply: the driver's pod is created behind a gate, then its objects with the pod as their owner, then the gate is opened. What
 * fails on the way takes the pod with it, and the cluster collects the rest. The pod names its objects before they are there:
 * behind the gate nothing looks for them.
 */
import {
  type ApiClient,
  builtInPath,
  createObject,
  deleteObject,
  type KubeObject,
  type OwnerReference,
  patchObject,
  podPath,
  readObject,
  type StoredObject,
} from '@supercargo/kube'
import { SupercargoError, toSupercargoError } from '@supercargo/protocol'
import { type Application, selectorLabel } from './application.ts'
import type { PodManifest } from './pod.ts'
import type { Rendered } from './steps/order.ts'

export const gateName = 'supercargo.io/objects'

export interface ApplyRequest {
  readonly client: ApiClient
  readonly application: Application
  readonly rendered: Rendered
  /** False where gates cannot be had: then the pod may start before its objects, and kubelet waits for them. */
  readonly gate: boolean
}

export interface Applied {
  readonly pod: StoredObject
}

/** For removing what a failure left; the caller's own signal may be aborted by then. */
const removalTimeoutMs = 10_000

/** Resolves when the driver may start. When it rejects, nothing of the application is left, or the error names it. */
export async function apply(request: ApplyRequest, signal: AbortSignal): Promise<Applied> {
  const { client, rendered, application } = request
  let pod: StoredObject | undefined
  try {
    pod = await createPod(request, signal)
    await complete({ client, application, pod, objects: rendered.objects }, signal)
    return { pod }
  } catch (cause) {
    const error = toSupercargoError(cause)
    throw await withoutLeftovers(request, pod?.metadata.uid, error)
  }
}

export interface CompleteRequest {
  readonly client: ApiClient
  readonly application: Application
  /** The driver's. */
  readonly pod: StoredObject
  readonly objects: readonly KubeObject[]
}

/** Creates what belongs to a driver's pod, owned by it, and opens our gate where it has one. */
export async function complete(request: CompleteRequest, signal: AbortSignal): Promise<void> {
  const { client, application, pod, objects } = request
  const { name, uid } = pod.metadata
  await createOwnedBy(client, { apiVersion: 'v1', kind: 'Pod', name, uid, controller: true }, objects, signal)
  if (gatesOf(pod).includes(gateName)) await openGate(client, application, pod, signal)
}

/** All have ended when it does. Without an owner the caller removes them. */
export async function createOwnedBy(
  client: ApiClient,
  owner: OwnerReference | undefined,
  objects: readonly KubeObject[],
  signal: AbortSignal,
): Promise<void> {
  const ownerReferences = owner === undefined ? {} : { ownerReferences: [owner] }
  const made = objects.map((object) =>
    createOwned(client, { ...object, metadata: { ...object.metadata, ...ownerReferences } }, signal),
  )
  await settled(made)
}

async function createPod(request: ApplyRequest, signal: AbortSignal): Promise<StoredObject> {
  const { client, application, rendered, gate } = request
  const { namespace, driverPod: name } = application
  const create = (pod: PodManifest) => createObject(client, podPath, pod, signal, { idempotent: true })
  try {
    return await create(gate ? gated(rendered.pod) : rendered.pod)
  } catch (error) {
    if (!SupercargoError.is(error)) throw error
    // An API server that knows no gates refuses the field, by its name.
    if (gate && error.code === 'kube-refused' && error.message.includes('schedulingGates'))
      return await create(rendered.pod)
    if (error.code !== 'kube-already-exists') throw error
    // Sent twice, because the first answer did not come; or another application has the name.
    const found = await readObject(client, { path: podPath, namespace, name }, signal).catch(() => undefined)
    if (found?.metadata.labels?.[selectorLabel] === application.id) return found
    throw new SupercargoError('conflict', 'driver-exists', `a pod ${namespace}/${name} is there already`, {
      cause: error,
      hint: `remove it with supercargo kill ${name}, or leave spark.kubernetes.driver.pod.name out: then every submission has a name of its own`,
    })
  }
}

/** The same pod, which nobody schedules while our gate is closed. */
export function gated(pod: PodManifest): PodManifest {
  const own = (pod.spec.schedulingGates as object[] | undefined) ?? []
  return { ...pod, spec: { ...pod.spec, schedulingGates: [...own, { name: gateName }] } }
}

function gatesOf(pod: KubeObject): string[] {
  const { schedulingGates = [] } = (pod.spec ?? {}) as { schedulingGates?: readonly { name: string }[] }
  return schedulingGates.map(({ name }) => name)
}

async function createOwned(client: ApiClient, object: KubeObject, signal: AbortSignal): Promise<void> {
  const path = builtInPath(object.apiVersion!, object.kind!)
  try {
    await createObject(client, path, object, signal, { idempotent: true })
  } catch (error) {
    // Its name is this submission's alone, so it is there because the first answer did not come.
    if (!SupercargoError.is(error) || error.code !== 'kube-already-exists') throw error
  }
}

/** Only the gate of ours: another's is for others to open. */
async function openGate(
  client: ApiClient,
  application: Application,
  pod: StoredObject,
  signal: AbortSignal,
): Promise<void> {
  const { namespace, driverPod: name } = application
  const schedulingGates = gatesOf(pod)
    .filter((gate) => gate !== gateName)
    .map((gate) => ({ name: gate }))
  const change = { metadata: { uid: pod.metadata.uid }, spec: { schedulingGates } }
  try {
    await patchObject(client, { path: podPath, namespace, name }, { type: 'merge', change }, signal)
  } catch (error) {
    if (!SupercargoError.is(error) || error.code !== 'kube-forbidden') throw error
    throw new SupercargoError(
      'denied',
      'gate-stays-closed',
      `pods in ${namespace} may not be patched, so the driver cannot be started`,
      {
        cause: error,
        status: 403,
        hint: 'grant the verb patch on pods, or submit with --no-gate',
      },
    )
  }
}

/** All have ended before the first failure is reported, so that nothing is created behind the back of the removal. */
async function settled(work: readonly Promise<void>[]): Promise<void> {
  const failed = (await Promise.allSettled(work)).find((each) => each.status === 'rejected')
  if (failed !== undefined) throw failed.reason
}

/** A refusal has made nothing; anything else may have. */
const refusals = new Set(['denied', 'invalid', 'notFound', 'conflict', 'tooLarge'])

/** Removes the pod, and with it what it owns. The error to throw: the given one, or one that names what could not be removed. */
async function withoutLeftovers(
  { client, application }: ApplyRequest,
  known: string | undefined,
  error: SupercargoError,
): Promise<SupercargoError> {
  if (known === undefined && refusals.has(error.kind)) return error
  const place = { path: podPath, namespace: application.namespace, name: application.driverPod }
  const signal = AbortSignal.timeout(removalTimeoutMs)
  try {
    const uid = known ?? (await ownPod(client, application, signal))
    if (uid !== undefined) await deleteObject(client, place, { uid }, signal)
    return error
  } catch (failure) {
    const name = `${application.namespace}/${application.driverPod}`
    return new SupercargoError(error.kind, error.code, `${error.message}; the pod ${name} could not be removed`, {
      cause: error.cause ?? failure,
      hint: `if it is there: kubectl delete pod ${application.driverPod} -n ${application.namespace}; what belongs to it goes with it`,
      context: { ...error.context, left: [`Pod ${name}`] },
    })
  }
}

async function ownPod(client: ApiClient, application: Application, signal: AbortSignal): Promise<string | undefined> {
  const { namespace, driverPod: name, id } = application
  const found = await readObject(client, { path: podPath, namespace, name }, signal)
  return found?.metadata.labels?.[selectorLabel] === id ? found.metadata.uid : undefined
}
