/** A cluster for the owner lookup's contract, made through its API: the real one and the double alike. */
import type { ApiClient } from '../api-client.ts'
import { builtInPath, type KindPath } from '../discovery.ts'
import { createObject, deleteObject, type KubeObject, patchObject, readObject, type StoredObject } from '../objects.ts'

export interface NewOwner {
  readonly apiVersion: string
  readonly kind: string
  readonly namespace: string
  readonly name: string
  readonly labels?: Readonly<Record<string, string>>
  readonly finalizers?: readonly string[]
}

export interface ContractCluster {
  readonly client: ApiClient
  createNamespace(name: string): Promise<void>
  /** Creates an object that the cluster leaves alone, and returns its uid. */
  create(owner: NewOwner): Promise<string>
  relabel(owner: NewOwner, labels: Readonly<Record<string, string | null>>): Promise<void>
  /** Deletes it and waits until it is gone, or marked where it has finalizers. */
  remove(owner: NewOwner): Promise<void>
  releaseFinalizers(owner: NewOwner): Promise<void>
  /** A kind of the group `contract.supercargo.io`, in version v1. */
  defineKind(kind: string, scope: 'Namespaced' | 'Cluster'): Promise<void>
  removeKind(kind: string): Promise<void>
}

export const contractApiVersion = 'contract.supercargo.io/v1'

const crdPath: KindPath = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  plural: 'customresourcedefinitions',
}
const namespacePath: KindPath = { apiVersion: 'v1', kind: 'Namespace', plural: 'namespaces' }
const deadline = (): AbortSignal => AbortSignal.timeout(30_000)

export function contractCluster(client: ApiClient): ContractCluster {
  const place = ({ apiVersion, kind, namespace, name }: NewOwner) => ({
    path:
      apiVersion === contractApiVersion ? { apiVersion, kind, plural: pluralOf(kind) } : builtInPath(apiVersion, kind),
    namespace,
    name,
  })
  return {
    client,
    createNamespace: async (name) => {
      await createObject(client, namespacePath, { metadata: { name } }, deadline())
    },
    create: async (owner) => {
      const { namespace, name, labels = {}, finalizers = [] } = owner
      const object: KubeObject = { metadata: { namespace, name, labels, finalizers }, ...body(owner.kind) }
      const created = await createWhenServed(client, place(owner).path, object)
      return created.metadata.uid
    },
    relabel: async (owner, labels) => {
      await patchObject(client, place(owner), { type: 'merge', change: { metadata: { labels } } }, deadline())
    },
    remove: async (owner) => {
      await deleteObject(client, place(owner), { propagation: 'Orphan' }, deadline())
      for (;;) {
        const left = await readObject(client, place(owner), deadline())
        if (left === undefined || (owner.finalizers ?? []).some((each) => isMarked(left, each))) return
        await pause()
      }
    },
    releaseFinalizers: async (owner) => {
      await patchObject(client, place(owner), { type: 'merge', change: { metadata: { finalizers: null } } }, deadline())
    },
    defineKind: async (kind, scope) => {
      const plural = pluralOf(kind)
      const schema = { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } }
      const versions = [{ name: 'v1', served: true, storage: true, schema }]
      const names = { kind, plural, singular: kind.toLowerCase(), listKind: `${kind}List` }
      const spec = { group: 'contract.supercargo.io', scope, names, versions }
      await createObject(client, crdPath, { metadata: { name: `${plural}.contract.supercargo.io` }, spec }, deadline())
    },
    removeKind: async (kind) => {
      const path = `/apis/${crdPath.apiVersion}/customresourcedefinitions/${pluralOf(kind)}.contract.supercargo.io`
      await client.request({ what: 'remove a kind', method: 'DELETE', path }, deadline())
    },
  }
}

function pluralOf(kind: string): string {
  return `${kind.toLowerCase()}s`
}

function isMarked(object: StoredObject, finalizer: string): boolean {
  const { deletionTimestamp, finalizers } = object.metadata
  return deletionTimestamp !== undefined && (finalizers as readonly string[]).includes(finalizer)
}

/** A new definition is served, and a new namespace has its service account, after a moment: 404 and 403 until then. */
async function createWhenServed(client: ApiClient, path: KindPath, object: KubeObject): Promise<StoredObject> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await createObject(client, path, object, deadline())
    } catch (error) {
      if (
        attempt >= 100 ||
        !['kube-type-not-found', 'kube-forbidden'].includes((error as { code?: string }).code ?? '')
      ) {
        throw error
      }
      await pause()
    }
  }
}

/** The least that each kind asks for, and nothing that makes a controller create more. */
function body(kind: string): Record<string, unknown> {
  const podSpec = { containers: [{ name: 'main', image: 'none' }], nodeSelector: { 'supercargo.io/nowhere': 'true' } }
  const labels = { 'contract.supercargo.io/pod': 'true' }
  const template = { metadata: { labels }, spec: podSpec }
  const selector = { matchLabels: labels }
  const job = { suspend: true, template: { ...template, spec: { ...podSpec, restartPolicy: 'Never' } } }
  const specs: Record<string, unknown> = {
    Pod: podSpec,
    Job: job,
    CronJob: { schedule: '0 0 1 1 *', suspend: true, jobTemplate: { spec: job } },
    Deployment: { replicas: 0, selector, template },
    StatefulSet: { replicas: 0, selector, template, serviceName: 'none' },
    ReplicaSet: { replicas: 0, selector, template },
    ReplicationController: { replicas: 0, selector: labels, template },
  }
  return { spec: specs[kind] ?? {} }
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 50))
}
