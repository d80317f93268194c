/** One HTTP exchange as a stream, over pooled connections: trust, time-outs, redirects, and who may be dialled. */
import {
  Agent as HttpAgent,
  request as httpRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type OutgoingHttpHeaders,
} from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { SecureContext } from 'node:tls'
import { SupercargoError } from '@supercargo/protocol'
import { type AddressPolicy, checkAddressLiteral, guardedLookup } from './address-policy.ts'
import { abortReason } from './clock.ts'
import { fromConnectionError } from './http-error.ts'

export interface HttpClientOptions {
  /** From `trustContext`. */
  readonly trust?: SecureContext | undefined
  /** Connections to one origin. */
  readonly socketsMax?: number
  /** Until a connection stands. */
  readonly connectTimeoutMs?: number
  /** Without a byte in either direction. */
  readonly idleTimeoutMs?: number
  readonly policy?: AddressPolicy
  readonly userAgent?: string
}

export type HeadersOf = (url: URL) => OutgoingHttpHeaders

export interface HttpRequest {
  readonly method?: string
  readonly url: URL
  /** A function is asked for each URL on the way: credentials belong to an origin and do not follow a redirect. */
  readonly headers?: HeadersOf | OutgoingHttpHeaders
  /** A stream is destroyed when the exchange fails, and its own error is then the one reported. */
  readonly body?: Uint8Array | string | Readable
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
  readonly stream: IncomingMessage
  /** The body as text, at most `bytesMax` of it. */
  text(bytesMax?: number): Promise<string>
  /** Lets go of the body: reads a short rest so that the connection can be used again, else closes it. */
  discard(): void
}

export class HttpClient {
  readonly #http: HttpAgent
  readonly #https: HttpsAgent
  readonly #options: HttpClientOptions
  readonly #policy: AddressPolicy

  constructor(options: HttpClientOptions = {}) {
    this.#options = options
    this.#policy = options.policy ?? { metadata: false, own: true }
    const shared = {
      keepAlive: true,
      maxSockets: options.socketsMax ?? 16,
      maxFreeSockets: options.socketsMax ?? 16,
      scheduling: 'lifo' as const,
    }
    this.#http = new HttpAgent(shared)
    this.#https = new HttpsAgent({
      ...shared,
      ...(options.trust === undefined ? {} : { secureContext: options.trust }),
    })
  }

  /** Sends a request and resolves with the answer's head, whatever its status. Rejects with our kinds when there is no answer. */
  async request(request: HttpRequest): Promise<HttpResponse> {
    const origin = request.url
    let url = origin
    for (let hop = 0; ; hop++) {
      const policy = hop === 0 || isOwnHost(origin) ? this.#policy : { ...this.#policy, own: false }
      const response = await this.#exchange(request, url, policy)
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

  /** Closes idle connections; running exchanges go on. */
  close(): void {
    this.#http.destroy()
    this.#https.destroy()
  }

  async #exchange(request: HttpRequest, url: URL, policy: AddressPolicy): Promise<HttpResponse> {
    checkAddressLiteral(url, policy)
    try {
      return await this.#once(request, url, policy)
    } catch (error) {
      // A pooled connection that the server closed in the same moment: nothing was processed, so it is simply sent again.
      const repeatable = request.body === undefined && !(request.signal?.aborted ?? false)
      if (
        !(
          repeatable &&
          SupercargoError.is(error) &&
          error.code === 'connection-lost' &&
          (error.cause as { reused?: boolean })?.reused === true
        )
      )
        throw error
      return await this.#once(request, url, policy)
    }
  }

  #once(request: HttpRequest, url: URL, policy: AddressPolicy): Promise<HttpResponse> {
    const { signal, body } = request
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(abortReason(signal))
      const secure = url.protocol === 'https:'
      const headers = typeof request.headers === 'function' ? (request.headers as HeadersOf)(url) : request.headers
      const outgoing = (secure ? httpsRequest : httpRequest)(url, {
        method: request.method ?? 'GET',
        agent: secure ? this.#https : this.#http,
        headers: { 'user-agent': this.#options.userAgent ?? 'supercargo', accept: '*/*', ...headers },
        lookup: guardedLookup(policy),
      })
      let bodyFailure: unknown
      const fail = (error: unknown): void => {
        signal?.removeEventListener('abort', abort)
        if (signal?.aborted) return reject(abortReason(signal))
        if (bodyFailure !== undefined) return reject(bodyFailure)
        if (error instanceof Error) Object.assign(error, { reused: outgoing.reusedSocket })
        reject(fromConnectionError(error, shown(url)))
      }
      const abort = (): void => {
        outgoing.destroy(abortReason(signal!))
      }
      signal?.addEventListener('abort', abort, { once: true })
      const idleMs = this.#options.idleTimeoutMs ?? 60_000
      outgoing.once('socket', (socket) => {
        if (socket.connecting) {
          socket.setTimeout(this.#options.connectTimeoutMs ?? 10_000)
          socket.once(secure ? 'secureConnect' : 'connect', () => socket.setTimeout(idleMs))
        } else socket.setTimeout(idleMs)
      })
      outgoing.on('timeout', () => {
        const waiting = outgoing.socket?.connecting === true
        outgoing.destroy(
          waiting
            ? new SupercargoError(
                'unavailable',
                'connect-timeout',
                `${shown(url)}: no connection within ${this.#options.connectTimeoutMs ?? 10_000} ms`,
              )
            : new SupercargoError('interrupted', 'stalled', `${shown(url)}: no byte for ${idleMs} ms`),
        )
      })
      outgoing.on('information', (info) => request.onInterim?.(info.statusCode, info.headers))
      outgoing.once('error', fail)
      outgoing.once('response', (stream) => {
        outgoing.off('error', fail)
        // A late failure of the request (the server answered and then cut the upload) is the body's reader's to see, or nobody's.
        outgoing.on('error', (error) => stream.destroy(error))
        const release = () => signal?.removeEventListener('abort', abort)
        stream.once('close', release)
        resolve(new Response(stream, url))
      })
      if (body === undefined || typeof body === 'string' || body instanceof Uint8Array) outgoing.end(body)
      else
        pipeline(body, outgoing).catch((error: unknown) => {
          if (SupercargoError.is(error)) bodyFailure ??= error
          outgoing.destroy(error as Error)
        })
    })
  }
}

class Response implements HttpResponse {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly url: URL
  readonly stream: IncomingMessage

  constructor(stream: IncomingMessage, url: URL) {
    this.status = stream.statusCode!
    this.headers = stream.headers
    this.url = url
    this.stream = stream
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
    if (length <= 65_536) this.stream.resume()
    else this.stream.destroy()
  }
}

/** A URL as it may be shown: without user, query and fragment, which can hold secrets. A capability's path is cut. */
export function shown(url: URL): string {
  return `${url.origin}${url.pathname.replace(/^(.*\/c\/)[^/]+/, '$1[secret]')}`
}

function isOwnHost(url: URL): boolean {
  return /^(localhost|127\.|\[::1\])/.test(url.hostname)
}

function redirectTarget(from: URL, to: URL): URL {
  if (to.protocol !== 'https:' && to.protocol !== 'http:')
    throw new SupercargoError('unsafe', 'bad-redirect', `${shown(from)} redirects to the scheme ${to.protocol}`)
  if (from.protocol === 'https:' && to.protocol === 'http:') {
    throw new SupercargoError('unsafe', 'insecure-redirect', `${shown(from)} redirects from https to http (${to.host})`)
  }
  return to
}
