/** Requests that no route takes: 404, or 405 with `Allow` where only the method is wrong. */
import { SupercargoError } from '@supercargo/protocol'
import type { FastifyInstance } from 'fastify'

export interface KnownRoute {
  /** As it was registered: `/c/:capability/*`. */
  readonly url: string
  readonly pattern: RegExp
  readonly methods: readonly string[]
}

/**
 * To be called before the routes are registered; the list that is returned fills as they are. The answers never repeat the
 * URL: it may hold a capability.
 */
export function answerUnknownRoutes(app: FastifyInstance): readonly KnownRoute[] {
  const known: KnownRoute[] = []
  app.addHook('onRoute', ({ url, method }) => {
    known.push({ url, pattern: patternOf(url), methods: Array.isArray(method) ? method : [method] })
  })
  app.setNotFoundHandler((request, reply) => {
    const path = request.raw.url?.split('?', 1)[0] ?? ''
    const allowed = new Set(known.filter(({ pattern }) => pattern.test(path)).flatMap(({ methods }) => methods))
    if (allowed.size === 0) throw new SupercargoError('notFound', 'unknown-route', 'there is nothing at this path')
    allowed.add('OPTIONS')
    reply.header('allow', [...allowed].sort().join(', '))
    if (request.method === 'OPTIONS') return reply.code(204).send()
    throw new SupercargoError('invalid', 'method-not-allowed', `${request.method} is not possible here`, {
      status: 405,
    })
  })
  return known
}

/** `/a/:id/files/*` as a regular expression over the encoded path. */
function patternOf(url: string): RegExp {
  const escaped = url.replace(/[.+?^${}()|[\]\\]/g, '\\$&')
  return new RegExp(`^${escaped.replace(/:[a-z]+/gi, '[^/]+').replace(/\*/g, '.*')}$`)
}
