/** Listings of a bucket, page by page: its objects in the store's order, and what is being written in parts. */
import { SupercargoError } from '@supercargo/protocol'
import type { Bucket } from './bucket.ts'
import { encoded } from './encoding.ts'

export interface PageOptions {
  /** How the place is called in messages. */
  readonly shown: string
  readonly isLevel: boolean
  readonly signal?: AbortSignal | undefined
  /** Asks for each page; who lists for a flow that tries again as a whole leaves it out. */
  readonly retried?: <T>(work: () => Promise<T>) => Promise<T>
}

export interface ListedObject {
  readonly key: string
  readonly sizeBytes: number
  /** By the clock of the store; not a number where the store does not say. */
  readonly modifiedMs: number
  /** Without quotes. */
  readonly etag: string
}

/** An object that is being written in parts. */
export interface OpenMultipart {
  readonly key: string
  readonly attempt: string
  /** By the clock of the store. */
  readonly begunMs: number
}

/** A page of 1000 keys of 1024 bytes, every character escaped, with all that is said of each. */
const pageBytesMax = 16 << 20

interface Page {
  readonly objects: readonly ListedObject[]
  readonly next: string | undefined
}

/** All objects whose keys begin so; with `isLevel` only those without a further slash. */
export async function* objectsBelow(
  bucket: Bucket,
  prefix: string,
  { shown, isLevel, signal, retried = once }: PageOptions,
): AsyncGenerator<ListedObject> {
  const seen = new Set<string>()
  for (let token: string | undefined; ; ) {
    const asked = { prefix, isLevel, token, shown, signal }
    const page = await retried(() => readPage(bucket, asked))
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

/** Parts that were begun below a prefix, and neither completed nor aborted. */
export async function* openMultiparts(
  bucket: Bucket,
  prefix: string,
  { shown, signal, retried = once }: PageOptions,
): AsyncGenerator<OpenMultipart> {
  for (let marker = ''; ; ) {
    const query = `${marker}prefix=${encoded(prefix)}&uploads=`
    const page = await retried(async () => {
      const response = await bucket.request({ method: 'GET', key: '', query, shown, signal })
      return parseMultiparts(await response.text(pageBytesMax), shown)
    })
    yield* page.open
    if (page.next === undefined) return
    const more = `upload-id-marker=${encoded(page.next.attempt)}`
    marker = `key-marker=${encoded(page.next.key)}&${more}&`
  }
}

async function parseMultiparts(
  text: string,
  shown: string,
): Promise<{ open: readonly OpenMultipart[]; next: { key: string; attempt: string } | undefined }> {
  const { XMLParser } = await import('fast-xml-parser')
  const parser = new XMLParser({
    parseTagValue: false,
    trimValues: false,
    htmlEntities: true,
    isArray: (name) => name === 'Upload',
  })
  const result = parsed(parser, text, shown, 'ListMultipartUploadsResult')
  if (typeof result !== 'object' || result === null) throw notListing(shown, 'the answer is no listing of S3')
  const { Upload = [], IsTruncated, NextKeyMarker: key, NextUploadIdMarker: attempt } = result as MultipartsXml
  const open = Upload.map(({ Key, UploadId, Initiated }) => {
    if (typeof Key !== 'string' || typeof UploadId !== 'string')
      throw notListing(shown, 'the listing has an upload without name')
    return { key: Key, attempt: UploadId, begunMs: Date.parse(Initiated ?? '') }
  })
  if (IsTruncated?.trim() !== 'true' || open.length === 0) return { open, next: undefined }
  return { open, next: { key: key ?? open.at(-1)!.key, attempt: attempt ?? open.at(-1)!.attempt } }
}

interface MultipartsXml {
  readonly Upload?: readonly { readonly Key?: string; readonly UploadId?: string; readonly Initiated?: string }[]
  readonly IsTruncated?: string
  readonly NextKeyMarker?: string
  readonly NextUploadIdMarker?: string
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
  const result = parsed(parser, text, shown, 'ListBucketResult')
  if (typeof result !== 'object' || result === null) throw notListing(shown, 'the answer is no listing of S3')
  const { Contents = [], IsTruncated, NextContinuationToken: token } = result as ListingXml
  const objects = Contents.map(({ Key: key, Size: size, LastModified, ETag }) => {
    if (typeof key !== 'string' || !/^\d+$/.test(size ?? ''))
      throw notListing(shown, 'the listing has an object without name or size')
    return {
      key,
      sizeBytes: Number(size),
      modifiedMs: Date.parse(LastModified ?? ''),
      etag: (ETag ?? '').replaceAll('"', ''),
    }
  })
  const isLast = IsTruncated?.trim() !== 'true'
  if (!isLast && (token === undefined || token === ''))
    throw notListing(shown, 'the listing is cut and does not say how it goes on')
  return { objects, next: isLast ? undefined : token }
}

interface ListingXml {
  readonly Contents?: readonly {
    readonly Key?: string
    readonly Size?: string
    readonly LastModified?: string
    readonly ETag?: string
  }[]
  readonly IsTruncated?: string
  readonly NextContinuationToken?: string
}

function once<T>(work: () => Promise<T>): Promise<T> {
  return work()
}

function parsed(parser: { parse(text: string): unknown }, text: string, shown: string, root: string): unknown {
  try {
    return (parser.parse(text) as Record<string, unknown>)[root]
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
