/** The door for stock Spark and other Hadoop clients: the part of WebHDFS that they need to upload, find and read files. */
import { printable, routes, SupercargoError } from '@supercargo/protocol'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Edge } from '../edge.ts'
import { create } from './create.ts'
import type { FrontDoor } from './front-door.ts'
import { open } from './open.ts'
import { nameOperations } from './operations.ts'
import { sendRemoteException } from './remote-exception.ts'
import { readHadoopRequest } from './request.ts'

/** Without a door every operation is refused, in a way that Hadoop's clients show. */
export function registerWebhdfsRoutes(app: FastifyInstance, edge: Edge, door: FrontDoor | undefined): void {
  for (const url of [routes.webhdfs, `${routes.webhdfs}/*`]) {
    app.route({
      method: ['GET', 'PUT', 'POST', 'DELETE'],
      url,
      handler: (request, reply) => operate(edge, door, request, reply),
      errorHandler: (error, _request, reply) => sendRemoteException(reply, error),
      // Fastify gives bytes a type, and a Hadoop 3.5 client fails at any.
      onSend: async (_request, reply, payload) => {
        reply.removeHeader('content-type')
        return payload
      },
    })
  }
}

async function operate(
  edge: Edge,
  door: FrontDoor | undefined,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const asked = readHadoopRequest(request.raw.url!)
  if (door === undefined) {
    throw new SupercargoError('invalid', 'unsupported-operation', 'this server takes no files by WebHDFS', {
      hint: 'its store keeps no names: use "supercargo submit" or "supercargo wrap"',
    })
  }
  reply.header('cache-control', 'no-store')
  const wanted = `${request.method} ${asked.operation}`
  const operating = { edge, door, reply, asked }
  if (wanted === 'GET OPEN') return open(operating, request)
  if (wanted === 'PUT CREATE') return create(operating, request)
  const operation = Object.hasOwn(nameOperations, wanted) ? nameOperations[wanted] : undefined
  if (operation !== undefined) return operation(operating)
  throw refusal(request, asked.operation)
}

function refusal({ method, raw }: FastifyRequest, operation: string): SupercargoError {
  if (operation === '') {
    if (raw.url!.split('?').length > 2) {
      return new SupercargoError('invalid', 'name-unwritable', 'the path has a "?" in the place of a character', {
        hint: 'Java writes what its locale does not have so: set LC_ALL=C.UTF-8, or give the file a name of ASCII characters',
      })
    }
    return new SupercargoError('invalid', 'operation-missing', 'the parameter op is missing', {
      hint: 'it names the operation: OPEN, LISTSTATUS, CREATE …',
    })
  }
  const other = ['GET OPEN', 'PUT CREATE', ...Object.keys(nameOperations)].find((known) =>
    known.endsWith(` ${operation}`),
  )
  if (other !== undefined) {
    return new SupercargoError(
      'invalid',
      'wrong-method',
      `${operation} is asked for by ${other.split(' ')[0]}, not ${method}`,
    )
  }
  return new SupercargoError(
    'invalid',
    'unsupported-operation',
    `${printable(operation)} is not possible here: files are uploaded, read, renamed and removed, and have no permissions, times, checksums or blocks of their own`,
    { hint: 'leave out what asks for it (-p of -put, -skipcrccheck for distcp)' },
  )
}
