/** What the collector remembers across restarts, as bytes: lines of JSON between a versioned head and a checksum. */
import { createHash } from 'node:crypto'
import type { SeenVersions } from '@supercargo/kube'
import { z } from 'zod'

/** Collection is stopped until somebody releases it. */
export interface Pause {
  readonly code: PauseCode
  readonly reason: string
  /** Wall time, for people. */
  readonly atMs: number
}

export const pauseCodes = ['breaker', 'versions-went-back', 'state-lost'] as const
export type PauseCode = (typeof pauseCodes)[number]

export interface RememberedResource {
  readonly id: string
  readonly bornMs: number
  readonly remembered: boolean
  readonly seenAtMs: number | null
  readonly condemned: { readonly atMs: number; readonly reason: string } | null
}

export interface CollectorState {
  readonly versions: SeenVersions
  /** The collector's own clock: the time during which it looked. */
  readonly elapsedMs: number
  /** Of the sweeper that wrote it. */
  readonly epoch: number
  readonly pause: Pause | null
  readonly nearMisses: number
  readonly resources: Iterable<RememberedResource>
  /** Uids of objects that matched an owner's labels, by the owner as JSON. */
  readonly owners: Iterable<readonly [string, readonly string[]]>
}

const formatVersion = 1
const wallSchema = z.number()
const elapsedSchema = z.number().nonnegative()

const headSchema = z.object({
  version: z.literal(formatVersion),
  versions: z.record(z.string(), z.string().regex(/^[1-9][0-9]{0,19}$/)),
  elapsedMs: elapsedSchema,
  epoch: z.int().nonnegative(),
  pause: z.object({ code: z.enum(pauseCodes), reason: z.string(), atMs: wallSchema }).nullable(),
  nearMisses: z.int().nonnegative(),
})
const resourceSchema = z.tuple([
  z.string(),
  elapsedSchema,
  z.boolean(),
  wallSchema.nullable(),
  wallSchema.nullable(),
  z.string(),
])
const ownerSchema = z.tuple([z.string(), z.array(z.string())])

export function encodeState(state: CollectorState): Uint8Array {
  const { resources, owners, ...head } = state
  const lines = [JSON.stringify({ version: formatVersion, ...head })]
  for (const { id, bornMs, remembered, seenAtMs, condemned } of resources) {
    const { atMs, reason } = condemned ?? { atMs: null, reason: '' }
    lines.push(`r${JSON.stringify([id, Math.floor(bornMs), remembered, seenAtMs, atMs, reason])}`)
  }
  for (const owner of owners) lines.push(`o${JSON.stringify(owner)}`)
  const body = Buffer.from(`${lines.join('\n')}\n`)
  return Buffer.concat([body, Buffer.from(`${checksum(body)}\n`)])
}

/** Throws when a byte of it is not what was written: half a memory is worse than none. */
export function decodeState(text: string): CollectorState {
  const end = text.lastIndexOf('\n', text.length - 2) + 1
  const body = text.slice(0, end)
  if (text.slice(end, -1) !== checksum(Buffer.from(body))) throw new Error('its checksum is wrong')
  const [first = '', ...lines] = body.slice(0, -1).split('\n')
  const head = headSchema.parse(JSON.parse(first))
  const resources: RememberedResource[] = []
  const owners: [string, string[]][] = []
  for (const line of lines) {
    const value: unknown = JSON.parse(line.slice(1))
    if (line.startsWith('o')) owners.push(ownerSchema.parse(value))
    else {
      const [id, bornMs, remembered, seenAtMs, atMs, reason] = resourceSchema.parse(value)
      resources.push({ id, bornMs, remembered, seenAtMs, condemned: atMs === null ? null : { atMs, reason } })
    }
  }
  const { versions, elapsedMs, epoch, pause, nearMisses } = head
  return { versions, elapsedMs, epoch, pause, nearMisses, resources, owners }
}

function checksum(body: Uint8Array): string {
  return createHash('sha256').update(body).digest('hex')
}
