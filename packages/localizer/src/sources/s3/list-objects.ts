/** The objects behind a folder or a pattern: pages of ListObjectsV2, in the store's order. */
import { SupercargoError } from '@supercargo/protocol'
import { type Bucket, encoded } from '@supercargo/transfer/s3'
import type { ListedFile } from '../source.ts'
import { type S3Uri, s3Uri } from './s3-uri.ts'

export interface ListOptions {
  readonly shown: string
  readonly filesMax: number
  readonly signal?: AbortSignal | undefined
}

/** Objects that are looked at for one pattern, and do not fit it, before it counts as too wide. */
const scannedObjectsMax = 100_000
/** A page of 1000 keys of 1024 bytes, every character escaped, with all that is said of each. */
const pageBytesMax = 16 << 20

interface ListedObject {
  readonly key: string
  readonly sizeBytes: number
}

interface Page {
  readonly objects: readonly ListedObject[]
  readonly next: string | undefined
}

export async function listObjects(bucket: Bucket, uri: S3Uri, options: ListOptions): Promise<ListedFile[]> {
  const found = new Map<string, ListedFile>()
  const add = ({ key, sizeBytes }: ListedObject, path: string): void => {
    found.set(key, { item: { kind: 'uri', uri: s3Uri(bucket.settings.bucket, key) }, path, sizeBytes })
    if (found.size > options.filesMax) throw tooMany(options.shown, options.filesMax)
  }
  if (uri.names === 'folder') {
    for await (const object of objectsBelow(bucket, uri.key, false, options))
      if (!isMarker(object)) add(object, object.key.slice(uri.key.length))
  }
  let scanned = 0
  for (const pattern of uri.patterns) {
    for await (const object of objectsBelow(bucket, pattern.prefix, pattern.isLevel, options)) {
      if (++scanned > scannedObjectsMax) throw tooWide(options.shown)
      if (!isMarker(object) && pattern.matches(object.key)) add(object, object.key.split('/').at(-1)!)
    }
  }
  if (found.size > 0) return [...found.values()]
  throw new SupercargoError('notFound', 'nothing-matches', `${options.shown} names no object`, {
    hint: 'does the folder or pattern fit the keys of the bucket, in upper and lower case? folders themselves do not count',
  })
}

/** An empty object whose name says that there is a folder: for consoles and older Hadoop. */
function isMarker({ key, sizeBytes }: ListedObject): boolean {
  return sizeBytes === 0 && (key.endsWith('/') || key.endsWith('_$folder$'))
}

async function* objectsBelow(
  bucket: Bucket,
  prefix: string,
  isLevel: boolean,
  { shown, signal }: ListOptions,
): AsyncGenerator<ListedObject> {
  const seen = new Set<string>()
  for (let token: string | undefined; ; ) {
    const page = await readPage(bucket, { prefix, isLevel, token, shown, signal })
    yield* page.objects
    if (page.next === undefined) return
    if (seen.has(page.next)) throw notListing(shown, 'the pages of the listing go round in a circle')
    seen.add(page.next)
    token = page.next
  }
}

async function readPage(
  bucket: Bucket,
  asked: {
    readonly prefix: string
    readonly isLevel: boolean
    readonly token: string | undefined
    readonly shown: string
    readonly signal: AbortSignal | undefined
  },
): Promise<Page> {
  const parameters = {
    ...(asked.token === undefined ? {} : { 'continuation-token': asked.token }),
    ...(asked.isLevel ? { delimiter: '/' } : {}),
    'list-type': '2',
    prefix: asked.prefix,
  }
  const query = Object.entries(parameters)
    .map(([name, value]) => `${name}=${encoded(value)}`)
    .join('&')
  const { shown, signal } = asked
  const response = await bucket.request({ method: 'GET', key: '', query, shown, signal })
  return await parsePage(await response.text(pageBytesMax), shown)
}

/** Exact keys: white space counts, and nothing is taken for a number. */
async function parsePage(text: string, shown: string): Promise<Page> {
  const { XMLParser } = await import('fast-xml-parser')
  const parser = new XMLParser({
    parseTagValue: false,
    trimValues: false,
    htmlEntities: true,
    isArray: (name) => name === 'Contents',
  })
  const result = parsed(parser, text, shown)
  if (typeof result !== 'object' || result === null) throw notListing(shown, 'the answer is no listing of S3')
  const { Contents = [], IsTruncated, NextContinuationToken: token } = result as ListingXml
  const objects = Contents.map(({ Key: key, Size: size }) => {
    if (typeof key !== 'string' || !/^\d+$/.test(size ?? ''))
      throw notListing(shown, 'the listing has an object without name or size')
    return { key, sizeBytes: Number(size) }
  })
  const isLast = IsTruncated?.trim() !== 'true'
  if (!isLast && (token === undefined || token === ''))
    throw notListing(shown, 'the listing is cut and does not say how it goes on')
  return { objects, next: isLast ? undefined : token }
}

interface ListingXml {
  readonly Contents?: readonly { readonly Key?: string; readonly Size?: string }[]
  readonly IsTruncated?: string
  readonly NextContinuationToken?: string
}

function parsed(parser: { parse(text: string): unknown }, text: string, shown: string): unknown {
  try {
    return (parser.parse(text) as { ListBucketResult?: unknown }).ListBucketResult
  } catch (error) {
    throw notListing(shown, 'the answer is no XML', error)
  }
}

function notListing(shown: string, fault: string, cause?: unknown): SupercargoError {
  return new SupercargoError('corrupt', 's3-bad-listing', `${shown}: ${fault}`, {
    cause,
    hint: 'is fs.s3a.endpoint the address of the store, and no proxy or console?',
  })
}

function tooMany(shown: string, filesMax: number): SupercargoError {
  return new SupercargoError('tooLarge', 'too-many-files', `${shown} names more than ${filesMax} objects`, {
    hint: 'name a smaller folder, pack the files into one archive, or raise limits.listedFilesMax in the plan',
  })
}

function tooWide(shown: string): SupercargoError {
  const text = `${shown} would have to be looked for among more than ${scannedObjectsMax} objects`
  return new SupercargoError('tooLarge', 'too-many-files', text, { hint: 'write more of the path before the first *' })
}
