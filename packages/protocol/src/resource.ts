/** A resource as the parties describe it to each other: what is asked for, what is answered. */
import { z } from 'zod'
import { digestSchema } from './digest.ts'
import { filePathSchema, pathConflict } from './file-path.ts'
import { type Owner, ownersSchema } from './owner.ts'

/** A resource id: 26 of `0-9a-z` (about 134 bits), so it fits a Kubernetes name, a path and a shell without quoting. */
export const resourceIdSchema = z.string().regex(/^[0-9a-z]{26}$/, 'a resource id is 26 letters and digits')
export const resourceIdAlphabet = '0123456789abcdefghijklmnopqrstuvwxyz'
export const resourceIdLength = 26

const sizeBytesSchema = z.int().min(0)
/** An instant: milliseconds since 1970 UTC on the wire of v1 are ISO 8601 strings. */
const instantSchema = z.iso.datetime()

export const fileSchema = z.strictObject({
  path: filePathSchema,
  sizeBytes: sizeBytesSchema,
  digest: digestSchema,
})
/** One path in a resource. */
export type StagedFile = z.infer<typeof fileSchema>

export const filesSchema = z.array(fileSchema).superRefine((files, context) => {
  const conflict = pathConflict(files.map((file) => file.path))
  if (conflict !== undefined) context.addIssue({ code: 'custom', message: `the files disagree: ${conflict}` })
  const sizes = new Map<string, number>()
  for (const file of files) {
    const size = sizes.get(file.digest)
    if (size !== undefined && size !== file.sizeBytes) {
      context.addIssue({ code: 'custom', message: `one digest with two sizes: ${file.digest}` })
      break
    }
    sizes.set(file.digest, file.sizeBytes)
  }
})

/** POST /api/v1/resources, JSON. */
export const createRequestSchema = z.strictObject({ owner: ownersSchema, files: filesSchema })
export type CreateRequest = z.input<typeof createRequestSchema>

/** Its answer. `missing` are the digests that the namespace does not hold yet, each once. */
export const createResponseSchema = z.object({
  resourceId: resourceIdSchema,
  resourceSecret: z.string(),
  missing: z.array(digestSchema),
  /** When the unfinished upload is dropped if nothing arrives. */
  expiresAt: instantSchema,
})
export type CreateResponse = z.infer<typeof createResponseSchema>

/** POST …/{id}/blobs: what of the bundle was committed. */
export const blobsResponseSchema = z.object({ received: z.array(digestSchema) })
export type BlobsResponse = z.infer<typeof blobsResponseSchema>

/** POST …/{id}/commit, and the answer to a whole resource in one request (there with `resourceSecret`). */
export const commitResponseSchema = z.object({
  resourceId: resourceIdSchema,
  resourceSecret: z.string().optional(),
  files: z.array(fileSchema),
})
export type CommitResponse = z.infer<typeof commitResponseSchema>

/** `uploading` until the commit; the rest is the collector's (DESIGN §6). */
export const resourceStates = ['uploading', 'unused', 'bound', 'missing', 'condemned'] as const
export type ResourceState = (typeof resourceStates)[number]

/** GET …/{id}: the manifest. */
export const manifestSchema = z.object({
  resourceId: resourceIdSchema,
  owner: z.array(z.custom<Owner>()),
  createdAt: instantSchema,
  files: z.array(fileSchema),
})
export type Manifest = z.infer<typeof manifestSchema>

/** PATCH …/{id}: bind the owner more precisely, in the same namespace. */
export const patchRequestSchema = z.strictObject({ owner: ownersSchema })

/** POST …/{id}/capabilities. Without `expiresAt` the capability lives as long as its resource. */
export const capabilityRequestSchema = z.strictObject({ expiresAt: instantSchema.optional() })
export const capabilityResponseSchema = z.object({
  /** Names the capability for its revocation; not a secret. */
  name: z.string(),
  /** Ends in `/c/{capability}/`; append a file's path. A secret. */
  url: z.string(),
})
export type CapabilityResponse = z.infer<typeof capabilityResponseSchema>

/** GET …/{id}?explain, and one row of `supercargo resources explain`. */
export const explanationSchema = z.object({
  resourceId: resourceIdSchema,
  state: z.enum(resourceStates),
  verdict: z.enum(['keep', 'collect']),
  reason: z.string(),
  since: instantSchema,
  evidence: z.array(z.string()),
})
export type Explanation = z.infer<typeof explanationSchema>

/** GET /api/v1/resources: one row, for admins. Never a secret. */
export const listingRowSchema = z.object({
  resourceId: resourceIdSchema,
  owner: z.array(z.custom<Owner>()),
  /** Who staged it, as the cluster calls them; null where nobody was asked. */
  principal: z.string().nullable().default(null),
  state: z.enum(resourceStates),
  reason: z.string(),
  files: z.int(),
  sizeBytes: z.int(),
  createdAt: instantSchema,
  lastFetchedAt: instantSchema.nullable(),
})
export type ListingRow = z.infer<typeof listingRowSchema>
export const listingSchema = z.object({
  resources: z.array(listingRowSchema),
  /** Give it back as `?continue=` for the next page; absent on the last. */
  continue: z.string().optional(),
})
export type Listing = z.infer<typeof listingSchema>

/** What one sweep of the collector did. */
export const sweepReportSchema = z.object({
  startedAt: instantSchema,
  durationMs: z.number(),
  examined: z.int(),
  kept: z.int(),
  /** Not served for much longer, unless somebody fetches them. */
  condemned: z.int(),
  /** A dry run would have condemned or collected them. */
  spared: z.int(),
  collected: z.int(),
  abandonedUploads: z.int(),
  orphanBlobs: z.int(),
  freedBytes: z.int(),
  /** Lists that were sent to the cluster, page by page. */
  requests: z.int(),
  /** Of the turn in which it ran; 0 where the store has one process. */
  epoch: z.int(),
  errors: z.array(z.string()),
})
export type SweepReport = z.infer<typeof sweepReportSchema>

const stateCountsSchema = z.record(z.enum(resourceStates), z.int())

/** GET /api/v1/collector. */
export const collectorStatusSchema = z.object({
  cluster: z.string().nullable(),
  lastSweep: sweepReportSchema.nullable(),
  /** The latest sweeps of this process, the newest first; a bounded number. */
  recentSweeps: z.array(sweepReportSchema).default([]),
  /** Why collection is stopped, or null while it runs. */
  paused: z.string().nullable(),
  /** The same for programs: `breaker`, `versions-went-back`, `state-lost`, `other-cluster`. */
  pauseCode: z.string().nullable(),
  /** False while another replica of a shared store sweeps. */
  sweeping: z.boolean(),
  dryRun: z.boolean(),
  states: stateCountsSchema,
  /** The same by the kind of the (first) owner. */
  kinds: z.record(z.string(), stateCountsSchema).default({}),
  /** Who staged how much, the most bytes first; a bounded number of rows. Bytes of shared blobs count for each. */
  stagers: z
    .array(
      z.object({
        namespace: z.string(),
        /** Null where nobody was asked. */
        principal: z.string().nullable(),
        resources: z.int(),
        sizeBytes: z.int(),
      }),
    )
    .default([]),
  /** Owners of which nobody can say whether they are there, by the code of the reason. */
  unknownOwners: z.record(z.string(), z.int()),
  /** Since a sweep had an answer for everything that the cluster can answer; null without a cluster. */
  completeSweepAgeMs: z.number().nullable(),
  /** Since the process began; near misses since the store did. */
  totals: z.object({
    condemned: z.int(),
    collected: z.int(),
    /** Condemned resources whose owner came back. */
    revived: z.int(),
    /** Condemned resources that somebody fetched. */
    nearMisses: z.int(),
    breakerTrips: z.int(),
  }),
  usage: z.object({
    resources: z.int(),
    blobs: z.int(),
    bytes: z.int(),
    reservedBytes: z.int(),
    namespaces: z.record(z.string(), z.int()),
  }),
})
export type CollectorStatus = z.infer<typeof collectorStatusSchema>

/** RFC 9457 problem details, with the stable code and the hint of the error. `kind` lets a client rebuild the error. */
export const problemSchema = z.looseObject({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  detail: z.string().optional(),
  code: z.string(),
  kind: z.string().optional(),
  hint: z.string().optional(),
  requestId: z.string().optional(),
})
export type Problem = z.infer<typeof problemSchema>
