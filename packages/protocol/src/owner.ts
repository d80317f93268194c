/** The owner: the Kubernetes objects whose existence keeps a resource alive. */
import { z } from 'zod'

/** RFC 1123 label, the grammar of a namespace name (Kubernetes "Object Names and IDs"). */
export const namespaceSchema = z
  .string()
  .max(63)
  .regex(/^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/, 'a namespace is lower-case letters, digits and "-", at most 63')

/** RFC 1123 subdomain: most object names. */
const objectNameSchema = z
  .string()
  .max(253)
  .regex(/^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/, 'an object name is lower-case letters, digits, "-" and ".", at most 253')

const uidSchema = z.string().regex(/^[A-Za-z0-9._:-]{1,128}$/, 'a uid is the metadata.uid of an object')

const labelName = /^([A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?)$/

/** Kubernetes "Labels and Selectors": an optional DNS prefix of at most 253, a name of at most 63. */
function labelKeyFault(key: string): string | undefined {
  const slash = key.indexOf('/')
  const prefix = slash < 0 ? undefined : key.slice(0, slash)
  const name = slash < 0 ? key : key.slice(slash + 1)
  if (prefix !== undefined && !objectNameSchema.safeParse(prefix).success) return 'its prefix is not a DNS name'
  if (name.length > 63 || !labelName.test(name)) return 'its name part is letters, digits, "-", "_" and ".", at most 63'
  return undefined
}

const labelValueSchema = z
  .string()
  .max(63)
  .regex(
    /^$|^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$/,
    'a label value is letters, digits, "-", "_" and ".", at most 63',
  )

export const labelsSchema = z.record(z.string(), labelValueSchema).superRefine((labels, context) => {
  for (const key of Object.keys(labels)) {
    const fault = labelKeyFault(key)
    if (fault !== undefined) context.addIssue({ code: 'custom', message: `label key ${JSON.stringify(key)}: ${fault}` })
  }
  if (Object.keys(labels).length > 32)
    context.addIssue({ code: 'custom', message: 'at most 32 labels select an owner' })
})

/**
 * One owner. With a `uid` the uid decides; with a `name` alone the name stays the owner when the object is recreated; with
 * `labels`, every object of the kind that carries all of them. Without any of the three it would match everything and is
 * refused. Only namespaced kinds: a cluster-scoped object has no namespace to lend.
 */
export const ownerSchema = z
  .strictObject({
    namespace: namespaceSchema,
    apiVersion: z
      .string()
      .regex(/^([a-z0-9]([a-z0-9.-]*[a-z0-9])?\/)?v[a-z0-9]+$/, 'an apiVersion is v1 or group/v1')
      .default('v1'),
    kind: z
      .string()
      .regex(/^[A-Z][A-Za-z0-9]{0,62}$/, 'a kind is written as in a manifest: Pod, Job, SparkApplication')
      .default('Pod'),
    name: objectNameSchema.optional(),
    uid: uidSchema.optional(),
    labels: labelsSchema.optional(),
  })
  .superRefine((owner, context) => {
    if (owner.name === undefined && owner.uid === undefined && Object.keys(owner.labels ?? {}).length === 0) {
      context.addIssue({
        code: 'custom',
        message: 'an owner needs a name, a uid or at least one label: without them every object would match',
      })
    }
    const apiVersion = standardApiVersions[owner.kind]
    if (apiVersion !== undefined && !apiVersion.includes(owner.apiVersion)) {
      context.addIssue({
        code: 'custom',
        path: ['apiVersion'],
        message: `${owner.kind} is of ${apiVersion.join(' or ')}, not ${owner.apiVersion}`,
      })
    }
  })

/** The kinds whose apiVersion is fixed by Kubernetes or by the two Spark operators. Any other kind is taken as it is written. */
export const standardApiVersions: Readonly<Record<string, readonly string[]>> = {
  Pod: ['v1'],
  ReplicationController: ['v1'],
  Job: ['batch/v1'],
  CronJob: ['batch/v1'],
  Deployment: ['apps/v1'],
  StatefulSet: ['apps/v1'],
  ReplicaSet: ['apps/v1'],
  DaemonSet: ['apps/v1'],
  SparkApplication: [
    'sparkoperator.k8s.io/v1beta2',
    'spark.apache.org/v1',
    'spark.apache.org/v1beta1',
    'spark.apache.org/v1alpha1',
  ],
  ScheduledSparkApplication: ['sparkoperator.k8s.io/v1beta2'],
}

export type Owner = z.infer<typeof ownerSchema>

/** One owner or several in one namespace, any of which keeps the resource. Parsed, it is always a list. */
export const ownersSchema = z
  .union([
    ownerSchema.transform((owner) => [owner]),
    z.array(ownerSchema).min(1, 'a resource needs an owner').max(16, 'at most 16 owners'),
  ])
  .superRefine((owners, context) => {
    if (new Set(owners.map((owner) => owner.namespace)).size > 1) {
      context.addIssue({ code: 'custom', message: 'all owners of one resource are in one namespace' })
    }
  })

/** The namespace that a set of owners shares. */
export function namespaceOf(owners: readonly Owner[]): string {
  return owners[0]!.namespace
}

/** The owner part of a 2017 upload (StagedResourcesOwner): pods of a namespace that carry all labels. */
export const v0OwnerSchema = z
  .strictObject({
    ownerNamespace: namespaceSchema,
    ownerLabels: labelsSchema.refine(
      (labels) => Object.keys(labels).length > 0,
      'without labels every pod of the namespace would match',
    ),
    ownerType: z.literal('Pod'),
  })
  .transform(
    (owner): Owner => ({ namespace: owner.ownerNamespace, apiVersion: 'v1', kind: 'Pod', labels: owner.ownerLabels }),
  )

/** The label by which a pod claims a resource that was staged before the pod had a name. */
export const claimLabel = 'supercargo.io/claim'

/** `Pod driver`, `Job etl (uid 1f…)`, `Pods with app=x` … for messages and listings. */
export function describeOwner(owner: Owner): string {
  if (owner.name !== undefined) return `${owner.kind} ${owner.namespace}/${owner.name}`
  if (owner.uid !== undefined) return `${owner.kind} in ${owner.namespace} with uid ${owner.uid}`
  const labels = Object.entries(owner.labels ?? {}).map(([key, value]) => `${key}=${value}`)
  return `${owner.kind} in ${owner.namespace} with ${labels.join(', ')}`
}
