/** The second step of OPEN and CREATE: the same address with a mark, as the client reached it. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Edge } from '../edge.ts'
import { reachedUrl } from '../own-url.ts'
import { type HadoopRequest, isTrue } from './request.ts'

/** Hadoop's own gateway marks its second step by the same parameter. */
const mark = 'data'

export function isSecondStep(asked: HadoopRequest): boolean {
  return isTrue(asked, mark)
}

/**
 * 307, even where the bytes could be answered at once: Hadoop's client reads such an answer for a moment and drops it. The
 * address must be absolute.
 */
export function sendRedirect(edge: Edge, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const path = request.raw.url!.replace(/#.*$/s, '')
  return reply
    .code(307)
    .header('location', `${reachedUrl(edge, request)}${path}&${mark}=true`)
    .send()
}
