/** One HTTP exchange as a stream, over pooled connections: trust, time-outs, redirects, and who may be dialled. */
import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http'
import type { Readable } from 'node:stream'
import type { SecureContext } from 'node:tls'
import { SupercargoError } from '@supercargo/protocol'
import { type AddressPolicy, checkAddressLiteral } from './address-policy.ts'
import { ConnectionPools } from './connection-pools.ts'
import { fromConnectionError } from './http-error.ts'
import { type Body, exchange, isStale, noteStale } from './http-exchange.ts'
import { LeanConnections } from './lean-connections.ts'
import type { ProxyFor } from './proxy-environment.ts'
import { shown } from './shown-url.ts'

export interface HttpClientOptions {
  /** From `trustContext`: for every origin, or asked for each one, so that what is for one origin is for no other. */
  readonly trust?: SecureContext | ((url: URL) => SecureContext | undefined) | undefined
  /** Asked for each URL; without it every connection is direct. */
  readonly proxyFor?: ProxyFor | undefined
  /** Connections to one origin. */
  readonly socketsMax?: number
  /** Until a connection stands. */
  readonly connectTimeoutMs?: number
  /** Without a byte in either direction. */
  readonly idleTimeoutMs?: number
  /** Asked for each origin where it is a function. */
  readonly policy?: AddressPolicy | ((url: URL) => AddressPolicy)
  readonly userAgent?: string
}

export type HeadersOf = (url: URL) => OutgoingHttpHeaders

export interface HttpRequest {
  readonly method?: string
  readonly url: URL
  /** A function is asked for each URL on the way: credentials belong to an origin and do not follow a redirect. */
  readonly headers?: HeadersOf | OutgoingHttpHeaders
  /** A stream is destroyed when the exchange fails, and its own error is then the one reported. */
  readonly body?: Body
  readonly signal?: AbortSignal | undefined
  /** Followed for GET and HEAD only; the default is none. */
  readonly redirectsMax?: number
  /** Called with the status of an interim (1xx) answer. */
  readonly onInterim?: (status: number, headers: IncomingHttpHeaders) => void
}

export interface HttpResponse {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  /** Where the answer came from, after redirects. */
  readonly url: URL
  /** The body, paused. Read it to the end, or `discard` it. Its errors are raw; `receive` translates them. */
  readonly stream: Readable
  /** The body as text, at most `bytesMax` of it. */
  text(bytesMax?: number): Promise<string>
  /** Lets go of the body: reads a short rest so that the connection can be used again, else closes it. */
  discard(): void
}

/** A rest of this size is read for the sake of the connection. */
const discardBytesMax = 65_536

export class HttpClient {
  readonly #pools: ConnectionPools
  readonly #lean = new LeanConnections()
  readonly #options: HttpClientOptions

  constructor(options: HttpClientOptions = {}) {
    this.#options = options
    this.#pools = new ConnectionPools(options.socketsMax ?? 16)
  }

  /** Sends a request and resolves with the answer's head, whatever its status. Rejects with our kinds when there is no answer. */
  async request(request: HttpRequest): Promise<HttpResponse> {
    const origin = request.url
    let url = origin
    for (let hop = 0; ; hop++) {
      const allowed = this.#policyFor(url)
      const policy = hop === 0 || isOwnHost(origin) ? allowed : { ...allowed, own: false }
      const response = new Response(await this.#exchange(request, url, policy), url, request.method === 'HEAD')
      const location = response.headers.location
      const follow =
        request.redirectsMax !== undefined &&
        request.redirectsMax > 0 &&
        [301, 302, 303, 307, 308].includes(response.status)
      if (!follow) return response
      response.discard()
      if (location === undefined || !URL.canParse(location, url.href)) {
        throw new SupercargoError('corrupt', 'bad-redirect', `${shown(url)} redirects without a usable Location`)
      }
      if (hop >= request.redirectsMax)
        throw new SupercargoError(
          'corrupt',
          'too-many-redirects',
          `${shown(origin)} redirects more than ${request.redirectsMax} times`,
        )
      url = redirectTarget(url, new URL(location, url))
    }
  }

  /** Closes all connections, also those of exchanges that still run. */
  close(): void {
    this.#pools.close()
    this.#lean.close()
  }

  #policyFor(url: URL): AddressPolicy {
    const { policy } = this.#options
    return (typeof policy === 'function' ? policy(url) : policy) ?? { metadata: false, own: true }
  }

  async #exchange(request: HttpRequest, url: URL, policy: AddressPolicy): Promise<Answer> {
    checkAddressLiteral(url, policy)
    const { trust, proxyFor } = this.#options
    const proxy = proxyFor?.(url)
    const secure = url.protocol === 'https:'
    const headers = typeof request.headers === 'function' ? (request.headers as HeadersOf)(url) : request.headers
    const { method = 'GET', body, signal, onInterim } = request
    const isLean = !secure && proxy === undefined && method === 'GET' && body === undefined && onInterim === undefined
    const shared = {
      url,
      headers: { 'user-agent': this.#options.userAgent ?? 'supercargo', accept: '*/*', ...headers },
      connectTimeoutMs: this.#options.connectTimeoutMs ?? 10_000,
      idleTimeoutMs: this.#options.idleTimeoutMs ?? 60_000,
      signal,
    }
    for (;;) {
      try {
        if (isLean) {
          const {
            statusCode,
            headers: fields,
            body: stream,
          } = await this.#lean.get({ ...shared, policy, onStale: noteStale })
          return { statusCode, headers: fields, stream }
        }
        const agent = secure
          ? this.#pools.secure(typeof trust === 'function' ? trust(url) : trust, proxy)
          : this.#pools.plain(proxy)
        const stream = await exchange({
          ...shared,
          method,
          body,
          agent,
          // The proxy looks names up; where it stands is for whoever set it to say.
          policy: proxy === undefined ? policy : { metadata: true, own: true },
          proxy,
          onInterim,
        })
        return { statusCode: stream.statusCode!, headers: stream.headers, stream }
      } catch (error) {
        // The server closed a pooled connection in the same moment; each try uses up one of them, a new one ends the loop.
        // Who gives up may say so with the failure of another request, and that is final.
        if (signal?.aborted || body !== undefined || !isStale(error)) throw error
      }
    }
  }
}

/** What both ways of asking give. */
interface Answer {
  readonly statusCode: number
  readonly headers: IncomingHttpHeaders
  readonly stream: Readable
}

class Response implements HttpResponse {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly url: URL
  readonly stream: Readable
  readonly #bodiless: boolean

  constructor(answer: Answer, url: URL, isHead: boolean) {
    this.status = answer.statusCode
    this.#bodiless = isHead || answer.statusCode === 204 || answer.statusCode === 304
    this.headers = answer.headers
    this.url = url
    this.stream = answer.stream
  }

  async text(bytesMax = 1 << 20): Promise<string> {
    const chunks: Buffer[] = []
    let bytes = 0
    try {
      for await (const chunk of this.stream as AsyncIterable<Buffer>) {
        chunks.push(chunk.subarray(0, bytesMax - bytes))
        bytes += chunk.length
        if (bytes >= bytesMax) break
      }
    } catch (error) {
      throw fromConnectionError(error, shown(this.url))
    }
    return Buffer.concat(chunks).toString('utf8')
  }

  discard(): void {
    this.stream.on('error', () => {
      // Nobody wants these bytes; the connection is closed either way.
    })
    const length = Number(this.headers['content-length'] ?? Number.NaN)
    if (this.#bodiless || length <= discardBytesMax) this.stream.resume()
    else this.stream.destroy()
  }
}

function isOwnHost(url: URL): boolean {
  return /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(url.hostname)
}

function redirectTarget(from: URL, to: URL): URL {
  if (to.protocol !== 'https:' && to.protocol !== 'http:')
    throw new SupercargoError('unsafe', 'bad-redirect', `${shown(from)} redirects to the scheme ${to.protocol}`)
  if (from.protocol === 'https:' && to.protocol === 'http:') {
    throw new SupercargoError('unsafe', 'insecure-redirect', `${shown(from)} redirects from https to http (${to.host})`)
  }
  return to
}
