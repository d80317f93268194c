/** What comes before and after the body of a request: admission, "100 Continue", the watch, and the place given back. */
import { parseJson } from '@supercargo/protocol'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Edge } from './edge.ts'
import { bodyTooLarge, receiveText } from './receive-body.ts'

export interface Arrival {
  /** The body may come. The signal aborts when the sender is too slow or the server gives up. */
  begin(): AbortSignal
  /** Gives the place back. To be called in every case. */
  end(): void
}

/** For bodies that carry files. Refuses, before anything is read, what is too large or comes to a busy or leaving server. */
export function admitUpload(edge: Edge, request: FastifyRequest, reply: FastifyReply, bytesMax: number): Arrival {
  if (contentLength(request) > bytesMax) throw bodyTooLarge(bytesMax)
  const leave = edge.admission.enter()
  request.exchange.transfer = 'upload'
  return arrival(edge, request, reply, leave)
}

/** A small JSON body, read to its end. */
export async function readJson(
  edge: Edge,
  request: FastifyRequest,
  reply: FastifyReply,
  bytesMax: number,
): Promise<unknown> {
  return parseJson(await readText(edge, request, reply, bytesMax), 'the body')
}

/** A small body of text, read to its end. */
export async function readText(
  edge: Edge,
  request: FastifyRequest,
  reply: FastifyReply,
  bytesMax: number,
): Promise<string> {
  if (contentLength(request) > bytesMax) throw bodyTooLarge(bytesMax)
  const body = arrival(edge, request, reply, () => undefined)
  try {
    return await receiveText(request.raw, { signal: body.begin(), bytesMax })
  } finally {
    body.end()
  }
}

/** 0 when it is not known. */
export function contentLength(request: FastifyRequest): number {
  return Number(request.headers['content-length'] ?? 0)
}

/** The media type of the body, in lower case and without parameters. */
export function mediaTypeOf(request: FastifyRequest): string {
  return (request.headers['content-type'] ?? '').split(';', 1)[0]!.trim().toLowerCase()
}

/** A limit of the configuration, where 0 means none. */
export function limitOr(limit: number, otherwise = Number.POSITIVE_INFINITY): number {
  return limit === 0 ? otherwise : limit
}

function arrival(edge: Edge, request: FastifyRequest, reply: FastifyReply, leave: () => void): Arrival {
  let close: (() => void) | undefined
  return {
    begin() {
      if (request.headers.expect !== undefined && !request.exchange.continued) {
        request.exchange.continued = true
        reply.raw.writeContinue()
      }
      const watched = edge.bodyWatch.watch(request.raw)
      close = watched.close
      return watched.signal
    },
    end() {
      close?.()
      leave()
    },
  }
}
