/** Where the plan of an init-container is kept: a ConfigMap, a Secret for what is secret, and the volume of both. */
import type { KubeObject, ObjectMeta } from '@supercargo/kube'
import type { Secret } from '@supercargo/protocol'
import { type PlanInput, planDirectory, planIsSecret } from './localize-plan.ts'
import type { Volume, VolumeMount } from './pod.ts'

export interface PlanContents {
  readonly plan: PlanInput
  /** Of the resource, when the plan names one; undefined in a dry run. */
  readonly secret: Secret | undefined
  /** The authority that the pods trust for the staging server, PEM. */
  readonly authority: string | undefined
}

export interface PlanNames {
  readonly map: string
  readonly secret: string
}

export interface MountedVolume {
  readonly volume: Volume
  readonly mount: VolumeMount
}

/** The plan is readable for whoever may read ConfigMaps, unless it holds keys. The resource's secret never is. */
export function planObjects(
  contents: PlanContents,
  names: PlanNames,
  metadata: Omit<ObjectMeta, 'name'>,
): readonly KubeObject[] {
  const { secretItems, mapItems } = planItems(contents)
  const texts: Readonly<Record<string, string>> = {
    'plan.json': `${JSON.stringify(contents.plan, undefined, 1)}\n`,
    'ca.crt': contents.authority ?? '',
    secret: contents.secret?.reveal() ?? '',
  }
  const object = (kind: string, name: string) => ({
    apiVersion: 'v1',
    kind,
    metadata: { name, ...metadata },
    immutable: true,
  })
  const data = (items: readonly string[], coded: (text: string) => string) =>
    Object.fromEntries(items.map((key) => [key, coded(texts[key]!)]))
  return [
    ...(mapItems.length === 0 ? [] : [{ ...object('ConfigMap', names.map), data: data(mapItems, (text) => text) }]),
    ...(secretItems.length === 0
      ? []
      : [
          {
            ...object('Secret', names.secret),
            data: data(secretItems, (text) => Buffer.from(text).toString('base64')),
          },
        ]),
  ]
}

/** Under a name that neither Spark nor a template uses. */
export function planVolume(contents: PlanContents, names: PlanNames): MountedVolume {
  const { secretItems, mapItems } = planItems(contents)
  const sources = [
    ...(mapItems.length === 0 ? [] : [{ configMap: { name: names.map, items: mapItems.map(asItem) } }]),
    ...(secretItems.length === 0 ? [] : [{ secret: { name: names.secret, items: secretItems.map(asItem) } }]),
  ]
  return mounted({ name: 'supercargo-plan', projected: { sources } }, planDirectory)
}

export function mounted(volume: Volume, mountPath: string): MountedVolume {
  return { volume, mount: { name: volume.name, mountPath, readOnly: true } }
}

function planItems({ plan, authority }: PlanContents): {
  readonly secretItems: readonly string[]
  readonly mapItems: readonly string[]
} {
  const hidden = planIsSecret(plan)
  const staged = plan.items.some((item) => 'resource' in item)
  return {
    secretItems: [...(staged ? ['secret'] : []), ...(hidden ? ['plan.json'] : [])],
    mapItems: [...(hidden ? [] : ['plan.json']), ...(authority === undefined ? [] : ['ca.crt'])],
  }
}

function asItem(key: string): { readonly key: string; readonly path: string } {
  return { key, path: key }
}
