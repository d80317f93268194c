/** The pod in which this command runs, if it runs in one of the cluster that is meant. */
import { hostname, networkInterfaces } from 'node:os'
import { type ApiClient, findPodByIp, type Pod, podPath, readObject } from '@supercargo/kube'
import { SupercargoError } from '@supercargo/protocol'
import type { Environment } from '../configuration.ts'

export interface OwnPodRequest {
  readonly client: ApiClient
  readonly environment: Environment
  /** Of the connection; POD_NAMESPACE, from the downward API, wins. */
  readonly namespace: string | undefined
  /** Of this machine, for tests. */
  readonly addresses?: readonly string[]
  /** A line for a person. */
  readonly note: (text: string) => void
}

/**
 * By its name (POD_NAME from the downward API, else the host's name), and only if an address of this machine is the pod's: a
 * kubeconfig may lead to another cluster. Else by the address. Undefined outside, and where pods may not be read.
 */
export async function findOwnPod(request: OwnPodRequest, signal: AbortSignal): Promise<Pod | undefined> {
  const { client, environment } = request
  if (!environment.KUBERNETES_SERVICE_HOST) return undefined
  const namespace = environment.POD_NAMESPACE || request.namespace
  if (namespace === undefined) return undefined
  const addresses = request.addresses ?? ownAddresses()
  try {
    const name = environment.POD_NAME || environment.HOSTNAME || hostname()
    const named = isPodName(name)
      ? ((await readObject(client, { path: podPath, namespace, name }, signal)) as Pod | undefined)
      : undefined
    if (named !== undefined && podIps(named).some((ip) => addresses.includes(ip))) return named
    for (const address of addresses) {
      const found = await findPodByIp(client, address, namespace, signal)
      if (found !== undefined) return found
    }
    return undefined
  } catch (error) {
    if (!SupercargoError.is(error) || error.kind !== 'denied') throw error
    request.note(`this pod cannot be looked up (${error.message}); its executors will belong to nobody`)
    return undefined
  }
}

export function podIps({ status }: Pod): readonly string[] {
  const all = [status?.podIP, ...(status?.podIPs ?? []).map(({ ip }) => ip)]
  return all.filter((ip) => ip !== undefined)
}

function isPodName(name: string): boolean {
  return /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/.test(name)
}

function ownAddresses(): string[] {
  return Object.values(networkInterfaces())
    .flatMap((each) => each ?? [])
    .filter(({ internal, scopeid }) => !internal && !scopeid)
    .map(({ address }) => address)
}
