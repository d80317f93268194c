/** One request from its first line to its last byte: its id, its headers on every answer, its log line, its metrics. */
import { randomBytes } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { headers, resourceIdSchema, SupercargoError } from '@supercargo/protocol'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { FinishedRequest } from '../metrics.ts'
import type { Edge } from './edge.ts'
import { isBodyUnread, lingeringPayload } from './linger.ts'

/** The id that the client gave, when it is short and plain; else a new one. */
export function requestIdOf(request: IncomingMessage): string {
  const given = request.headers[headers.requestId]
  return typeof given === 'string' && /^[A-Za-z0-9._-]{1,64}$/.test(given)
    ? given
    : randomBytes(9).toString('base64url')
}

/** Bytes of a connection that belong to requests before: the head of a request is read before anybody hears of it. */
const counted = new WeakMap<Socket, { readonly read: number; readonly written: number }>()

export function followExchanges(app: FastifyInstance, edge: Edge): void {
  app.decorateRequest('exchange', null as never)
  app.addHook('onRequest', async (request, reply) => {
    followExchange(edge, request, reply)
  })
  app.addHook('onSend', async (request, reply, payload) => {
    for (const [name, value] of Object.entries(commonHeaders(edge, request))) reply.header(name, value)
    if (!isBodyUnread(request.raw, request.exchange.continued)) return payload
    reply.header('connection', 'close')
    if (payload !== null && payload !== undefined && !Buffer.isBuffer(payload)) return payload
    const bytes = payload ?? Buffer.alloc(0)
    reply.header('content-length', String(bytes.length))
    return lingeringPayload(request.raw, reply.raw, bytes)
  })
}

/** Headers of every answer. */
export function commonHeaders(edge: Edge, request: FastifyRequest): Record<string, string> {
  return {
    [headers.requestId]: request.id,
    'x-content-type-options': 'nosniff',
    ...(edge.admission.draining ? { connection: 'close' } : {}),
  }
}

export function followExchange(edge: Edge, request: FastifyRequest, reply: FastifyReply): void {
  const { socket } = request.raw
  const before = counted.get(socket) ?? { read: 0, written: 0 }
  const startedMs = edge.clock.monotonic()
  const id = (request.params as { id?: string } | undefined)?.id
  request.exchange = {
    startedMs,
    resourceId: resourceIdSchema.safeParse(id).success ? id : undefined,
    sessionToken: undefined,
    principal: undefined,
    transfer: undefined,
    failure: undefined,
    continued: false,
    whileOpen: () => closeSignal(reply.raw),
  }
  edge.open.add(request.exchange)
  // 'close' comes after the last byte, and also when the client went away before; then the handler hears of it after us.
  reply.raw.once('close', () => {
    const { bytesRead: read = 0, bytesWritten: written = 0 } = socket
    counted.set(socket, { read, written })
    edge.open.delete(request.exchange)
    const figures = {
      route: request.routeOptions.url ?? 'unmatched',
      method: request.method,
      status: reply.raw.statusCode,
      receivedBytes: read - before.read,
      sentBytes: written - before.written,
      durationMs: Math.round((edge.clock.monotonic() - startedMs) * 10) / 10,
    }
    if (reply.raw.writableFinished) finish(edge, request, figures, request.exchange.failure)
    else setImmediate(() => finish(edge, request, figures, request.exchange.failure ?? wentAway()))
  })
}

/** Made only for who asks: most requests wait for nobody else. */
function closeSignal(response: ServerResponse): AbortSignal {
  const closed = new AbortController()
  if (response.destroyed || response.writableFinished) closed.abort(wentAway())
  else response.once('close', () => closed.abort(wentAway()))
  return closed.signal
}

type Figures = Omit<FinishedRequest, 'transfer' | 'errorCode'>

function finish(edge: Edge, request: FastifyRequest, figures: Figures, failure: SupercargoError | undefined): void {
  const { exchange } = request
  edge.metrics.requestFinished({ ...figures, transfer: exchange.transfer, errorCode: failure?.code })
  const line = {
    requestId: request.id,
    ...figures,
    ...(exchange.resourceId === undefined ? {} : { resourceId: exchange.resourceId }),
    ...(exchange.principal === undefined ? {} : { principal: exchange.principal }),
    ...(failure === undefined
      ? {}
      : { error: isAboutInput(failure) ? { kind: failure.kind, code: failure.code } : failure }),
  }
  if (failure?.kind === 'internal' || failure?.kind === 'corrupt') edge.log.error(line, 'request')
  else edge.log.info(line, 'request')
}

/** Such a message quotes what the client wrote, which may be a secret in the wrong place: it is for the client alone. */
function isAboutInput({ kind }: SupercargoError): boolean {
  return kind === 'invalid' || kind === 'notFound' || kind === 'unsafe'
}

function wentAway(): SupercargoError {
  return new SupercargoError('interrupted', 'client-gone', 'the client closed the connection before the end')
}
