/** Pods: found by their labels, or by the address from which they ask. */
import { isIP } from 'node:net'
import type { ApiClient } from './api-client.ts'
import { builtInPath } from './discovery.ts'
import { listObjects, type StoredObject } from './objects.ts'

export interface Pod extends StoredObject {
  readonly spec?: { readonly hostNetwork?: boolean; readonly nodeName?: string; readonly [field: string]: unknown }
  readonly status?: {
    readonly phase?: string
    readonly reason?: string
    readonly message?: string
    readonly podIP?: string
    readonly podIPs?: readonly { readonly ip?: string }[]
    readonly initContainerStatuses?: readonly ContainerStatus[]
    readonly containerStatuses?: readonly ContainerStatus[]
    readonly [field: string]: unknown
  }
}

export interface ContainerStatus {
  readonly name: string
  readonly ready?: boolean
  readonly restartCount?: number
  readonly state?: ContainerState
  readonly lastState?: ContainerState
}

export interface ContainerState {
  readonly waiting?: { readonly reason?: string; readonly message?: string }
  readonly running?: { readonly startedAt?: string }
  readonly terminated?: {
    readonly exitCode: number
    readonly signal?: number
    readonly reason?: string
    readonly message?: string
  }
}

export const podPath = builtInPath('v1', 'Pod')

export async function listPods(
  client: ApiClient,
  namespace: string,
  labels: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<readonly Pod[]> {
  const { items } = await listObjects(client, podPath, { namespace, labelSelector: labelSelector(labels) }, signal)
  return items as readonly Pod[]
}

/**
 * The pod that has this address, or undefined when there is none or more than one. Pods on the network of their node share
 * its address, and a pod that has ended keeps one that another may have by now: neither counts.
 */
export async function findPodByIp(
  client: ApiClient,
  address: string,
  namespace: string | undefined,
  signal: AbortSignal,
): Promise<Pod | undefined> {
  const ip = address.toLowerCase().replace(/^::ffff:(?=\d+\.)/, '')
  if (isIP(ip) === 0) return undefined
  const { items } = await listObjects(client, podPath, { namespace, fieldSelector: `status.podIP=${ip}` }, signal)
  const pods = (items as readonly Pod[]).filter(
    ({ spec, status }) =>
      status?.podIP === ip && spec?.hostNetwork !== true && !['Succeeded', 'Failed'].includes(status.phase ?? ''),
  )
  return pods.length === 1 ? pods[0] : undefined
}

/** `a=1,b=2` */
export function labelSelector(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .join(',')
}
