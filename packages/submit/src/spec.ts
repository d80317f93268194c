/**
 * The spec that steps fold into: the driver's pod, Spark's properties, the objects beside the pod, the executors' template. A
 * step adds; two that say different things about one place are an error that names both.
 */
import type { KubeObject } from '@supercargo/kube'
import { SupercargoError } from '@supercargo/protocol'
import type { Container, EnvironmentVariable, PodParts, Volume, VolumeMount } from './pod.ts'

export type PodRole = 'driver' | 'executor'

export interface Spec {
  readonly driver: PodParts
  /** The template for the executors; undefined while nothing has to be said about them. */
  readonly executor: PodParts | undefined
  readonly properties: ReadonlyMap<string, string>
  /** Owned by the driver's pod, once that has a uid. */
  readonly objects: readonly KubeObject[]
  /** Who said what about which place. */
  readonly claims: ReadonlyMap<string, Claim>
  /** The step in progress. */
  readonly step: string
}

export interface Claim {
  readonly step: string
  readonly value: string
}

export function setProperty(spec: Spec, key: string, value: string): Spec {
  const said = claim(spec, `the property ${key}`, value)
  return { ...said, properties: new Map(spec.properties).set(key, value) }
}

export function setEnvironment(spec: Spec, role: PodRole, variable: EnvironmentVariable): Spec {
  const said = claim(spec, `the variable ${variable.name} of the ${role}`, variable)
  return editContainer(said, role, (container) => ({
    ...container,
    env: [...(container.env ?? []).filter(({ name }) => name !== variable.name), variable],
  }))
}

export function addVolume(spec: Spec, role: PodRole, volume: Volume): Spec {
  const said = claim(spec, `the volume ${volume.name} of the ${role}`, volume)
  return editPod(said, role, (pod) =>
    pod.volumes.some(({ name }) => name === volume.name) ? pod : { ...pod, volumes: [...pod.volumes, volume] },
  )
}

/** In the container of Spark. */
export function addMount(spec: Spec, role: PodRole, mount: VolumeMount): Spec {
  const said = claim(spec, `the mount ${mount.mountPath} of the ${role}`, mount)
  return editContainer(said, role, (container) =>
    (container.volumeMounts ?? []).some(({ mountPath }) => mountPath === mount.mountPath)
      ? container
      : { ...container, volumeMounts: [...(container.volumeMounts ?? []), mount] },
  )
}

/** Before those that are there: what others need comes first. */
export function addInitContainer(spec: Spec, role: PodRole, container: Container): Spec {
  const said = claim(spec, `the init-container ${container.name} of the ${role}`, container)
  return editPod(said, role, (pod) => ({ ...pod, initContainers: [container, ...pod.initContainers] }))
}

export function setLabel(spec: Spec, role: PodRole, key: string, value: string): Spec {
  return setMetadata(spec, role, 'labels', key, value)
}

export function setAnnotation(spec: Spec, role: PodRole, key: string, value: string): Spec {
  return setMetadata(spec, role, 'annotations', key, value)
}

/** A field of the pod's `spec`; what a template says there is replaced. */
export function setField(spec: Spec, role: PodRole, name: string, value: unknown): Spec {
  const said = claim(spec, `spec.${name} of the ${role}`, value)
  return editPod(said, role, (pod) => ({ ...pod, fields: { ...pod.fields, [name]: value } }))
}

/** A field of Spark's container; what a template says there is replaced. */
export function setContainerField(spec: Spec, role: PodRole, name: string, value: unknown): Spec {
  const said = claim(spec, `${name} of the ${role}'s container`, value)
  return editContainer(said, role, (container) => ({ ...container, [name]: value }))
}

export function addObject(spec: Spec, object: KubeObject): Spec {
  const said = claim(spec, `the ${object.kind} ${object.metadata.name}`, object)
  return { ...said, objects: [...spec.objects, object] }
}

export function editContainer(spec: Spec, role: PodRole, edit: (container: Container) => Container): Spec {
  return editPod(spec, role, (pod) => ({ ...pod, container: edit(pod.container) }))
}

export function editPod(spec: Spec, role: PodRole, edit: (pod: PodParts) => PodParts): Spec {
  if (role === 'driver') return { ...spec, driver: edit(spec.driver) }
  if (spec.executor === undefined)
    throw new SupercargoError('internal', 'no-executor-template', `${spec.step} edits a template that is not there`)
  return { ...spec, executor: edit(spec.executor) }
}

/** Notes who says what about a place. The same again is no disagreement. */
export function claim(spec: Spec, place: string, value: unknown): Spec {
  const text = JSON.stringify(value)
  const before = spec.claims.get(place)
  if (before !== undefined && before.value !== text)
    throw new SupercargoError('conflict', 'steps-disagree', `${before.step} and ${spec.step} disagree about ${place}`, {
      hint: 'one of them comes from your configuration or your pod template: leave it out there',
    })
  return { ...spec, claims: new Map(spec.claims).set(place, { step: spec.step, value: text }) }
}

function setMetadata(spec: Spec, role: PodRole, kind: 'labels' | 'annotations', key: string, value: string): Spec {
  const said = claim(spec, `${kind}.${key} of the ${role}`, value)
  return editPod(said, role, (pod) => ({
    ...pod,
    metadata: { ...pod.metadata, [kind]: { ...pod.metadata[kind], [key]: value } },
  }))
}
