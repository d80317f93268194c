/** Everything that can be configured, with its default and what it means; strict, so that a typo is an error. */
import { defaultPort, parseDuration, parseSize, SupercargoError } from '@supercargo/protocol'
import { z } from 'zod'
import { parseBlock } from './http/passage.ts'
import { logLevels } from './log.ts'

/** A number of bytes, or `64Gi`. */
const size = readAs(parseSize)
/** A number of milliseconds, or `30s`. */
const duration = readAs(parseDuration)
const count = z
  .union([z.int(), z.string().regex(/^\d+$/, 'write a whole number').transform(Number)])
  .pipe(z.int().min(0))
const flag = z.union([z.boolean(), z.enum(['true', 'false']).transform((text) => text === 'true')])
const path = z.string().min(1)
const url = z.url({ protocol: /^https?$/ })

/** In a flag or a variable by commas, or as JSON like every list. */
const blocks = z.preprocess(
  (value) =>
    typeof value === 'string' && !value.startsWith('[') ? value.split(/[\s,]+/).filter(Boolean) : parseText(value),
  z.array(z.string().refine((text) => parseBlock(text) !== undefined, 'write an address or a block, as 10.1.0.0/16')),
)

const limitsSchema = z.strictObject({
  fileBytesMax: size.default(0).describe('Largest file; 0 means no limit.'),
  resourceBytesMax: size.default(0).describe('All files of one resource together; 0 means no limit.'),
  filesPerResourceMax: count.default(10_000).describe('Files in one resource; 0 means no limit.'),
  namespaceBytesMax: size.default(0).describe('Bytes stored for one namespace; 0 means no limit.'),
  storeBytesMax: size.default(0).describe('Bytes stored in all; 0 means no limit but the disk.'),
  freeBytesMin: size.default(256 * 2 ** 20).describe('Free bytes of the file system that are never given away.'),
  abandonedMs: duration.default(3_600_000).describe('An upload to which nothing arrives for this long is dropped.'),
  uploadsMax: count
    .pipe(z.int().min(1))
    .default(64)
    .describe('Uploads whose bytes arrive at one time; others are told to come back.'),
  downloadsMax: count
    .pipe(z.int().min(1))
    .default(1024)
    .describe('Downloads whose bytes leave at one time; others are told to come back.'),
  uploadBufferBytesMax: size
    .pipe(z.int().min(2 ** 20))
    .default(8 * 2 ** 20)
    .describe('Memory in which the bytes of all uploads wait for the disk.'),
  idleTimeoutMs: duration
    .pipe(z.int().min(100))
    .default(60_000)
    .describe('A sender or reader that does nothing for this long is cut off.'),
  bytesPerSecondMin: size
    .default(16 * 2 ** 10)
    .describe('Slowest average of an upload after slowGraceMs; 0 means no limit.'),
  slowGraceMs: duration.default(30_000).describe('Before this much waiting no average is judged.'),
})

const policySchema = z
  .strictObject({
    namespace: z.string().min(1).optional(),
    kind: z.string().min(1).optional(),
    resource: z.string().min(1).optional(),
    releaseAfter: z.enum(['deletion', 'completion']).optional(),
    keepLast: count.pipe(z.int().min(1)).optional(),
    minAgeMs: duration.optional(),
    maxAgeMs: duration.optional(),
  })
  .refine(({ minAgeMs = 0, maxAgeMs = Number.POSITIVE_INFINITY }) => minAgeMs <= maxAgeMs, 'minAgeMs is above maxAgeMs')

const collectorSchema = z.strictObject({
  sweepIntervalMs: duration.pipe(z.int().min(100)).default(60_000).describe('Between two sweeps.'),
  firstUseTimeoutMs: duration
    .default(1_800_000)
    .describe('A resource that nobody fetched for this long, and whose owner never appeared, is collected.'),
  absentGraceMs: duration.default(300_000).describe('How long an owner must be absent.'),
  condemnedMs: duration.default(3_600_000).describe('How long a condemned resource is still served.'),
  breakerCount: count
    .default(20)
    .describe('A sweep that would condemn more than this, and more than breakerFraction, stops.'),
  breakerFraction: z.coerce.number().min(0).max(1).default(0.1).describe('Share of the bound resources.'),
  dryRun: flag.default(false).describe('Say what would be collected, and keep it.'),
  leaseName: z
    .string()
    .min(1)
    .default('supercargo-collector')
    .describe('The Lease by which servers that share a store take turns to collect.'),
  leaseNamespace: z.string().min(1).optional().describe("Its namespace. Default: the pod's own, else default."),
  policies: z
    .preprocess(parseText, z.array(policySchema))
    .default([])
    .describe('Exceptions by namespace, kind or resource, as JSON where it is no file; the first that matches counts.'),
})

export const configSchema = z.strictObject({
  listen: z
    .string()
    .regex(/^(\[[0-9A-Fa-f:.]+\]|[^:[\]]*):\d{1,5}$/, 'write host:port, [address]:port or :port')
    .default(`127.0.0.1:${defaultPort}`)
    .describe('Address and port; without a host, all addresses; port 0 takes a free one.'),
  publicUrl: url.optional().describe('Where submitters reach this server.'),
  podUrl: url.optional().describe('Where pods reach this server; capability URLs begin with it. Default: publicUrl.'),
  trustedProxies: blocks
    .default([])
    .describe(
      'Addresses and blocks of proxies that are believed when they say who asks, and under which address; by commas where it is no file.',
    ),
  accelRedirect: z
    .string()
    .regex(/^(\/[A-Za-z0-9._~-]+)+\/?$/, 'write a path, as /supercargo-blobs')
    .optional()
    .describe(
      'Path under which an nginx among trustedProxies has the blobs: it then sends the files, by X-Accel-Redirect.',
    ),
  store: z
    .strictObject({
      directory: path.optional().describe('Where everything is kept; belongs to this server alone.'),
      url: z
        .string()
        .optional()
        .describe(
          'A bucket instead of a directory, which several servers may share: s3://bucket/prefix. --store takes it, too.',
        ),
      endpoint: url.optional().describe('Where the bucket is, when it is not at AWS. Default: AWS_ENDPOINT_URL_S3.'),
      region: z
        .string()
        .regex(/^[a-z0-9-]+$/i)
        .optional()
        .describe('The region of the bucket. Default: AWS_REGION, else us-east-1.'),
      pathStyle: flag
        .optional()
        .describe('Whether the bucket is in the path and not in the host name. Default: what suits the endpoint.'),
      caFile: path
        .optional()
        .describe('PEM; authorities that the endpoint is believed by, beside those of the system.'),
      redirectDownloads: flag
        .default(false)
        .describe(
          'Answer reads of whole files with an address in the bucket that is good for a while; pods must reach it.',
        ),
      redirectMs: duration
        .pipe(
          z
            .int()
            .min(1000)
            .max(7 * 24 * 3_600_000),
        )
        .default(300_000)
        .describe('How long such an address is good for beginning to read.'),
    })
    .prefault({}),
  kube: z
    .enum(['none', 'auto'])
    .default('none')
    .describe(
      'Where owners are looked up: "auto" is the cluster of the pod, else of the kubeconfig; with "none" nothing is collected for its owner\'s absence.',
    ),
  kubeconfig: path.optional().describe('This kubeconfig, and not the cluster of the pod.'),
  context: z.string().min(1).optional().describe('This context of the kubeconfig, and not its current one.'),
  auth: z
    .enum(['none', 'kubernetes'])
    .default('none')
    .describe('Who may stage: with none everybody who reaches the port, else who the cluster knows and allows.'),
  authAudience: z
    .string()
    .min(1)
    .default('supercargo')
    .describe("What tokens must be meant for. Never the API server's own audience."),
  allowAnonymousV0: flag
    .default(false)
    .describe('Beside auth "kubernetes": takes uploads of the 2017 wire, which carry no token.'),
  allowAnonymous: flag.default(false).describe('Needed for auth "none" on an address that others can reach.'),
  tls: z
    .strictObject({
      certFile: path.describe('PEM, the chain; read again when it changes.'),
      keyFile: path.describe('PEM, the private key.'),
      clientCaFile: path.optional().describe('PEM; clients must then present a certificate of it.'),
    })
    .optional(),
  collector: collectorSchema.prefault({}),
  webhdfs: z
    .strictObject({
      maxAgeMs: duration
        .default(7 * 24 * 3_600_000)
        .describe('How long a file that came by WebHDFS is kept unread when nobody is known to use it.'),
    })
    .prefault({}),
  limits: limitsSchema.prefault({}),
  drainTimeoutMs: duration.default(25_000).describe('After SIGTERM, what is under way may go on for this long.'),
  logLevel: z.enum(logLevels).default('info').describe('trace, debug, info, warn, error, fatal or silent.'),
})

/** As it is written in a file. */
export type ConfigInput = z.input<typeof configSchema>

/** One server's own directory. */
export interface DirectoryConfig {
  readonly directory: string
  readonly url?: undefined
}

/** A prefix of a bucket. */
export interface BucketConfig extends Omit<z.output<typeof configSchema>['store'], 'directory' | 'url'> {
  readonly directory?: undefined
  readonly url: string
}

/** Checked and complete. */
export type Config = Omit<z.output<typeof configSchema>, 'store'> & { readonly store: DirectoryConfig | BucketConfig }

export interface Setting {
  /** `limits.fileBytesMax` */
  readonly key: string
  /** `--limits-file-bytes-max` */
  readonly flag: string
  /** `SUPERCARGO_LIMITS_FILE_BYTES_MAX` */
  readonly environment: string
  readonly description: string
  readonly isSwitch: boolean
}

/** Shorter names for what is used most. */
const shortFlags: Readonly<Record<string, string>> = {
  'store.directory': 'store',
  'store.url': 'store-url',
  'store.redirectDownloads': 'redirect-downloads',
  'store.redirectMs': 'redirect-ms',
}

/** Every setting as flag and environment variable, in the order of the schema. */
export function listSettings(): readonly Setting[] {
  return leaves(configSchema, []).map(({ keys, schema }) => {
    const key = keys.join('.')
    const name = shortFlags[key] ?? keys.map(kebab).join('-')
    return {
      key,
      flag: `--${name}`,
      environment: `SUPERCARGO_${name.replaceAll('-', '_').toUpperCase()}`,
      description: schema.description ?? '',
      isSwitch: unwrap(schema) === flag,
    }
  })
}

/** The keys that a strict object of the schema takes at a path, for "did you mean". */
export function keysAt(at: readonly PropertyKey[]): readonly string[] {
  let schema: z.ZodType = configSchema
  for (const key of at) {
    const inner = unwrap(schema)
    const next = inner instanceof z.ZodObject ? (inner.shape[String(key)] as z.ZodType | undefined) : undefined
    if (next === undefined) return []
    schema = next
  }
  const inner = unwrap(schema)
  return inner instanceof z.ZodObject ? Object.keys(inner.shape) : []
}

function leaves(schema: z.ZodType, keys: readonly string[]): { keys: readonly string[]; schema: z.ZodType }[] {
  const inner = unwrap(schema)
  if (!(inner instanceof z.ZodObject)) return [{ keys, schema }]
  return Object.entries(inner.shape).flatMap(([key, child]) => leaves(child as z.ZodType, [...keys, key]))
}

function unwrap(schema: z.ZodType): z.ZodType {
  let inner = schema
  while (inner instanceof z.ZodDefault || inner instanceof z.ZodPrefault || inner instanceof z.ZodOptional) {
    inner = inner.unwrap() as z.ZodType
  }
  return inner
}

function kebab(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
}

/** A list in a flag or a variable is written as JSON. */
function parseText(value: unknown): unknown {
  if (typeof value !== 'string') return value
  try {
    return JSON.parse(value)
  } catch {
    // The schema says what it wants instead.
    return value
  }
}

function readAs(parse: (text: string) => number): z.ZodType<number, number | string> {
  return z.union([z.int().min(0), z.string()]).transform((value, context) => {
    if (typeof value === 'number') return value
    try {
      return parse(value)
    } catch (error) {
      const reason = SupercargoError.is(error) ? `${error.message}; ${error.hint}` : 'it cannot be read'
      context.addIssue({ code: 'custom', message: reason })
      return z.NEVER
    }
  }) as z.ZodType<number, number | string>
}
