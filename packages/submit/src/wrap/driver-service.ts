/** The name under which executors find a driver that runs in a pod of the user's own: a headless Service, found or made. */
import {
  type ApiClient,
  builtInPath,
  createObject,
  listObjects,
  listPods,
  ownerReference,
  type Pod,
  patchObject,
  podPath,
  type StoredObject,
} from '@supercargo/kube'
import { SupercargoError } from '@supercargo/protocol'
import { podIps } from './own-pod.ts'

/** By this our Service selects one pod; its value is the pod's uid. */
const driverLabel = 'supercargo.io/driver'
const servicePath = builtInPath('v1', 'Service')
const serviceNameCharactersMax = 63
const suffix = '-driver-svc'

interface Service extends StoredObject {
  readonly spec?: { readonly clusterIP?: string; readonly selector?: Readonly<Record<string, string>> }
}

/** `make` says whether a Service may be made; without, the answer is the one that would be made. */
export interface AddressRequest {
  readonly client: ApiClient
  readonly pod: Pod
  readonly make: boolean
  /** A line for a person. */
  readonly note: (text: string) => void
}

/** The host name; where Services may neither be read nor made, the pod's address, which serves as well while the pod lives. */
export async function driverHost(request: AddressRequest, signal: AbortSignal): Promise<string> {
  const { pod, note } = request
  try {
    return (await existing(request, signal)) ?? (await own(request, signal))
  } catch (error) {
    const ip = podIps(pod)[0]
    if (!SupercargoError.is(error) || error.kind !== 'denied' || ip === undefined) throw error
    note(`no headless Service can be had (${error.message}); the executors are given this pod's address, ${ip}`)
    return ip
  }
}

/** A stateful set gives each pod a name of its own; else a headless Service counts when it leads to this pod alone. */
async function existing({ client, pod }: AddressRequest, signal: AbortSignal): Promise<string | undefined> {
  const namespace = pod.metadata.namespace!
  const { items } = await listObjects(client, servicePath, { namespace }, signal)
  const headless = (items as readonly Service[]).filter(({ spec }) => spec?.clusterIP === 'None')
  const { hostname, subdomain } = (pod.spec ?? {}) as { hostname?: string; subdomain?: string }
  if (hostname !== undefined && subdomain !== undefined && headless.some(({ metadata }) => metadata.name === subdomain))
    return `${hostname}.${subdomain}.${namespace}.svc`
  for (const { metadata, spec } of headless) {
    const selector = Object.entries(spec?.selector ?? {})
    const leadsHere = selector.length > 0 && selector.every(([key, value]) => pod.metadata.labels?.[key] === value)
    if (!leadsHere) continue
    const pods = await listPods(client, namespace, Object.fromEntries(selector), signal)
    if (pods.length === 1) return `${metadata.name}.${namespace}.svc`
  }
  return undefined
}

/** Ours belongs to the pod: the next command in the same pod finds it, and it goes when the pod does. */
async function own({ client, pod, make }: AddressRequest, signal: AbortSignal): Promise<string> {
  const { name: podName, uid } = pod.metadata
  const namespace = pod.metadata.namespace!
  const name = serviceName(podName, uid)
  const host = `${name}.${namespace}.svc`
  if (!make) return host
  const labels = { [driverLabel]: uid }
  const change = { metadata: { uid, labels } }
  await patchObject(client, { path: podPath, namespace, name: podName }, { type: 'merge', change }, signal)
  const ownerReferences = [{ ...ownerReference(pod, podPath), blockOwnerDeletion: false }]
  const service = {
    metadata: { name, namespace, labels, ownerReferences },
    // A pod that is not ready can be a driver all the same.
    spec: { clusterIP: 'None', selector: labels, publishNotReadyAddresses: true },
  }
  try {
    await createObject(client, servicePath, service, signal, { idempotent: true })
  } catch (error) {
    if (!SupercargoError.is(error) || error.code !== 'kube-already-exists') throw error
  }
  return host
}

/** The name of a Service is a label of DNS: it begins with a letter, and has no dots. */
function serviceName(pod: string, uid: string): string {
  const plain = `${pod}${suffix}`
  return plain.length <= serviceNameCharactersMax && /^[a-z][a-z0-9-]*$/.test(plain) ? plain : `driver-${uid}${suffix}`
}
