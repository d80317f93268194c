/** A cluster in memory, for the API server double: kinds, objects, one growing version, and the history that a watch reads. */
import { randomUUID } from 'node:crypto'

export interface ModelKind {
  readonly apiVersion: string
  readonly kind: string
  readonly plural: string
  readonly namespaced: boolean
}

export interface ModelObject {
  apiVersion: string
  kind: string
  metadata: {
    name: string
    uid: string
    resourceVersion: string
    namespace?: string
    labels?: Record<string, string>
    finalizers?: string[]
    deletionTimestamp?: string
    [field: string]: unknown
  }
  [field: string]: unknown
}

export interface ModelEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'
  readonly version: number
  readonly object: ModelObject
}

export class ClusterModel {
  readonly kinds: ModelKind[] = [
    { apiVersion: 'v1', kind: 'Namespace', plural: 'namespaces', namespaced: false },
    { apiVersion: 'v1', kind: 'Node', plural: 'nodes', namespaced: false },
    { apiVersion: 'v1', kind: 'Pod', plural: 'pods', namespaced: true },
    { apiVersion: 'v1', kind: 'Service', plural: 'services', namespaced: true },
    { apiVersion: 'v1', kind: 'Secret', plural: 'secrets', namespaced: true },
    { apiVersion: 'v1', kind: 'ConfigMap', plural: 'configmaps', namespaced: true },
    { apiVersion: 'v1', kind: 'ReplicationController', plural: 'replicationcontrollers', namespaced: true },
    { apiVersion: 'batch/v1', kind: 'Job', plural: 'jobs', namespaced: true },
    { apiVersion: 'batch/v1', kind: 'CronJob', plural: 'cronjobs', namespaced: true },
    { apiVersion: 'apps/v1', kind: 'Deployment', plural: 'deployments', namespaced: true },
    { apiVersion: 'apps/v1', kind: 'StatefulSet', plural: 'statefulsets', namespaced: true },
    { apiVersion: 'apps/v1', kind: 'ReplicaSet', plural: 'replicasets', namespaced: true },
    { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', plural: 'leases', namespaced: true },
    crdKind,
  ]
  readonly history: ModelEvent[] = []
  /** Watches from before this version get 410. */
  compactedAt = 0
  #version = 100
  readonly #objects = new Map<string, ModelObject>()
  readonly #watchers = new Set<() => void>()

  constructor() {
    this.put({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'kube-system' } })
  }

  get version(): number {
    return this.#version
  }

  get uid(): string {
    return this.find('v1', 'Namespace', undefined, 'kube-system')!.metadata.uid
  }

  /** Other objects happen: the version grows without anything to see. */
  tick(versions = 1): void {
    this.#version += versions
  }

  find(apiVersion: string, kind: string, namespace: string | undefined, name: string): ModelObject | undefined {
    return this.#objects.get(keyOf(apiVersion, kind, namespace, name))
  }

  /** In the order of an etcd: by namespace and name. */
  all(apiVersion: string, kind: string, namespace?: string): ModelObject[] {
    return [...this.#objects.entries()]
      .filter(([, object]) => object.apiVersion === apiVersion && object.kind === kind)
      .filter(([, object]) => namespace === undefined || object.metadata.namespace === namespace)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([, object]) => object)
  }

  /** Creates or replaces. */
  put(object: {
    apiVersion: string
    kind: string
    metadata: { name: string; [field: string]: unknown }
    [field: string]: unknown
  }): ModelObject {
    const namespace = object.metadata.namespace as string | undefined
    const before = this.find(object.apiVersion, object.kind, namespace, object.metadata.name)
    const version = ++this.#version
    const metadata = {
      uid: before?.metadata.uid ?? randomUUID(),
      creationTimestamp: new Date(0).toISOString(),
      ...object.metadata,
      resourceVersion: String(version),
    }
    const stored = structuredClone({ ...object, metadata }) as ModelObject
    this.#objects.set(keyOf(stored.apiVersion, stored.kind, namespace, stored.metadata.name), stored)
    this.#tell({ type: before === undefined ? 'ADDED' : 'MODIFIED', version, object: stored })
    if (stored.kind === crdKind.kind) this.#serve(stored)
    return stored
  }

  /** Deletes; an object with finalizers stays, marked. */
  remove(object: ModelObject): void {
    if ((object.metadata.finalizers ?? []).length > 0) {
      this.put({ ...object, metadata: { ...object.metadata, deletionTimestamp: new Date(0).toISOString() } })
      return
    }
    const { namespace, name } = object.metadata
    this.#objects.delete(keyOf(object.apiVersion, object.kind, namespace, name))
    const version = ++this.#version
    const last = structuredClone({ ...object, metadata: { ...object.metadata, resourceVersion: String(version) } })
    this.#tell({ type: 'DELETED', version, object: last as ModelObject })
    if (object.kind === crdKind.kind) this.#withdraw(object)
    if (object.kind === 'Namespace') {
      for (const each of [...this.#objects.values()]) if (each.metadata.namespace === name) this.remove(each)
    }
  }

  /** The past is forgotten, as etcd does every five minutes. */
  compact(): void {
    this.compactedAt = this.#version
    this.history.length = 0
  }

  /** Called after each change, until the function returned is called. */
  onChange(listener: () => void): () => void {
    this.#watchers.add(listener)
    return () => this.#watchers.delete(listener)
  }

  #tell(event: ModelEvent): void {
    this.history.push(event)
    for (const watcher of this.#watchers) watcher()
  }

  #serve(definition: ModelObject): void {
    const kind = definedKind(definition)
    if (!this.kinds.some((each) => each.apiVersion === kind.apiVersion && each.kind === kind.kind))
      this.kinds.push(kind)
  }

  #withdraw(definition: ModelObject): void {
    const kind = definedKind(definition)
    for (const object of this.all(kind.apiVersion, kind.kind)) this.remove(object)
    const position = this.kinds.findIndex((each) => each.apiVersion === kind.apiVersion && each.kind === kind.kind)
    this.kinds.splice(position, 1)
  }
}

const crdKind: ModelKind = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  plural: 'customresourcedefinitions',
  namespaced: false,
}

function definedKind(definition: ModelObject): ModelKind {
  const { group, names, scope, versions } = definition.spec as {
    group: string
    names: { kind: string; plural: string }
    scope: string
    versions: { name: string }[]
  }
  return {
    apiVersion: `${group}/${versions[0]!.name}`,
    kind: names.kind,
    plural: names.plural,
    namespaced: scope === 'Namespaced',
  }
}

function keyOf(apiVersion: string, kind: string, namespace: string | undefined, name: string): string {
  return [apiVersion, kind, namespace ?? '', name].join('\0')
}
