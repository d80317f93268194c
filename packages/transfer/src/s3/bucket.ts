/** A bucket as it is asked: signed, in its region, with a clock and credentials that are put right once when they are wrong. */
import { createHash } from 'node:crypto'
import type { HttpClient, HttpResponse } from '../http-client.ts'
import { objectUrl } from './bucket-address.ts'
import type { CredentialChain, Credentials } from './credentials.ts'
import { failureOf, type S3Failure, s3Error } from './s3-error.ts'
import type { S3Settings } from './settings.ts'
import { presigned, signed } from './signing.ts'

export interface ObjectRequest {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE'
  /** Empty for the bucket itself. */
  readonly key: string
  /** How the object is called in messages. */
  readonly shown: string
  /** Encoded as in a URL. */
  readonly query?: string
  /** Fields that are signed (`x-amz-…`). */
  readonly fields?: Readonly<Record<string, string>>
  /** Fields that are not: ranges and conditions. */
  readonly conditions?: Readonly<Record<string, string>>
  readonly body?: Uint8Array | undefined
  /** The SHA-256 of the body in hexadecimal digits, where it is known already. */
  readonly bodySha256?: string | undefined
  /** Refusals that the caller reads, too. */
  readonly accept?: readonly number[]
  readonly signal?: AbortSignal | undefined
}

/** Refusals after which other credentials may be there by now. */
const refusedCredentials = new Set([
  'ExpiredToken',
  'ExpiredTokenException',
  'TokenRefreshRequired',
  'InvalidToken',
  'InvalidAccessKeyId',
])
/** A smaller difference is not why a request was refused. */
const skewMsMin = 60_000
const errorBodyBytesMax = 64 << 10

/** Answers that the caller reads: the bytes, a part of them, and that there are no more. */
const wanted = new Set([200, 204, 206, 304, 416])

export class Bucket {
  readonly settings: S3Settings
  readonly #client: HttpClient
  readonly #credentials: CredentialChain
  readonly #now: () => number
  #region: string
  #skewMs = 0

  constructor(
    settings: S3Settings,
    parts: { readonly client: HttpClient; readonly credentials: CredentialChain; readonly now: () => number },
  ) {
    this.settings = settings
    this.#client = parts.client
    this.#credentials = parts.credentials
    this.#now = parts.now
    this.#region = settings.region
  }

  /**
   * One exchange; a second one only where the store has said what was wrong with the first: the region, the clock, or
   * credentials for which there are others by now. Each of these at most once. Other refusals are thrown as our kinds.
   */
  async request(request: ObjectRequest): Promise<HttpResponse> {
    const corrected = new Set<string>()
    let credentials = await this.#credentials.get(request.signal)
    for (;;) {
      const region = this.#region
      const response = await this.#send(request, credentials, region)
      if (wanted.has(response.status) || request.accept?.includes(response.status)) return response
      const body = request.method === 'HEAD' ? '' : await response.text(errorBodyBytesMax)
      response.discard()
      const failure = failureOf(response.status, response.headers, body)
      const wrong = this.#wrong(failure, credentials)
      if (wrong !== undefined && !corrected.has(wrong)) {
        corrected.add(wrong)
        if (wrong === 'region' && this.#moved(failure, region)) continue
        if (wrong === 'clock' && this.#setClock(failure)) continue
        const others =
          wrong === 'credentials' ? await this.#credentials.renewed(credentials, request.signal) : undefined
        if (others !== undefined) {
          credentials = others
          continue
        }
      }
      throw s3Error(failure, { shown: request.shown, key: request.key, from: credentials.from, region })
    }
  }

  /** A URL by which anybody may GET the object for so long. Whoever shows it to somebody gives that right away. */
  async presignedUrl(key: string, seconds: number, signal?: AbortSignal): Promise<URL> {
    const { keys } = await this.#credentials.get(signal)
    const url = objectUrl(this.settings, this.#region, key)
    if (keys === undefined) return url
    return presigned(url, seconds, { keys, region: this.#region, date: this.#date() })
  }

  #date(): Date {
    return new Date(this.#now() + this.#skewMs)
  }

  async #send(request: ObjectRequest, credentials: Credentials, region: string): Promise<HttpResponse> {
    const url = objectUrl(this.settings, region, request.key, request.query)
    const own = request.key === '' ? {} : this.settings.objectHeaders
    const { method, body, signal } = request
    const hash = body === undefined ? {} : { 'x-amz-content-sha256': bodyHash(url, body, request.bodySha256) }
    const fields = { ...this.settings.headers, ...own, ...hash, ...request.fields }
    const date = this.#date()
    const { keys } = credentials
    const headers = keys === undefined ? fields : await signed(method, url, fields, { keys, region, date })
    // A proxy may rewrite what is not signed and does no harm by it.
    const sent = { ...headers, 'accept-encoding': 'identity', ...request.conditions }
    return await this.#client.request({ method, url, headers: sent, ...(body !== undefined && { body }), signal })
  }

  #wrong(failure: S3Failure, credentials: Credentials): 'region' | 'clock' | 'credentials' | undefined {
    if (failure.code === 'RequestTimeTooSkewed' || failure.code === 'RequestInTheFuture') return 'clock'
    if (refusedCredentials.has(failure.code) && credentials.keys !== undefined) return 'credentials'
    return [301, 307, 400].includes(failure.status) && failure.region !== undefined ? 'region' : undefined
  }

  /** Another region is another host only at AWS, and there its name is made here: no answer says where to send a signature. */
  #moved({ region }: S3Failure, asked: string): boolean {
    if (!this.settings.crossRegion || region === undefined || region === asked) return false
    this.#region = region
    return true
  }

  #setClock({ headers }: S3Failure): boolean {
    const skewMs = Date.parse(headers.date ?? '') - this.#now()
    if (!(Math.abs(skewMs - this.#skewMs) > skewMsMin)) return false
    this.#skewMs = skewMs
    return true
  }
}

/** What the store compares the body with. TLS does that already; without it nothing else would. */
function bodyHash(url: URL, body: Uint8Array, known: string | undefined): string {
  if (url.protocol === 'https:') return 'UNSIGNED-PAYLOAD'
  return known ?? createHash('sha256').update(body).digest('hex')
}
