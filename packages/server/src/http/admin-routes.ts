/** For admins: what is staged and why it is kept, the state of collection. Never a secret. */
import { namespaceSchema, parseWith, resourceStates, routes } from '@supercargo/protocol'
import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import { expectRight } from './caller.ts'
import type { Edge } from './edge.ts'
import { sendJson } from './problem.ts'

export const listQuerySchema = z.object({
  namespace: namespaceSchema.optional(),
  state: z.enum(resourceStates).optional(),
  limit: z.coerce.number().int().min(1).max(1000).default(100),
  continue: z.string().max(1024).optional(),
})

export function registerAdminRoutes(app: FastifyInstance, edge: Edge): void {
  app.route({
    method: ['GET', 'HEAD'],
    url: routes.v1.resources,
    handler: async (request, reply) => {
      const query = parseWith(listQuerySchema, request.query, 'the query')
      await expectRight(edge, request, 'list', query.namespace)
      return sendJson(reply, 200, await edge.collector.list(query))
    },
  })
  app.route({
    method: ['GET', 'HEAD'],
    url: routes.v1.collector,
    handler: async (request, reply) => {
      await expectRight(edge, request, 'list', undefined)
      return sendJson(reply, 200, await edge.collector.status())
    },
  })
  app.post(routes.v1.collectorRelease, async (request, reply) => {
    // What it lets go on deletes, in every namespace.
    await expectRight(edge, request, 'delete', undefined)
    await edge.collector.release()
    return sendJson(reply, 200, await edge.collector.status())
  })
}
