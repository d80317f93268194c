/** A namespace of the real API server for one test, with what a kubelet would say said by the test. */
import {
  ApiClient,
  builtInPath,
  type KubeConnection,
  kubeConfigConnection,
  listObjects,
  type Pod,
  type StoredObject,
} from '@supercargo/kube'
import { type KubectlTarget, kubectl, tryKubectl } from '../kubernetes/kubectl.ts'
import { until } from '../until.ts'

export interface TestNamespace {
  readonly name: string
  readonly connection: KubeConnection
  readonly client: ApiClient
  kubectl(...args: string[]): Promise<string>
  /** Writes a pod's status, as its kubelet would. */
  setStatus(pod: string, status: object): Promise<void>
  pods(): Promise<readonly Pod[]>
  /** Every object of the kinds that a submission creates. What the cluster puts into each namespace is left out. */
  contents(): Promise<readonly StoredObject[]>
  [Symbol.asyncDispose](): Promise<void>
}

const kinds = ['Pod', 'Service', 'ConfigMap', 'Secret', 'PersistentVolumeClaim']
let count = 0

export async function testNamespace(cluster: KubectlTarget): Promise<TestNamespace> {
  const name = `submit-${process.pid}-${++count}`
  await kubectl(cluster, ['create', 'namespace', name])
  const account = ['get', 'serviceaccount', 'default', '--namespace', name]
  await until('the account of the namespace', async () => (await tryKubectl(cluster, account)).exitCode === 0, {
    timeoutMs: 20_000,
  })
  const connection = (await kubeConfigConnection({ kubeconfig: cluster.kubeconfig, environment: {} }))!
  const client = new ApiClient(connection)
  const inside = (...args: string[]): Promise<string> => kubectl(cluster, ['--namespace', name, ...args])
  const list = async (kind: string): Promise<readonly StoredObject[]> => {
    const found = await listObjects(client, builtInPath('v1', kind), { namespace: name }, AbortSignal.timeout(20_000))
    return found.items.map((item) => ({ ...item, kind })).filter(({ metadata }) => metadata.name !== 'kube-root-ca.crt')
  }
  return {
    name,
    connection,
    client,
    kubectl: inside,
    setStatus: async (pod, status) => {
      const path = `/api/v1/namespaces/${name}/pods/${pod}/status`
      const contentType = 'application/merge-patch+json'
      await client.request(
        { what: 'set a status', method: 'PATCH', path, body: { status }, contentType },
        AbortSignal.timeout(10_000),
      )
    },
    pods: async () => (await list('Pod')) as readonly Pod[],
    contents: async () => (await Promise.all(kinds.map(list))).flat(),
    [Symbol.asyncDispose]: async () => {
      await client.close()
      await kubectl(cluster, ['delete', 'namespace', name, '--wait=false'])
    },
  }
}
