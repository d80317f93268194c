/** The objects of a bucket as a store needs them: read, written if nothing changed meanwhile, written in parts, listed, deleted. */
import type { Readable } from 'node:stream'
import { SupercargoError } from '@supercargo/protocol'
import type { HttpResponse } from '../http-client.ts'
import { withRetry } from '../retry.ts'
import type { Bucket, ObjectRequest } from './bucket.ts'
import { encoded } from './encoding.ts'
import { type ListedObject, type OpenMultipart, objectsBelow, openMultiparts } from './list-pages.ts'
import { failureOf, s3Error } from './s3-error.ts'

/** Writes only when this holds; the store decides, so that of several writers one wins. */
export type WriteCondition = { readonly absent: true } | { readonly etag: string }

export interface ReadObject {
  /** The body, paused. Read it to the end or destroy it. */
  readonly stream: Readable
  /** Of the whole object, whatever part of it was asked for. */
  readonly sizeBytes: number
  readonly etag: string
}

export interface SmallObject {
  readonly text: string
  readonly etag: string
}

/**
 * Every call is tried again while the store says that it is busy or the connection breaks; nothing else here or above does so.
 * Rejects with the kinds of `s3Error`. An object that is not there is no failure. Who reads
 * a stream that breaks opens it again where it broke.
 */
export interface BucketObjects {
  readText(key: string): Promise<SmallObject | undefined>
  /** Opens `[start, end)`; with `etag` only that version, else kind `corrupt`. */
  read(key: string, start: number, end: number, etag?: string): Promise<ReadObject | undefined>
  size(key: string): Promise<number | undefined>
  /** Writes the whole object at once and resolves to its entity tag; undefined when the condition does not hold. */
  write(
    key: string,
    body: Uint8Array | string,
    condition?: WriteCondition,
    sha256?: string,
  ): Promise<string | undefined>
  /** Nothing happens when it is not there. With `etag` a store that can compare deletes only that version. */
  remove(key: string, etag?: string): Promise<void>
  list(prefix: string): AsyncIterable<ListedObject>
  /** Begins an object that is written in parts, invisible until it is completed; resolves to the name of the attempt. */
  beginParts(key: string): Promise<string>
  /** Parts are numbered from 1; all but the last have 5 MiB or more. Resolves to the part's entity tag. */
  writePart(key: string, attempt: string, number: number, body: Uint8Array, sha256?: string): Promise<string>
  completeParts(key: string, attempt: string, etags: readonly string[]): Promise<void>
  /** Nothing happens when there is no such attempt. */
  abortParts(key: string, attempt: string): Promise<void>
  /** How many parts have come; undefined when there is no such attempt. */
  countParts(key: string, attempt: string): Promise<number | undefined>
  /** Attempts that were begun and neither completed nor aborted. */
  listParts(prefix: string): AsyncIterable<OpenMultipart>
  presignedUrl(key: string, seconds: number): Promise<URL>
}

export interface BucketObjectsOptions {
  /** Ends all calls. */
  readonly signal: AbortSignal
  readonly attemptsMax?: number
  /** Hears of every answer and failure before it is tried again. */
  readonly onFailure?: (error: SupercargoError) => void
}

const attemptsMaxDefault = 5
const textBytesMax = 64 << 20

export function bucketObjects(bucket: Bucket, options: BucketObjectsOptions): BucketObjects {
  return new RemoteObjects(bucket, options)
}

class RemoteObjects implements BucketObjects {
  readonly #bucket: Bucket
  readonly #options: BucketObjectsOptions

  constructor(bucket: Bucket, options: BucketObjectsOptions) {
    this.#bucket = bucket
    this.#options = options
  }

  readText(key: string): Promise<SmallObject | undefined> {
    return this.#retried(async () => {
      const response = await this.#ask({ method: 'GET', key, accept: [404] })
      if (response.status === 404) return this.#absent(response, key)
      return { text: await response.text(textBytesMax), etag: etagOf(response) }
    })
  }

  read(key: string, start: number, end: number, etag?: string): Promise<ReadObject | undefined> {
    return this.#retried(async () => {
      const match: Record<string, string> = etag === undefined ? {} : { 'if-match': etag }
      // An empty object has no range that could be asked for.
      const range: Record<string, string> = start === end ? {} : { range: `bytes=${start}-${end - 1}` }
      const conditions = { ...match, ...range }
      const response = await this.#ask({ method: 'GET', key, conditions, accept: [404] })
      if (response.status === 404) return this.#absent(response, key)
      const whole = /\/(\d+)$/.exec(response.headers['content-range'] ?? '')?.[1]
      const sizeBytes = Number(whole ?? response.headers['content-length'])
      return { stream: response.stream, sizeBytes, etag: etagOf(response) }
    })
  }

  size(key: string): Promise<number | undefined> {
    return this.#retried(async () => {
      const response = await this.#ask({ method: 'HEAD', key, accept: [404] })
      response.discard()
      return response.status === 404 ? undefined : Number(response.headers['content-length'])
    })
  }

  write(
    key: string,
    body: Uint8Array | string,
    condition?: WriteCondition,
    sha256?: string,
  ): Promise<string | undefined> {
    const bytes = typeof body === 'string' ? Buffer.from(body) : body
    const conditions = conditionFields(condition)
    return this.#retried(async (attempt) => {
      const asked = {
        method: 'PUT',
        key,
        body: bytes,
        bodySha256: sha256,
        conditions,
        accept: [404, 409, 412],
      } as const
      const response = await this.#ask(asked)
      if (response.status < 300) {
        response.discard()
        return etagOf(response)
      }
      if (condition === undefined || (response.status === 404 && !('etag' in condition)))
        throw await this.#refused(response, key)
      if (response.status === 409) throw await this.#contended(response, key)
      response.discard()
      // The answer to an earlier try may have been lost, and then it is our own object that stands there.
      const there = attempt === 1 || typeof body !== 'string' ? undefined : await this.readText(key)
      return there?.text === body ? there.etag : undefined
    })
  }

  remove(key: string, etag?: string): Promise<void> {
    const conditions: Record<string, string> = etag === undefined ? {} : { 'if-match': etag }
    return this.#retried(async () =>
      (await this.#ask({ method: 'DELETE', key, conditions, accept: [404, 409, 412] })).discard(),
    )
  }

  list(prefix: string): AsyncIterable<ListedObject> {
    return objectsBelow(this.#bucket, prefix, this.#paging(prefix))
  }

  beginParts(key: string): Promise<string> {
    return this.#retried(async () => {
      const response = await this.#ask({ method: 'POST', key, query: 'uploads=', body: new Uint8Array(0) })
      const attempt = /<UploadId>([^<]+)<\/UploadId>/.exec(await response.text())?.[1]
      if (attempt !== undefined) return attempt
      throw new SupercargoError(
        'corrupt',
        's3-bad-answer',
        `${this.#shown(key)}: no upload was begun, and no error said`,
      )
    })
  }

  writePart(key: string, attempt: string, number: number, body: Uint8Array, sha256?: string): Promise<string> {
    const query = `partNumber=${number}&uploadId=${encoded(attempt)}`
    return this.#retried(async () => {
      const response = await this.#ask({ method: 'PUT', key, query, body, bodySha256: sha256 })
      response.discard()
      return etagOf(response)
    })
  }

  completeParts(key: string, attempt: string, etags: readonly string[]): Promise<void> {
    const parts = etags.map((etag, index) => `<Part><PartNumber>${index + 1}</PartNumber><ETag>${etag}</ETag></Part>`)
    const body = Buffer.from(`<CompleteMultipartUpload>${parts.join('')}</CompleteMultipartUpload>`)
    const query = `uploadId=${encoded(attempt)}`
    return this.#retried(async (number) => {
      const response = await this.#ask({ method: 'POST', key, query, body, accept: [404] })
      // An attempt that was completed before its answer was lost is not known any more.
      if (response.status === 404 && number > 1 && (await this.size(key)) !== undefined) return response.discard()
      const text = await response.text()
      // A store that has begun to answer can only say so in the body that it failed.
      if (response.status === 404 || /<Error\b/.test(text))
        throw this.#error(response.status === 404 ? 404 : 500, response, text, key)
    })
  }

  abortParts(key: string, attempt: string): Promise<void> {
    const query = `uploadId=${encoded(attempt)}`
    return this.#retried(async () => (await this.#ask({ method: 'DELETE', key, query, accept: [404] })).discard())
  }

  async countParts(key: string, attempt: string): Promise<number | undefined> {
    let count = 0
    for (let marker = ''; ; ) {
      const query = `${marker}uploadId=${encoded(attempt)}`
      const text = await this.#retried(async () => {
        const response = await this.#ask({ method: 'GET', key, query, accept: [404] })
        return response.status === 404 ? this.#absent(response, key) : response.text(textBytesMax)
      })
      if (text === undefined) return undefined
      const numbers = [...text.matchAll(/<PartNumber>(\d+)<\/PartNumber>/g)]
      count += numbers.length
      if (!/<IsTruncated>\s*true/.test(text) || numbers.length === 0) return count
      marker = `part-number-marker=${numbers.at(-1)![1]}&`
    }
  }

  listParts(prefix: string): AsyncIterable<OpenMultipart> {
    return openMultiparts(this.#bucket, prefix, this.#paging(prefix))
  }

  presignedUrl(key: string, seconds: number): Promise<URL> {
    return this.#retried(() => this.#bucket.presignedUrl(key, seconds, this.#options.signal))
  }

  #ask(request: Omit<ObjectRequest, 'shown' | 'signal'>): Promise<HttpResponse> {
    return this.#bucket.request({ ...request, shown: this.#shown(request.key), signal: this.#options.signal })
  }

  #paging(prefix: string) {
    const retried = <T>(work: () => Promise<T>): Promise<T> => this.#retried(work)
    return { shown: this.#shown(prefix), isLevel: false, signal: this.#options.signal, retried }
  }

  #shown(key: string): string {
    return `s3://${this.#bucket.settings.bucket}/${key}`
  }

  /** Without the bucket there is nothing that could be absent. */
  async #absent(response: HttpResponse, key: string): Promise<undefined> {
    const text = await response.text()
    if (/<Code>NoSuchBucket<\/Code>/.test(text)) throw this.#error(404, response, text, key)
    return undefined
  }

  async #refused(response: HttpResponse, key: string): Promise<SupercargoError> {
    return this.#error(response.status, response, await response.text(), key)
  }

  /** Two writers at the same moment, and the store could not say who comes first. */
  async #contended(response: HttpResponse, key: string): Promise<SupercargoError> {
    const cause = await this.#refused(response, key)
    return new SupercargoError('unavailable', 's3-contended', `${this.#shown(key)} is being written by another`, {
      cause,
    })
  }

  #error(status: number, response: HttpResponse, text: string, key: string): SupercargoError {
    const failure = failureOf(status, response.headers, text)
    return s3Error(failure, { shown: this.#shown(key), key, from: 'this server', region: this.#bucket.settings.region })
  }

  #retried<T>(work: (attempt: number) => Promise<T>): Promise<T> {
    const { signal, attemptsMax = attemptsMaxDefault, onFailure } = this.#options
    const told = async (attempt: number): Promise<T> => {
      try {
        return await work(attempt)
      } catch (error) {
        if (SupercargoError.is(error) && !signal.aborted) onFailure?.(error)
        throw error
      }
    }
    return withRetry(told, { attemptsMax, signal })
  }
}

function conditionFields(condition: WriteCondition | undefined): Record<string, string> {
  if (condition === undefined) return {}
  // Without quotes: older Ceph compares them too, and all others do without.
  return 'etag' in condition ? { 'if-match': condition.etag.replaceAll('"', '') } : { 'if-none-match': '*' }
}

function etagOf(response: HttpResponse): string {
  return response.headers.etag ?? ''
}
