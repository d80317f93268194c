/** FORMAT in a bucket: which layout is below the prefix, which cluster it serves, and whether the store can compare before it writes. */
import { SupercargoError } from '@supercargo/protocol'
import type { BucketObjects } from '@supercargo/transfer/s3'
import { z } from 'zod'
import { noStoreThere } from '../store-error.ts'
import { newResourceId } from '../store-parts.ts'
import type { S3Layout } from './s3-layout.ts'

/** Of the layout in `s3-layout.ts`. */
export const formatVersion = 1

export interface S3Format {
  readonly clusterUid: string | null
}

const versionSchema = z.looseObject({ version: z.int().positive() })
const formatSchema = z.object({ version: z.literal(formatVersion), clusterUid: z.string().min(1).nullable() })

/**
 * Finds FORMAT or makes it, unless it must be there. Throws kind `invalid` for what is no store, a newer one, or one that
 * cannot compare, `notFound` for one that is not there and must.
 */
export async function openFormat(objects: BucketObjects, layout: S3Layout, mustExist = false): Promise<S3Format> {
  const found = await readFormat(objects, layout)
  if (found !== undefined) return found.format
  if (mustExist) throw noStoreThere(layout.prefix === '' ? 'the bucket' : `the bucket below ${layout.prefix}`)
  for await (const { key } of objects.list(layout.prefix)) {
    // A start that was cut short may have left its probe.
    if (key.startsWith(layout.probe(''))) continue
    throw new SupercargoError('invalid', 'store-foreign', 'there are objects at this place, and no FORMAT', {
      hint: 'give the server an empty prefix: --store s3://bucket/prefix',
    })
  }
  await assertCompares(objects, layout)
  await objects.write(layout.format, textOf({ clusterUid: null }), { absent: true })
  return (await readFormat(objects, layout))?.format ?? { clusterUid: null }
}

/** Binds the store to a cluster for good, unless it is bound already; resolves to the uid of the cluster that it is bound to. */
export async function bindCluster(objects: BucketObjects, layout: S3Layout, uid: string): Promise<string> {
  for (;;) {
    const found = await readFormat(objects, layout)
    if (found === undefined) throw damaged(new Error('it is missing'))
    if (found.format.clusterUid !== null) return found.format.clusterUid
    if ((await objects.write(layout.format, textOf({ clusterUid: uid }), { etag: found.etag })) !== undefined)
      return uid
  }
}

export async function readClusterUid(objects: BucketObjects, layout: S3Layout): Promise<string | null> {
  return (await readFormat(objects, layout))?.format.clusterUid ?? null
}

/** Two replicas are kept apart by this alone, so a store that only pretends is refused. */
async function assertCompares(objects: BucketObjects, layout: S3Layout): Promise<void> {
  const key = layout.probe(newResourceId())
  const first = await objects.write(key, 'first', { absent: true }).catch(refusesConditions)
  try {
    const again = await objects.write(key, 'again', { absent: true }).catch(refusesConditions)
    const other = await objects
      .write(key, 'other', { etag: '"0123456789abcdef0123456789abcdef"' })
      .catch(refusesConditions)
    const match =
      first === undefined ? undefined : await objects.write(key, 'match', { etag: first }).catch(refusesConditions)
    if (first === undefined || again !== undefined || other !== undefined || match === undefined) throw cannotCompare()
  } finally {
    await objects.remove(key).catch(() => undefined)
  }
}

function refusesConditions(error: unknown): never {
  const status = SupercargoError.is(error) ? error.context.status : undefined
  throw status === 501 || status === 400 ? cannotCompare(error) : error
}

function cannotCompare(cause?: unknown): SupercargoError {
  const says = 'this object store cannot write under a condition (If-Match, If-None-Match), which replicas rely on'
  return new SupercargoError('invalid', 'store-cannot-compare', says, {
    cause,
    hint: 'use a store that has conditional writes (AWS S3, Ceph, versitygw), or keep the files on a volume: --store DIRECTORY',
  })
}

async function readFormat(
  objects: BucketObjects,
  layout: S3Layout,
): Promise<{ readonly format: S3Format; readonly etag: string } | undefined> {
  const found = await objects.readText(layout.format)
  if (found === undefined) return undefined
  let version: number
  let json: unknown
  try {
    json = JSON.parse(found.text)
    version = versionSchema.parse(json).version
  } catch (error) {
    throw damaged(error)
  }
  if (version > formatVersion) {
    const says = `the store has format version ${version}; this server knows version ${formatVersion}`
    throw new SupercargoError('invalid', 'store-newer', says, {
      hint: 'use the server version that wrote it, or a newer one',
    })
  }
  const parsed = formatSchema.safeParse(json)
  if (!parsed.success) throw damaged(parsed.error)
  return { format: { clusterUid: parsed.data.clusterUid }, etag: found.etag }
}

function textOf({ clusterUid }: S3Format): string {
  return `${JSON.stringify({ version: formatVersion, clusterUid })}\n`
}

function damaged(cause: unknown): SupercargoError {
  return new SupercargoError('corrupt', 'store-format', 'FORMAT of the store is damaged', {
    cause,
    hint: `write {"version":${formatVersion},"clusterUid":null} into it when you are sure that this is a store`,
  })
}
