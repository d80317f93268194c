/** Errors as RFC 9457 problem details: the stable code, the kind, the hint; never a path, a URL or a secret. */
import { STATUS_CODES } from 'node:http'
import { mediaTypes, type Problem, SupercargoError, toSupercargoError } from '@supercargo/protocol'
import type { FastifyReply } from 'fastify'

/** Anything that was thrown while a request was served, as our error. Fastify's own errors are translated here, once. */
export function fromRequestError(error: unknown): SupercargoError {
  if (SupercargoError.is(error)) return error
  const { code, statusCode } = error as { code?: unknown; statusCode?: unknown }
  if (typeof code !== 'string' || !code.startsWith('FST_')) return toSupercargoError(error)
  const status = typeof statusCode === 'number' ? statusCode : 500
  // The causes of these repeat the URL, which may hold a capability.
  if (status === 415) return mediaTypeError()
  if (code === 'FST_ERR_BAD_URL') return new SupercargoError('invalid', 'bad-url', 'the URL is not well-formed')
  if (status === 414) return new SupercargoError('invalid', 'url-too-long', 'a part of the URL is too long', { status })
  if (status >= 400 && status < 500)
    return new SupercargoError('invalid', 'bad-request', 'the request is not well-formed', { cause: error, status })
  return toSupercargoError(error)
}

export function mediaTypeError(accepted?: readonly string[]): SupercargoError {
  return new SupercargoError('invalid', 'unsupported-media-type', 'the Content-Type of the body is not accepted here', {
    status: 415,
    hint: accepted === undefined ? undefined : `send ${accepted.join(' or ')}`,
  })
}

export function toProblem(error: SupercargoError, requestId: string | undefined): Problem {
  const shown = isShown(error)
  return {
    ...(shown ? error.context : {}),
    type: `urn:supercargo:error:${error.code}`,
    title: STATUS_CODES[error.status] ?? 'Error',
    status: error.status,
    detail: shown ? error.message : hiddenDetail(error),
    code: error.code,
    kind: error.kind,
    ...(error.hint === undefined ? {} : { hint: error.hint }),
    ...(requestId === undefined ? {} : { requestId }),
  }
}

/** Headers that belong to an error, beside the body. */
export function problemHeaders(error: SupercargoError): Record<string, string> {
  const fields: Record<string, string> = { 'content-type': mediaTypes.problem, 'cache-control': 'no-store' }
  if (error.status === 401) fields['www-authenticate'] = 'Bearer'
  const retryAfterMs = error.retryAfterMs ?? (error.status === 503 ? 1000 : undefined)
  if (retryAfterMs !== undefined) fields['retry-after'] = String(Math.max(1, Math.ceil(retryAfterMs / 1000)))
  return fields
}

export function sendProblem(reply: FastifyReply, error: SupercargoError): FastifyReply {
  for (const [name, value] of Object.entries(problemHeaders(error))) {
    if (name === 'content-type' || !reply.hasHeader(name)) reply.header(name, value)
  }
  return reply.code(error.status).send(Buffer.from(JSON.stringify(toProblem(error, reply.request.id))))
}

/** JSON with exactly this media type: Fastify would add a charset, which the 2017 server never sent. */
export function sendJson(reply: FastifyReply, status: number, body: unknown): FastifyReply {
  if (!reply.hasHeader('cache-control')) reply.header('cache-control', 'no-store')
  return reply
    .code(status)
    .type(mediaTypes.json)
    .send(Buffer.from(JSON.stringify(body)))
}

/** An answer for a socket on which no request could be read. */
export function rawProblem(error: SupercargoError): string {
  const body = JSON.stringify(toProblem(error, undefined))
  const fields = { ...problemHeaders(error), 'content-length': String(Buffer.byteLength(body)), connection: 'close' }
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`)
  return `HTTP/1.1 ${error.status} ${STATUS_CODES[error.status] ?? 'Error'}\r\n${lines.join('')}\r\n${body}`
}

/** Messages about the server's own disk name its directories; they are for its log. */
function isShown(error: SupercargoError): boolean {
  if (error.kind === 'internal') return false
  const cause = error.cause as { syscall?: unknown } | undefined
  return cause?.syscall === undefined
}

function hiddenDetail(error: SupercargoError): string {
  if (error.kind === 'exhausted') return 'the store has no space left'
  return 'the server could not do it; its log has the reason under this request id'
}
