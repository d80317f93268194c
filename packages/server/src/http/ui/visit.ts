/** One request for the admin page: whose it is, what its form says, and the answer with the headers that keep it safe. */
import { Secret, SupercargoError } from '@supercargo/protocol'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { contentLength, mediaTypeOf, readText } from '../arrival.ts'
import type { Edge } from '../edge.ts'
import { reachedUrl } from '../own-url.ts'
import { mediaTypeError } from '../problem.ts'
import { bodyTooLarge } from '../receive-body.ts'
import type { Visitor } from './frame.ts'
import type { Html } from './html.ts'
import { cookieField, readCookie, type Sessions } from './sessions.ts'

export interface Visit {
  readonly edge: Edge
  readonly sessions: Sessions
  readonly request: FastifyRequest
  readonly reply: FastifyReply
  readonly cookie: Secret
}

const formBytesMax = 16 << 10
const formType = 'application/x-www-form-urlencoded'

/** No script at all, nothing from elsewhere, in nobody's frame. */
const safetyFields = {
  'content-security-policy':
    "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
  'x-frame-options': 'DENY',
  'referrer-policy': 'same-origin',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'cache-control': 'no-store',
} as const

/** Takes up the visit that the cookie belongs to, or begins one. */
export function beginVisit(edge: Edge, sessions: Sessions, request: FastifyRequest, reply: FastifyReply): Visit {
  const known = readCookie(request.headers.cookie)
  const visit: Visit = { edge, sessions, request, reply, cookie: known ?? Secret.mint() }
  if (known === undefined) giveCookie(visit, visit.cookie)
  request.exchange.sessionToken = sessions.token(visit.cookie)
  return visit
}

export function giveCookie({ edge, request, reply }: Visit, cookie: Secret): void {
  reply.header('set-cookie', cookieField(cookie, reachedUrl(edge, request).startsWith('https:')))
}

export function visitorOf({ edge, sessions, request, cookie }: Visit): Visitor {
  const { sessionToken, principal } = request.exchange
  return {
    key: sessions.formKey(cookie),
    asked: edge.authorizer !== undefined,
    signedIn: sessionToken !== undefined,
    principal,
  }
}

/** The fields of a form of ours. Kind `denied` when another site has sent it. */
export async function readForm(visit: Visit): Promise<URLSearchParams> {
  const { edge, sessions, request, reply, cookie } = visit
  if (mediaTypeOf(request) !== formType) throw mediaTypeError([formType])
  if (contentLength(request) > formBytesMax) throw bodyTooLarge(formBytesMax)
  const fields = new URLSearchParams(await readText(edge, request, reply, formBytesMax))
  const site = request.headers['sec-fetch-site'] ?? 'same-origin'
  if (site === 'same-origin' && sessions.isFormKey(cookie, fields.get('key') ?? '')) return fields
  throw new SupercargoError('denied', 'form-refused', 'this form is none that the server has given to this browser', {
    hint: 'open the page again and repeat it there; cookies must be allowed',
  })
}

export function sendPage({ reply }: Visit, status: number, page: Html): FastifyReply {
  return reply.code(status).headers(safetyFields).type('text/html; charset=utf-8').send(Buffer.from(page.toString()))
}

/** After a deed: what the browser shows next is a page, and to load it again repeats nothing. */
export function seeOther({ reply }: Visit, place: string): FastifyReply {
  return reply.code(303).headers(safetyFields).header('location', place).send()
}
