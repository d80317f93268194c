/** What inject puts into a manifest beside the pods: the annotation that makes it repeatable, and the objects of the plan. */
import { createHash } from 'node:crypto'
import { Secret } from '@supercargo/protocol'
import { isMap, stringify } from 'yaml'
import { z } from 'zod'
import { type PlanContents, planObjects } from '../plan-objects.ts'
import { contentOf, type ManifestDocument, newDocument } from './manifest.ts'
import type { Replaced } from './spark-application.ts'
import type { Workload } from './workload.ts'
import { scalarAt, setValue, textAt } from './yaml-place.ts'

/** On the workload: what was done to it. */
export const injectedAnnotation = 'supercargo.io/injected'
/** On our objects: whose they are, and which resource. */
export const workloadAnnotation = 'supercargo.io/workload'
export const resourceAnnotation = 'supercargo.io/resource'

const injectedSchema = z.object({
  version: z.literal(1),
  resource: z.string().optional(),
  /** The name of the Secret. */
  secret: z.string().optional(),
  replaced: z.record(z.string(), z.record(z.string(), z.string().nullable())).default({}),
})
export interface Injected {
  readonly resource: string | undefined
  readonly secret: string | undefined
  readonly replaced: Replaced
}

const secretSchema = z.object({
  metadata: z.object({ annotations: z.record(z.string(), z.string()) }),
  data: z.object({ secret: z.string(), capability: z.string().optional() }),
})

/** What an earlier run staged. */
export interface EarlierResource {
  readonly resourceId: string
  readonly secret: Secret
  /** Where its files are by plain GET. */
  readonly capability: string | undefined
}

/** Undefined when the annotation is not there, or not of this version. */
export function injectedBefore(annotation: string | undefined): Injected | undefined {
  if (annotation === undefined) return undefined
  try {
    const { resource, secret, replaced } = injectedSchema.parse(JSON.parse(annotation))
    return { resource, secret, replaced }
  } catch {
    return undefined // Somebody else's, or damaged: then everything is done anew.
  }
}

export function annotationOf({ document }: Workload): string | undefined {
  return scalarAt(document, ['metadata', 'annotations', injectedAnnotation])?.value
}

export function annotate({ document }: Workload, { resource, secret, replaced }: Injected): void {
  const text = JSON.stringify({ version: 1, resource, secret, replaced })
  setValue(document, ['metadata', 'annotations', injectedAnnotation], text)
}

/** What a Secret of ours says, from a manifest or from the cluster; undefined when it is no such Secret. */
export function readEarlier(object: unknown): EarlierResource | undefined {
  const read = secretSchema.safeParse(object)
  const resourceId = read.data?.metadata.annotations[resourceAnnotation]
  if (!read.success || resourceId === undefined) return undefined
  const text = (base64: string) => Buffer.from(base64, 'base64').toString('utf8')
  const { secret, capability } = read.data.data
  return { resourceId, secret: new Secret(text(secret)), capability: capability && text(capability) }
}

/** The documents of ours that belong to the workload. */
export function ownDocuments(documents: readonly ManifestDocument[], workload: Workload): ManifestDocument[] {
  return documents.filter((document) => {
    if (!isMap(document.yaml?.contents)) return false
    const kind = textAt(document, ['kind'])
    if (kind !== 'Secret' && kind !== 'ConfigMap') return false
    return textAt(document, ['metadata', 'annotations', workloadAnnotation]) === workloadKey(workload)
  })
}

export function earlierIn(documents: readonly ManifestDocument[], workload: Workload): EarlierResource | undefined {
  return ownDocuments(documents, workload)
    .map((document) => readEarlier(contentOf(document)))
    .find((each) => each !== undefined)
}

/** A name for what one plan of one workload needs: another plan has another, so what runs keeps its own. */
export function objectName({ kind, name }: Workload, { plan, authority }: PlanContents): string {
  const hash = createHash('sha256')
    .update(JSON.stringify([kind, name, plan, authority]))
    .digest('hex')
    .slice(0, 8)
  return `${name.slice(0, 40).replace(/[.-]+$/, '')}-supercargo-${hash}`
}

/** The ConfigMap and the Secret. `shown`: for a person to read, without a secret. */
export function planDocuments(
  workload: Workload,
  contents: PlanContents,
  capability: string | undefined,
  shown: boolean,
): ManifestDocument[] {
  const name = objectName(workload, contents)
  const resource = contents.plan.items.find((item) => 'resource' in item)?.resource
  const metadata = {
    ...(workload.namespace === undefined ? {} : { namespace: workload.namespace }),
    labels: { 'app.kubernetes.io/managed-by': 'supercargo' },
    annotations: {
      [workloadAnnotation]: workloadKey(workload),
      ...(resource === undefined ? {} : { [resourceAnnotation]: resource }),
    },
  }
  return planObjects(contents, { map: name, secret: name }, metadata).map((object) => {
    const data = object.data as Record<string, string>
    const all =
      object.kind === 'Secret' && capability !== undefined
        ? { ...data, capability: Buffer.from(capability).toString('base64') }
        : data
    const hidden = Object.fromEntries(Object.keys(all).map((key) => [key, '[secret]']))
    const said = { ...object, data: shown && object.kind === 'Secret' ? hidden : all }
    return newDocument(stringify(said, { lineWidth: 0, version: '1.1' }))
  })
}

function workloadKey({ kind, name }: Workload): string {
  return `${kind}/${name}`
}
