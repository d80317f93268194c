/** A pod as plain JSON, taken apart so that steps can add to it, and put together again. */
import { SupercargoError } from '@supercargo/protocol'

export interface EnvironmentVariable {
  readonly name: string
  readonly value?: string
  readonly valueFrom?: object
}

export interface VolumeMount {
  readonly name: string
  readonly mountPath: string
  readonly [field: string]: unknown
}

export interface Volume {
  readonly name: string
  readonly [field: string]: unknown
}

export interface Container {
  readonly name: string
  readonly image?: string
  readonly args?: readonly string[]
  readonly env?: readonly EnvironmentVariable[]
  readonly volumeMounts?: readonly VolumeMount[]
  readonly ports?: readonly { readonly name?: string; readonly containerPort: number; readonly protocol?: string }[]
  readonly [field: string]: unknown
}

export interface PodMetadata {
  readonly name?: string
  readonly namespace?: string
  readonly labels?: Readonly<Record<string, string>>
  readonly annotations?: Readonly<Record<string, string>>
  readonly [field: string]: unknown
}

/** A pod, with the container of Spark apart from the others. */
export interface PodParts {
  readonly metadata: PodMetadata
  /** Without containers and volumes. */
  readonly fields: Readonly<Record<string, unknown>>
  readonly container: Container
  readonly others: readonly Container[]
  readonly initContainers: readonly Container[]
  readonly volumes: readonly Volume[]
}

export interface PodManifest {
  readonly apiVersion: 'v1'
  readonly kind: 'Pod'
  readonly metadata: PodMetadata
  readonly spec: Readonly<Record<string, unknown>>
  readonly [field: string]: unknown
}

export function emptyPod(container: string): PodParts {
  return { metadata: {}, fields: {}, container: { name: container }, others: [], initContainers: [], volumes: [] }
}

/** The container of Spark stands last, as Spark's own client puts it; what is empty is left out. */
export function joinPod({ metadata, fields, container, others, initContainers, volumes }: PodParts): PodManifest {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata,
    spec: {
      ...fields,
      ...(initContainers.length === 0 ? {} : { initContainers }),
      containers: [...others, container],
      ...(volumes.length === 0 ? {} : { volumes }),
    },
  }
}

/**
 * A user's template. The container of Spark is the one named, else the first; a template without any gets one. `file` is for
 * messages.
 */
export function splitTemplate(
  template: unknown,
  containerName: string | undefined,
  fallback: string,
  file: string,
): PodParts {
  const pod = asRecord(template)
  if (pod === undefined || (pod.kind !== undefined && pod.kind !== 'Pod'))
    throw badTemplate(file, 'is no Pod', 'write apiVersion: v1, kind: Pod, and a spec')
  const { containers: given, initContainers, volumes, ...fields } = asRecord(pod.spec) ?? {}
  const containers = asList<Container>(given)
  const index = containerName === undefined ? 0 : containers.findIndex(({ name }) => name === containerName)
  if (index < 0)
    throw badTemplate(
      file,
      `has no container called ${containerName}`,
      'name one of its containers, or leave the setting out',
    )
  const found = containers[index] ?? { name: fallback }
  if (found.args !== undefined)
    throw badTemplate(file, `sets args of ${found.name}`, "Spark's own arguments come behind them: leave args out")
  return {
    metadata: (asRecord(pod.metadata) ?? {}) as PodMetadata,
    fields,
    container: { ...found, name: found.name ?? fallback },
    others: containers.filter((_, at) => at !== index),
    initContainers: asList<Container>(initContainers),
    volumes: asList<Volume>(volumes),
  }
}

function asRecord(value: unknown): Record<string, unknown> | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : undefined
}

function asList<T>(value: unknown): readonly T[] {
  return Array.isArray(value) ? (value as T[]) : []
}

function badTemplate(file: string, says: string, hint: string): SupercargoError {
  return new SupercargoError('invalid', 'bad-pod-template', `the pod template ${file} ${says}`, { hint })
}
