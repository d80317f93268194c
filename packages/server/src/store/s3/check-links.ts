/** Reads every blob of a bucket by its link and compares it with its name: a few at a time, with one buffer each. */
import { createHash } from 'node:crypto'
import { type Digest, digestHex, digestOf, SupercargoError } from '@supercargo/protocol'
import { forEachLimited } from '@supercargo/transfer'
import type { BucketObjects } from '@supercargo/transfer/s3'
import type { BadBlob, NamedBlobs, ScrubProgress } from '../scrub-blobs.ts'
import type { S3Layout } from './s3-layout.ts'
import type { Link, S3Links } from './s3-links.ts'
import { openObject } from './s3-reader.ts'

/** `at`: where its bytes are to be; undefined where no link says that. */
export interface BadLink extends Omit<BadBlob, 'at'> {
  readonly at: string | undefined
}

export interface CheckLinksOptions {
  readonly objects: BucketObjects
  readonly layout: S3Layout
  readonly links: S3Links
  /** By the keys of their links. */
  readonly named: NamedBlobs
  readonly signal: AbortSignal
  readonly onProgress?: ((progress: ScrubProgress) => void) | undefined
}

export interface CheckedLinks {
  readonly blobs: number
  readonly bytes: number
  /** By the key of the link. */
  readonly bad: Map<string, BadLink>
  readonly orphans: Set<string>
  readonly foreign: readonly string[]
  /** Where the bytes of blobs are. */
  readonly places: ReadonlySet<string>
}

interface Blob {
  readonly key: string
  readonly digest: Digest
  readonly link: Link
}

const parallelLooks = 16
const parallelReads = 4
const bufferBytes = 1 << 20

export async function checkLinks(options: CheckLinksOptions): Promise<CheckedLinks> {
  const { named, signal, onProgress } = options
  const bad = new Map<string, BadLink>()
  const orphans = new Set<string>()
  const { blobs, foreign } = await findBlobs(options, bad)
  const bytesTotal = blobs.reduce((bytes, { link }) => bytes + link.sizeBytes, 0)
  let bytes = 0
  const onRead = (count: number): void => {
    signal.throwIfAborted()
    bytes += count
    onProgress?.({ bytes, bytesTotal })
  }
  await forEachLimited(blobs, parallelReads, async ({ key, digest, link }) => {
    const fault = await faultOf(options.objects, digest, link, named.get(key), onRead)
    if (fault !== undefined) bad.set(key, { ...fault, at: link.at })
    else if (!named.has(key)) orphans.add(key)
  })
  const seen = new Set(blobs.map(({ key }) => key))
  for (const [key, sizeBytes] of named)
    if (sizeBytes !== undefined && sizeBytes !== 0 && !seen.has(key) && !bad.has(key))
      bad.set(key, { code: 'missing-blob', detail: 'it is not there', at: undefined })
  return { blobs: blobs.length, bytes, bad, orphans, foreign, places: new Set(blobs.map(({ link }) => link.at)) }
}

async function findBlobs(
  { objects, layout, links, signal }: CheckLinksOptions,
  bad: Map<string, BadLink>,
): Promise<{ blobs: Blob[]; foreign: string[] }> {
  const keys: string[] = []
  const foreign: string[] = []
  for await (const { key } of objects.list(layout.links)) (layout.linked(key) === undefined ? foreign : keys).push(key)
  const blobs: Blob[] = []
  await forEachLimited(keys, parallelLooks, async (key) => {
    signal.throwIfAborted()
    const { namespace, hex } = layout.linked(key)!
    const digest = digestOf(hex)
    try {
      const found = await links.find(namespace, digest)
      if (found !== undefined && found.link.state !== 'gone') blobs.push({ key, digest, link: found.link })
    } catch (error) {
      if (!isDamage(error)) throw error
      bad.set(key, { code: 'unreadable-blob', detail: 'what says where its bytes are is damaged', at: undefined })
    }
  })
  return { blobs, foreign }
}

/** Undefined for a good one. */
async function faultOf(
  objects: BucketObjects,
  digest: Digest,
  { at, sizeBytes }: Link,
  expectedBytes: number | undefined,
  onRead: (bytes: number) => void,
): Promise<Omit<BadLink, 'at'> | undefined> {
  const hash = createHash('sha256')
  try {
    const reader = await openObject(objects, at, digest, sizeBytes, { start: 0, end: sizeBytes })
    try {
      const buffer = Buffer.allocUnsafe(Math.min(bufferBytes, Math.max(1, sizeBytes)))
      for (let position = 0; position < sizeBytes; ) {
        const read = await reader.read(buffer, position)
        hash.update(buffer.subarray(0, read))
        position += read
        onRead(read)
      }
    } finally {
      await reader.close()
    }
  } catch (error) {
    if (!isDamage(error)) throw error
    return { code: error.code === 'blob-missing' ? 'missing-blob' : 'corrupt-blob', detail: error.message }
  }
  const hex = hash.digest('hex')
  if (hex !== digestHex(digest))
    return { code: 'corrupt-blob', detail: `it has ${sizeBytes} bytes with the digest ${digestOf(hex)}` }
  if (expectedBytes === undefined || expectedBytes === sizeBytes) return undefined
  const detail = `it has ${sizeBytes} bytes, as its digest says, and a record is wrong`
  return { code: 'wrong-size', detail, sizeBytes }
}

function isDamage(error: unknown): error is SupercargoError {
  return SupercargoError.is(error) && error.kind === 'corrupt'
}
