/** An API server double that speaks the real protocol over real HTTP, and can be told to answer wrongly. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gzipSync } from 'node:zlib'
import type { KubeConnection } from '../credentials.ts'
import type { ApiReply, ApiState, Review } from './api-reply.ts'
import { answerApi } from './api-routes.ts'
import { ClusterModel } from './cluster-model.ts'
import type { Fault, SeenRequest } from './faults.ts'

export interface FaultRule {
  readonly fault: Fault
  /** Default: every list. */
  readonly when?: (request: SeenRequest) => boolean
  /** Matching requests that pass before it begins. */
  readonly after?: number
  /** And how many it hits. */
  readonly times?: number
}

/** Answers in the place of the model: a real API server behind the faults. Rejects when its connection fails. */
export type Upstream = (request: SeenRequest) => Promise<ApiReply>

const gzipFromBytes = 1024

export class FaultyApiServer implements ApiState {
  cluster = new ClusterModel()
  /** Every request, in order. */
  readonly requests: SeenRequest[] = []
  readonly connections = { opened: 0 }
  /** TokenReview: what each token stands for. */
  readonly tokens = new Map<string, Review>()
  readonly rules: { -readonly [name in keyof ApiState['rules']]: ApiState['rules'][name] } = {
    allows: () => true,
    forbids: () => false,
  }
  readonly #rules: (FaultRule & { seen: number })[] = []
  readonly #server: Server
  readonly #expected: string | undefined
  readonly #upstream: Upstream | undefined

  /** With `token`, requests without it are 401. */
  private constructor(server: Server, token: string | undefined, upstream: Upstream | undefined) {
    this.#server = server
    this.#expected = token
    this.#upstream = upstream
    server.on('connection', () => this.connections.opened++)
    server.on('request', (request, response) => void this.#serve(request, response))
  }

  static async start(
    options: { readonly token?: string; readonly server?: Server; readonly upstream?: Upstream } = {},
  ): Promise<FaultyApiServer> {
    const server = options.server ?? createServer()
    const double = new FaultyApiServer(server, options.token, options.upstream)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return double
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** Plain HTTP, no credential. */
  get connection(): KubeConnection {
    return {
      server: new URL(`http://127.0.0.1:${this.port}`),
      namespace: undefined,
      proxy: undefined,
      credentials: async () => ({ headers: {}, tls: {} }),
      renew: async () => false,
    }
  }

  fault(rule: FaultRule): void {
    this.#rules.push({ ...rule, seen: 0 })
  }

  /** Everything is well again. */
  heal(): void {
    this.#rules.length = 0
  }

  /** Cuts every connection, idle or not. */
  disconnect(): void {
    this.#server.closeAllConnections()
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  async #serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = ''
    for await (const chunk of incoming) body += chunk
    const url = new URL(incoming.url ?? '/', 'http://double')
    const { pathname: path, searchParams: query } = url
    const request: SeenRequest = { method: incoming.method ?? 'GET', path, query, headers: incoming.headers, body }
    this.requests.push(request)
    const fault = this.#faultFor(request)
    if (fault !== undefined && 'stall' in fault) return
    if (fault !== undefined && 'answer' in fault) {
      const { status, headers, body: text } = fault.answer
      response.writeHead(status, headers).end(text)
      return
    }
    const authorized = this.#expected === undefined || incoming.headers.authorization === `Bearer ${this.#expected}`
    const reply =
      this.#upstream === undefined
        ? answerApi(this, request, authorized)
        : await this.#upstream(request).catch(() => undefined) // Its connection ended, so this one does.
    if (reply === undefined) return void response.socket?.destroy()
    if (reply.stream !== undefined) return this.#stream(reply, response)
    send(reply, fault, incoming, response)
  }

  #stream(reply: ApiReply, response: ServerResponse): void {
    response.writeHead(200, { 'content-type': 'application/json' })
    response.flushHeaders()
    const stop = reply.stream!(
      (event) => void response.write(`${JSON.stringify(event)}\n`),
      () => response.end(),
    )
    response.once('close', stop)
  }

  #faultFor(request: SeenRequest): Fault | undefined {
    for (const rule of this.#rules) {
      if (!(rule.when ?? isList)(request)) continue
      const position = rule.seen++
      const from = rule.after ?? 0
      if (position >= from && position < from + (rule.times ?? Number.POSITIVE_INFINITY)) return rule.fault
    }
    return undefined
  }
}

/** A list of an owner's kind: not the identity, not discovery. */
export function isList(request: SeenRequest): boolean {
  return request.method === 'GET' && request.query.has('limit')
}

function send(real: ApiReply, fault: Fault | undefined, incoming: IncomingMessage, response: ServerResponse): void {
  const reply = fault !== undefined && 'status' in fault ? { ...real, status: fault.status } : real
  const changed = fault !== undefined && 'rewrite' in fault ? fault.rewrite(reply.body) : reply.body
  const text = typeof changed === 'string' ? changed : JSON.stringify(changed)
  const plain = Buffer.from(text)
  const zip = plain.length > gzipFromBytes && String(incoming.headers['accept-encoding']).includes('gzip')
  const bytes = zip ? gzipSync(plain) : plain
  const type = typeof reply.body === 'string' ? 'text/plain; charset=utf-8' : 'application/json'
  const headers: Record<string, string | number> = {
    'content-type': fault !== undefined && 'contentType' in fault ? fault.contentType : type,
    'content-length': bytes.length,
    ...reply.headers,
    ...(zip ? { 'content-encoding': 'gzip' } : {}),
  }
  if (fault !== undefined && 'cutAfter' in fault) {
    if (fault.cutAfter === 0) return void response.socket?.destroy()
    response.writeHead(reply.status, headers)
    response.write(bytes.subarray(0, Math.floor(bytes.length * fault.cutAfter)), () => response.socket?.destroy())
    return
  }
  response.writeHead(reply.status, headers).end(bytes)
}
