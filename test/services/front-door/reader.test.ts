/** Who reads, asked of a real API server: the driver by the address of its pod, the driver for its executor, nobody for all else. */
import { ApiClient, findCluster } from '@supercargo/kube'
import { beforeAll, expect, it } from 'vitest'
import { createFindReader } from '../../../packages/server/src/http/webhdfs/find-reader.ts'
import type { FindReader } from '../../../packages/server/src/http/webhdfs/readers.ts'
import { kubectl } from '../kubernetes/kubectl.ts'
import type { KubernetesDetails } from '../kubernetes/start.ts'
import { describeWith, provisionTimeoutMs, running } from '../running.ts'

describeWith(['kubernetes'], 'the pod that reads', () => {
  const { signal } = new AbortController()
  let cluster: KubernetesDetails
  let find: FindReader

  beforeAll(async () => {
    cluster = await running('kubernetes')
    await kubectl(cluster, ['create', 'namespace', 'readers'])
    await kubectl(cluster, ['create', 'serviceaccount', 'default', '--namespace', 'readers']).catch(() => undefined)
    const connection = await findCluster({ prefer: 'kubeconfig', kubeconfig: cluster.kubeconfig, environment: {} })
    find = createFindReader(new ApiClient(connection!))
  }, provisionTimeoutMs)

  /** A pod as a kubelet would report it: no node runs it, its status is written here. Resolves to its uid. */
  async function podAt(
    name: string,
    podIP: string,
    given: { phase?: string; hostNetwork?: true; owner?: object } = {},
  ) {
    const { phase = 'Running', owner, ...spec } = given
    const containers = [{ name: 'main', image: 'not/pulled' }]
    const metadata = { name, namespace: 'readers', ...(owner === undefined ? {} : { ownerReferences: [owner] }) }
    const pod = { apiVersion: 'v1', kind: 'Pod', metadata, spec: { containers, ...spec } }
    await kubectl(cluster, ['create', '-f', '-'], JSON.stringify(pod))
    const status = JSON.stringify({ status: { phase, podIP, podIPs: [{ ip: podIP }] } })
    const where = ['pod', name, '--namespace', 'readers']
    await kubectl(cluster, ['patch', ...where, '--subresource=status', '--type=merge', '--patch', status])
    return kubectl(cluster, ['get', ...where, '-o', 'jsonpath={.metadata.uid}'])
  }

  it('is the driver, bound by its uid, also when its address comes as IPv6 wrote it', async () => {
    const uid = await podAt('driver', '10.1.0.1')
    const owner = { namespace: 'readers', apiVersion: 'v1', kind: 'Pod', name: 'driver', uid }
    expect(await find('10.1.0.1', 'readers', signal)).toEqual(owner)
    expect(await find('::ffff:10.1.0.1', 'readers', signal)).toEqual(owner)
    expect(await find('10.1.0.1', 'default', signal)).toBeUndefined()
    const reference = { apiVersion: 'v1', kind: 'Pod', name: 'driver', uid, controller: true }
    await podAt('executor', '10.1.0.2', { owner: reference })
    expect(await find('10.1.0.2', 'readers', signal)).toEqual(owner)
  })

  it('is nobody when the address is of no pod, of several, of a node, or of one that has ended', async () => {
    await podAt('ended', '10.1.0.3', { phase: 'Succeeded' })
    await podAt('one', '10.1.0.4')
    await podAt('two', '10.1.0.4')
    await podAt('on-the-node', '10.1.0.5', { hostNetwork: true })
    for (const address of ['10.1.0.3', '10.1.0.4', '10.1.0.5', '10.9.9.9', '127.0.0.1', 'not-an-address'])
      expect(await find(address, 'readers', signal), address).toBeUndefined()
  })
})
