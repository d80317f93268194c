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
  /** Tries in a row for one file that bring nothing: more than a minute with the waits between them, as long as a server that moves is away. */
  attemptsMax: z.int().min(1).max(100).default(20),
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

const ipAddressSchema = z.union([z.ipv4(), z.ipv6()], { error: 'write an IP address' })

/** What Hadoop's own clients take from files and the environment, for S3 and HDFS. */
export const hadoopSchema = z.strictObject({
  /** Holds `core-site.xml` and `hdfs-site.xml`. */
  confDirectory: absolutePathSchema.optional(),
  /** On top of them, with or without Spark's prefix `spark.hadoop.`. */
  properties: z.record(z.string(), z.string()).optional(),
  /** Delegation tokens as Hadoop writes them, or one token in the form that WebHDFS takes in a URL. */
  tokenFile: absolutePathSchema.optional(),
  /** Who one is where nothing is proven. */
  user: z.string().min(1).optional(),
  /** A principal and its keytab, for SPNEGO. */
  kerberos: z
    .strictObject({
      principal: z.string().min(1).optional(),
      keytabFile: absolutePathSchema,
      configFile: absolutePathSchema.optional(),
    })
    .optional(),
  /** Authorities beside the system's, PEM, for WebHDFS over TLS. */
  caFile: absolutePathSchema.optional(),
  /** Base URLs of WebHDFS by nameservice or `host:port`, where there are no site files to say them, or a gateway stands before it. */
  webhdfs: z.record(z.string(), z.array(z.url({ protocol: /^https?$/ })).min(1)).optional(),
  /** Addresses of hosts that cannot be resolved here, such as the DataNodes that a NameNode names. */
  hostAliases: z.record(z.string(), ipAddressSchema).optional(),
  /** Reads URIs of these schemes by the image's own Hadoop instead: for encryption zones and `viewfs`. */
  exec: z
    .strictObject({
      schemes: z.array(z.enum(['hdfs', 'webhdfs', 'swebhdfs', 'viewfs'])).default(['viewfs']),
      /** Runs `FsShell`; the default is the Java and the jars of a Spark image. */
      command: z.array(z.string().min(1)).min(1).optional(),
    })
    .optional(),
})

export const planSchema = z.strictObject({
  version: z.literal(1),
  /** Where everything appears. */
  root: absolutePathSchema,
  staging: z.strictObject({ url: z.url({ protocol: /^https?$/ }), caFile: absolutePathSchema.optional() }).optional(),
  items: z.array(planItemSchema),
  hadoop: hadoopSchema.optional(),
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
