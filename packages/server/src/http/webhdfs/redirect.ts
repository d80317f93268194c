/** The second step of OPEN and CREATE: the same address with a mark, as the client reached it. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Edge } from '../edge.ts'
import type { FrontDoor } from './front-door.ts'
import { type HadoopRequest, isTrue } from './request.ts'

/** Hadoop's own gateway marks its second step by the same parameter. */
const mark = 'data'

export function isSecondStep(asked: HadoopRequest): boolean {
  return isTrue(asked, mark)
}

/**
 * 307, even where the bytes could be answered at once: Hadoop's client reads such an answer for a moment and drops it. The
 * address must be absolute. Where the Host is one of ours, that one's scheme is right, because something in front may end
 * TLS; else what the client used is what it can reach.
 */
export function sendRedirect(edge: Edge, door: FrontDoor, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const known = [door.publicUrl, edge.podUrl]
    .filter((url) => url !== undefined)
    .map((url) => new URL(url))
    .find((url) => sameHost(url, request.host))
  const origin = known?.origin ?? `${request.protocol}://${request.host}`
  const path = request.raw.url!.replace(/#.*$/s, '')
  return reply.code(307).header('location', `${origin}${path}&${mark}=true`).send()
}

/** `host` is what the client sent, where the port of the scheme is left out or not. */
function sameHost(url: URL, host: string): boolean {
  const sent = URL.parse(`${url.protocol}//${host}`)
  return sent !== null && sent.host === url.host
}
