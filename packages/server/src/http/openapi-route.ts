/** Serves the description of the API; it is made when it is first asked for, to keep the heap small. */
import { routes } from '@supercargo/protocol'
import type { FastifyInstance } from 'fastify'
import type { Edge } from './edge.ts'
import { reachedUrl } from './own-url.ts'
import { sendJson } from './problem.ts'

export function registerOpenapiRoute(app: FastifyInstance, edge: Edge): void {
  app.route({
    method: ['GET', 'HEAD'],
    url: routes.v1.openapi,
    async handler(request, reply) {
      const { describeApi } = await import('./openapi.ts')
      return sendJson(reply, 200, describeApi(reachedUrl(edge, request)))
    },
  })
}
