/** The admin page behind its routes: every page and every deed, each by the same functions as the JSON routes. */
import { parseWith, type Secret, SupercargoError } from '@supercargo/protocol'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { listQuerySchema } from '../admin-routes.ts'
import { bearerSecret, deniedError } from '../authorize.ts'
import { expectRight, identifyCaller } from '../caller.ts'
import type { Edge } from '../edge.ts'
import { type Found, findResource, openedResource } from '../find-resource.ts'
import { fromRequestError, problemHeaders, toProblem } from '../problem.ts'
import { explain, releaseFound } from '../resource-routes.ts'
import { overviewPage } from './overview-page.ts'
import { refusalPage, signInPage } from './refusal-page.ts'
import { resourcePage } from './resource-page.ts'
import { resourcesPage } from './resources-page.ts'
import { Sessions } from './sessions.ts'
import { sweepsPage } from './sweeps-page.ts'
import { beginVisit, giveCookie, readForm, seeOther, sendPage, type Visit, visitorOf } from './visit.ts'

export interface Ui {
  /** Failures are answered too, as pages. */
  answer(name: UiRoute, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply>
}

/** Rows of one page, unless the query says otherwise. */
const pageRows = '50'
/** What a fresh token helps against. */
const tokenCodes: ReadonlySet<string> = new Set(['token-missing', 'token-refused'])

export type UiRoute = keyof typeof answers

export function createUi(edge: Edge): Ui {
  const sessions = new Sessions(edge.clock)
  return {
    async answer(name, request, reply) {
      const visit = beginVisit(edge, sessions, request, reply)
      try {
        return await answers[name](visit)
      } catch (error) {
        request.exchange.failure = fromRequestError(error)
        request.exchange.sessionToken = sessions.token(visit.cookie)
        return refuse(visit, request.exchange.failure)
      }
    },
  }
}

const answers = {
  overview: async (visit: Visit) => {
    const { edge, request } = visit
    await expectRight(edge, request, 'list', undefined)
    // A disk that does not answer is a reason to look at the rest, not to show nothing.
    const free = edge.freeBytes?.().catch(() => undefined)
    const [status, freeBytes] = await Promise.all([edge.collector.status(), free])
    const { store, limits, clock } = edge
    const facts = { status, freeBytes, limits, usage: store.usage(), nowMs: clock.now() }
    return sendPage(visit, 200, overviewPage({ visitor: visitorOf(visit), ...facts }))
  },
  resources: async (visit: Visit) => {
    const { edge, request } = visit
    const asked = Object.entries(request.query as Record<string, unknown>).filter(([, value]) => value !== '')
    const query = parseWith(listQuerySchema, { limit: pageRows, ...Object.fromEntries(asked) }, 'the query')
    await expectRight(edge, request, 'list', query.namespace)
    const listing = await edge.collector.list(query)
    return sendPage(visit, 200, resourcesPage({ visitor: visitorOf(visit), query, listing, nowMs: edge.clock.now() }))
  },
  resource: async (visit: Visit) => {
    const { edge } = visit
    const { id } = visit.request.query as { id?: unknown }
    const found = await look(visit, String(id))
    const explanation = await explain(edge, found)
    const nowMs = edge.clock.now()
    return sendPage(visit, 200, resourcePage({ visitor: visitorOf(visit), found, explanation, nowMs }))
  },
  sweeps: async (visit: Visit) => {
    const { edge, request } = visit
    await expectRight(edge, request, 'list', undefined)
    const status = await edge.collector.status()
    return sendPage(visit, 200, sweepsPage({ visitor: visitorOf(visit), status, nowMs: edge.clock.now() }))
  },
  signIn: async (visit: Visit) => {
    const { edge, sessions, request } = visit
    const fields = await readForm(visit)
    const token = bearerSecret(`Bearer ${(fields.get('token') ?? '').trim()}`)
    request.exchange.sessionToken = token
    // Refused, the visitor is shown the form again, and the token is kept nowhere.
    await identifyCaller(edge, request)
    sessions.close(visit.cookie)
    if (token !== undefined && edge.authorizer !== undefined) giveCookie(visit, sessions.open(token))
    return seeOther(visit, './')
  },
  signOut: async (visit: Visit) => {
    await readForm(visit)
    visit.sessions.close(visit.cookie)
    return seeOther(visit, './')
  },
  collectorRelease: async (visit: Visit) => {
    const { edge, request } = visit
    await readForm(visit)
    await expectRight(edge, request, 'delete', undefined)
    await edge.collector.release()
    return seeOther(visit, './')
  },
  resourceRelease: async (visit: Visit) => {
    const { edge } = visit
    const fields = await readForm(visit)
    const shown =
      edge.authorizer === undefined ? bearerSecret(`Bearer ${fields.get('secret')?.trim()}`) : shownBy(visit)
    await releaseFound(edge, await openedTo(visit, fields.get('id') ?? '', shown, 'delete'))
    return seeOther(visit, 'resources')
  },
} as const

/** Where nobody is asked who they are, everybody may look: at what is there, not at its bytes. */
async function look(visit: Visit, id: string): Promise<Found> {
  const { edge, request } = visit
  if (edge.authorizer !== undefined) {
    const shown = shownBy(visit)
    // Without any token the answer is the form for one.
    if (shown === undefined) await identifyCaller(edge, request)
    return openedTo(visit, id, shown, 'get')
  }
  const found = await findResource(edge, id)
  if (found === undefined) throw unknownResource()
  return found
}

/** As a client is refused, in words for people who look for an `Authorization` header in vain. */
async function openedTo(
  { edge, request }: Visit,
  id: string,
  shown: Secret | undefined,
  verb: 'get' | 'delete',
): Promise<Found> {
  try {
    return await openedResource(edge, request, id, shown, { verb })
  } catch (error) {
    throw SupercargoError.is(error) && error.code === deniedError().code ? unknownResource() : error
  }
}

function unknownResource(): SupercargoError {
  return new SupercargoError('notFound', 'unknown-resource', 'there is no such resource, or it is not open to you', {
    hint: 'was it released or collected? A token needs the right to it; without tokens, its own secret releases it',
  })
}

function shownBy({ request }: Visit): Secret | undefined {
  return bearerSecret(request.headers.authorization) ?? request.exchange.sessionToken
}

function refuse(visit: Visit, error: SupercargoError): FastifyReply {
  const { edge, request, reply } = visit
  const problem = toProblem(error, request.id)
  const { 'content-type': _, ...fields } = problemHeaders(error)
  reply.headers(fields)
  const visitor = visitorOf(visit)
  if (edge.authorizer === undefined || !tokenCodes.has(error.code))
    return sendPage(visit, error.status, refusalPage(visitor, problem))
  const why = error.code === 'token-missing' && request.method !== 'POST' ? undefined : problem
  return sendPage(visit, error.status, signInPage({ ...visitor, signedIn: false }, edge.authorizer.audience, why))
}
