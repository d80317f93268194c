/** From the address of who reads to the owner in the cluster: the driver, whose pod it is or to which the executor belongs. */
import { type ApiClient, findPodByIp } from '@supercargo/kube'
import type { Owner } from '@supercargo/protocol'
import type { FindReader } from './readers.ts'

/**
 * Asks the API server each time: what a pod's address was a minute ago says nothing. Bound by uid, so that a pod of the same
 * name is another. Behind something that hides addresses no pod is found, or none that is alone with its address.
 */
export function createFindReader(client: ApiClient): FindReader {
  return async (address, namespace, signal): Promise<Owner | undefined> => {
    const pod = await findPodByIp(client, address, namespace, signal)
    if (pod === undefined) return undefined
    const driver = pod.metadata.ownerReferences?.find(
      ({ apiVersion, kind, controller }) => apiVersion === 'v1' && kind === 'Pod' && controller === true,
    )
    const { name, uid } = driver ?? pod.metadata
    return { namespace, apiVersion: 'v1', kind: 'Pod', name, uid }
  }
}
