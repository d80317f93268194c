/** The localize plan, version 1: the file that submission writes and the init-container reads. */
import { z } from 'zod'
import { digestSchema } from './digest.ts'
import { pathFault, printable } from './file-path.ts'
import { resourceIdSchema } from './resource.ts'

/** A target below `root`. `.` is the root itself. */
const targetSchema = z.string().superRefine((path, context) => {
  const fault = path === '.' ? undefined : pathFault(path)
  if (fault !== undefined)
    context.addIssue({ code: 'custom', message: `the target ${printable(path)} is refused: ${fault}` })
})

const absolutePathSchema = z.string().regex(/^\/[^\u0000]*$/, 'write an absolute path')

/** All files of a staged resource, below `to`. */
export const resourceItemSchema = z.strictObject({
  resource: resourceIdSchema,
  /** File that holds the resource secret; its bytes without surrounding white space. */
  secretFile: absolutePathSchema,
  to: targetSchema.default('.'),
})

/** The same without a secret: the token of the pod itself, in a projected volume with the server's audience. */
export const ownResourceItemSchema = resourceItemSchema
  .omit({ secretFile: true })
  .extend({ tokenFile: absolutePathSchema })

/** One file from any source, at `to`; with `unpack`, the archive's entries below `to`. */
export const uriItemSchema = z.strictObject({
  uri: z.string().min(1),
  to: targetSchema,
  digest: digestSchema.optional(),
  sizeBytes: z.int().min(0).optional(),
  unpack: z.boolean().default(false),
})

export const planItemSchema = z.union([resourceItemSchema, ownResourceItemSchema, uriItemSchema], {
  error: 'an item is {resource, secretFile, to}, {resource, tokenFile, to} or {uri, to, digest?, sizeBytes?, unpack?}',
})

export const limitsSchema = z.strictObject({
  /** The whole run, retries and waiting included. */
  deadlineMs: z.int().min(1).default(600_000),
  /** No byte for this long is a stall, and the transfer is tried again. */
  idleTimeoutMs: z.int().min(1).default(60_000),
  /** Tries for one file in all. */
  attemptsMax: z.int().min(1).max(100).default(8),
  /** Transfers at a time. */
  concurrencyMax: z.int().min(1).max(256).default(8),
  /** Behind one URI that names a folder or a pattern. */
  listedFilesMax: z.int().min(1).default(10_000),
  /** Of one unpacked archive. */
  unpackedBytesMax: z
    .int()
    .min(1)
    .default(64 * 2 ** 30),
  unpackedEntriesMax: z.int().min(1).default(100_000),
  /** Unpacked bytes per packed byte. */
  unpackedRatioMax: z.number().min(1).default(200),
})

/** How one origin is spoken to. What is secret is in files, and goes to this origin alone, never along a redirect. */
export const httpOriginSchema = z
  .strictObject({
    /** `user:password`. */
    basicFile: absolutePathSchema.optional(),
    /** A token for `Authorization: Bearer`. */
    bearerFile: absolutePathSchema.optional(),
    /** `Name: value` lines. */
    headerFile: absolutePathSchema.optional(),
    /** PEM: a client certificate and its key. */
    certFile: absolutePathSchema.optional(),
    keyFile: absolutePathSchema.optional(),
    /** PEM: authorities that are believed beside the system's. */
    caFile: absolutePathSchema.optional(),
    /** The origin may be a metadata or link-local address. */
    allowMetadata: z.boolean().optional(),
  })
  .refine(({ basicFile, bearerFile }) => basicFile === undefined || bearerFile === undefined, {
    error: 'an origin has a basicFile or a bearerFile, not both',
  })
  .refine(({ certFile, keyFile }) => (certFile === undefined) === (keyFile === undefined), {
    error: 'certFile and keyFile go together',
  })

export const planSchema = z.strictObject({
  version: z.literal(1),
  /** Where everything appears. */
  root: absolutePathSchema,
  staging: z.strictObject({ url: z.url({ protocol: /^https?$/ }), caFile: absolutePathSchema.optional() }).optional(),
  items: z.array(planItemSchema),
  hadoop: z
    .strictObject({
      confDirectory: absolutePathSchema.optional(),
      properties: z.record(z.string(), z.string()).optional(),
      tokenFile: absolutePathSchema.optional(),
    })
    .optional(),
  /** Settings by origin (`https://host:port`). */
  http: z
    .record(
      z
        .string()
        .refine(
          (origin) => URL.canParse(origin) && new URL(origin).origin === origin,
          'write an origin: scheme://host[:port]',
        ),
      httpOriginSchema,
    )
    .optional(),
  limits: limitsSchema.prefault({}),
})

export type Plan = z.infer<typeof planSchema>
export type HttpOrigin = z.infer<typeof httpOriginSchema>
export type PlanItem = z.infer<typeof planItemSchema>
export type ResourceItem = z.infer<typeof resourceItemSchema> | z.infer<typeof ownResourceItemSchema>
export type UriItem = z.infer<typeof uriItemSchema>
export type PlanLimits = z.infer<typeof limitsSchema>
