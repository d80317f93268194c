/**
 * Raw JSON requests to the API server over our own pooled keep-alive connections: a deadline for each call, gzip, bounded
 * answers, failures as our kinds. It never tries again by itself, with two exceptions that are no second tries for the API
 * server: a read on a pooled connection that was closed already, and a 401 after which another credential could be had.
 */
import type { Agent, IncomingHttpHeaders, IncomingMessage } from 'node:http'
import type { Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { SupercargoError } from '@supercargo/protocol'
import { abortReason, fromAnswer, fromConnectionError } from './api-error.ts'
import { createAgent } from './connection-pool.ts'
import type { KubeConnection } from './credentials.ts'
import { exchange, isStale } from './exchange.ts'

export interface ApiRequest {
  /** Names the request in messages: "list pods in spark". Never a secret. */
  readonly what: string
  readonly method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** From the root of the API: `/api/v1/namespaces/…`, its segments already encoded. */
  readonly path: string
  readonly query?: Readonly<Record<string, string | number | undefined>>
  /** Sent as JSON. */
  readonly body?: unknown
  readonly contentType?: string
  readonly accept?: string
  /** From the request to the last byte of its answer. */
  readonly deadlineMs?: number
  /** Of the answer after decompression; more is kind `tooLarge`. */
  readonly bytesMax?: number
  /** A write that may safely reach the API server twice. */
  readonly idempotent?: boolean
  /** The API server's words about it are kept out of messages: the object holds secrets. */
  readonly confidential?: boolean
}

export interface ApiAnswer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
  /** The body as JSON; kind `corrupt` when it is none. */
  json(): unknown
}

export interface ApiStream {
  readonly headers: IncomingHttpHeaders
  /** Decompressed bytes. Its errors are those of the connection; `fromConnectionError` translates them. Destroy it when done. */
  readonly body: Readable
}

export interface ApiClientOptions {
  readonly userAgent?: string
  readonly deadlineMs?: number
  readonly bytesMax?: number
  readonly socketsMax?: number
}

const defaults = { deadlineMs: 30_000, bytesMax: 64 << 20, socketsMax: 16, userAgent: 'supercargo' }
const errorBytesMax = 64 << 10

export class ApiClient {
  readonly connection: KubeConnection
  readonly #options: typeof defaults
  #agent: Promise<Agent> | undefined

  constructor(connection: KubeConnection, options: ApiClientOptions = {}) {
    this.connection = connection
    this.#options = { ...defaults, ...options }
  }

  /** Sends a request and reads the whole answer. Anything but 2xx rejects with our kinds. */
  async request(request: ApiRequest, signal: AbortSignal): Promise<ApiAnswer> {
    const deadlineMs = request.deadlineMs ?? this.#options.deadlineMs
    const stop = new AbortController()
    const forward = (): void => stop.abort(abortReason(signal))
    const timer = setTimeout(() => stop.abort(deadlinePassed(request.what, deadlineMs)), deadlineMs)
    signal.addEventListener('abort', forward, { once: true })
    if (signal.aborted) forward()
    try {
      const message = await this.#send(request, stop.signal)
      const text = await readText(message, request.bytesMax ?? this.#options.bytesMax, request.what, stop.signal)
      const { statusCode: status = 0, headers } = message
      return { status, headers, text, json: () => parse(text, request.what) }
    } finally {
      clearTimeout(timer)
      signal.removeEventListener('abort', forward)
    }
  }

  /** Sends a request and hands over the body as it comes; `deadlineMs` ends with the head. For a watch or a log. */
  async open(request: ApiRequest, signal: AbortSignal): Promise<ApiStream> {
    const deadlineMs = request.deadlineMs ?? this.#options.deadlineMs
    const stop = new AbortController()
    const forward = (): void => stop.abort(abortReason(signal))
    const timer = setTimeout(() => stop.abort(deadlinePassed(request.what, deadlineMs)), deadlineMs)
    signal.addEventListener('abort', forward, { once: true })
    const release = (): void => signal.removeEventListener('abort', forward)
    if (signal.aborted) forward()
    try {
      const message = await this.#send(request, stop.signal)
      message.once('close', release)
      return { headers: message.headers, body: decompressed(message) }
    } catch (error) {
      release()
      throw error
    } finally {
      clearTimeout(timer)
    }
  }

  /** Closes every connection, also those in use. */
  async close(): Promise<void> {
    ;(await this.#agent)?.destroy()
  }

  async #send(request: ApiRequest, signal: AbortSignal): Promise<IncomingMessage> {
    const { connection } = this
    const url = urlOf(connection.server, request)
    const method = request.method ?? 'GET'
    this.#agent ??= createAgent(connection, this.#options.socketsMax)
    const agent = await this.#agent
    const body = request.body === undefined ? undefined : JSON.stringify(request.body)
    for (let renewed = false; ; ) {
      const { headers: proof, tls } = await orAborted(connection.credentials(), signal)
      const headers = {
        accept: request.accept ?? 'application/json',
        'accept-encoding': 'gzip',
        'user-agent': this.#options.userAgent,
        ...(body === undefined ? {} : { 'content-type': request.contentType ?? 'application/json' }),
        // Said here, because Node does not say it for a DELETE with a body.
        ...(body === undefined ? {} : { 'content-length': Buffer.byteLength(body) }),
        ...proof,
      }
      let message: IncomingMessage
      try {
        message = await exchange({ method, url, headers, tls, body, agent, signal, what: request.what })
      } catch (error) {
        // Each turn of this loop takes one dead connection out of the pool, so it ends at a fresh one.
        if (isStale(error) && (method === 'GET' || request.idempotent === true)) continue
        throw error
      }
      const status = message.statusCode ?? 0
      if (status >= 200 && status < 300) return message
      const text = await readText(message, errorBytesMax, request.what, signal).catch((error: unknown) => {
        if (signal.aborted) throw error
        return '' // The status says enough; the words that should explain it were cut or too many.
      })
      if (status === 401 && !renewed && (await orAborted(connection.renew(), signal))) {
        renewed = true
        continue
      }
      const { what, confidential } = request
      throw fromAnswer({ status, headers: message.headers, body: text, what, confidential })
    }
  }
}

/** Joins path segments, each encoded: `apiPath('/api/v1', 'namespaces', name)`. */
export function apiPath(root: string, ...segments: readonly string[]): string {
  return [root, ...segments.map(encodeURIComponent)].join('/')
}

function urlOf(server: URL, request: ApiRequest): URL {
  const url = new URL(server)
  url.pathname = `${server.pathname.replace(/\/$/, '')}${request.path}`
  for (const [name, value] of Object.entries(request.query ?? {})) {
    if (value !== undefined) url.searchParams.set(name, String(value))
  }
  return url
}

function decompressed(message: IncomingMessage): Readable {
  if (message.headers['content-encoding'] !== 'gzip') return message
  const gunzip = createGunzip()
  message.once('error', (error) => gunzip.destroy(error))
  gunzip.on('error', () => undefined) // As for the message: the reader sees it, now or later.
  gunzip.once('close', () => message.destroy())
  return message.pipe(gunzip)
}

async function readText(
  message: IncomingMessage,
  bytesMax: number,
  what: string,
  signal: AbortSignal,
): Promise<string> {
  const body = decompressed(message)
  const chunks: Buffer[] = []
  let bytes = 0
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      bytes += chunk.length
      if (bytes > bytesMax) {
        throw new SupercargoError('tooLarge', 'kube-answer-too-large', `${what}: more than ${bytesMax} bytes came back`)
      }
      chunks.push(chunk)
    }
  } catch (error) {
    message.destroy()
    if (signal.aborted) throw abortReason(signal)
    throw fromConnectionError(error, what)
  }
  return Buffer.concat(chunks, bytes).toString('utf8')
}

function parse(text: string, what: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // The parser's message quotes the text, which may hold a secret.
    throw new SupercargoError('corrupt', 'kube-not-json', `${what}: the API server's answer is not JSON`)
  }
}

function deadlinePassed(what: string, deadlineMs: number): SupercargoError {
  return new SupercargoError('unavailable', 'kube-deadline', `${what}: no complete answer within ${deadlineMs} ms`)
}

/** The work itself may go on: what it brings is for the next request. */
function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(abortReason(signal))
    if (signal.aborted) abort()
    signal.addEventListener('abort', abort, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
}
