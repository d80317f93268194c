/** Whether the process lives, whether it takes uploads, and how it does. */
import { routes, SupercargoError, toSupercargoError } from '@supercargo/protocol'
import type { FastifyInstance } from 'fastify'
import { drainingError } from './admission.ts'
import type { Edge } from './edge.ts'

/** One proof that the store takes writes serves all probes for this long. */
const probeValidMs = 2000

export function registerHealthRoutes(app: FastifyInstance, edge: Edge): void {
  const probe = cachedProbe(edge)
  app.route({
    method: ['GET', 'HEAD'],
    url: routes.live,
    handler: (_request, reply) => reply.header('content-type', 'text/plain').send(Buffer.from('ok')),
  })
  app.route({
    method: ['GET', 'HEAD'],
    url: routes.ready,
    async handler(_request, reply) {
      if (edge.admission.draining) throw drainingError()
      const failure = await probe()
      if (failure !== undefined) {
        throw new SupercargoError('unavailable', 'store-not-writable', 'the store takes no writes', {
          cause: failure,
          hint: failure.hint,
          context: { reason: failure.code },
          retryAfterMs: probeValidMs,
        })
      }
      return reply.header('content-type', 'text/plain').send(Buffer.from('ok'))
    },
  })
  app.route({
    method: ['GET', 'HEAD'],
    url: routes.metrics,
    handler: async (_request, reply) =>
      reply.header('content-type', edge.metrics.contentType).send(Buffer.from(await edge.metrics.render())),
  })
}

/** Probes that come together share one answer, and its result is kept for a while. */
function cachedProbe(edge: Edge): () => Promise<SupercargoError | undefined> {
  let latest: { readonly atMs: number; readonly outcome: Promise<SupercargoError | undefined> } | undefined
  return () => {
    const nowMs = edge.clock.monotonic()
    if (latest === undefined || nowMs - latest.atMs > probeValidMs) {
      latest = { atMs: nowMs, outcome: edge.store.probe().then(() => undefined, toSupercargoError) }
    }
    return latest.outcome
  }
}
