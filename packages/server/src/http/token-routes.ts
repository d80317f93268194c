/** Staging tokens over HTTP: created, listed, revoked. */
import {
  namespaceSchema,
  parseWith,
  routes,
  SupercargoError,
  type TokenRow,
  tokenRequestSchema,
} from '@supercargo/protocol'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import type { StagingToken } from '../tokens/staging-tokens.ts'
import { readJson } from './arrival.ts'
import { expectRight, identifyCaller } from './caller.ts'
import type { Edge } from './edge.ts'
import { sendJson } from './problem.ts'
import type { FrontDoor } from './webhdfs/front-door.ts'

export const tokenQuerySchema = z.object({ namespace: namespaceSchema.optional() })

const requestBytesMax = 4096

export function registerTokenRoutes(app: FastifyInstance, edge: Edge, door: FrontDoor | undefined): void {
  app.post(routes.v1.tokens, (request, reply) => create(edge, expectDoor(door), request, reply))
  app.route({
    method: ['GET', 'HEAD'],
    url: routes.v1.tokens,
    handler: (request, reply) => list(edge, expectDoor(door), request, reply),
  })
  app.delete(`${routes.v1.tokens}/:name`, (request, reply) => revoke(edge, expectDoor(door), request, reply))
}

async function create(
  edge: Edge,
  door: FrontDoor,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  // Nobody's body is looked at before it is known whose it is.
  await identifyCaller(edge, request)
  const body = await readJson(edge, request, reply, requestBytesMax)
  const { namespace, expiresAt, bytesMax = 0, note = null } = parseWith(tokenRequestSchema, body, 'the request')
  await expectRight(edge, request, 'create', namespace)
  const expiresAtMs = expiresAt === undefined ? null : Date.parse(expiresAt)
  if (expiresAtMs !== null && expiresAtMs <= edge.clock.now())
    throw new SupercargoError('invalid', 'expired-already', 'expiresAt lies in the past')
  const { token, secret } = await door.tokens.create({ namespace, expiresAtMs, bytesMax, note })
  const text = `${token.name}.${secret.reveal()}`
  return sendJson(reply, 201, { name: token.name, token: text, path: `/${namespace}/${text}` })
}

async function list(edge: Edge, door: FrontDoor, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const { namespace } = parseWith(tokenQuerySchema, request.query, 'the query')
  await expectRight(edge, request, 'list', namespace)
  const tokens: TokenRow[] = []
  for (const token of await door.tokens.list(namespace)) tokens.push(await rowOf(door, token))
  return sendJson(reply, 200, { tokens })
}

async function rowOf(door: FrontDoor, token: StagingToken): Promise<TokenRow> {
  const { name, namespace, createdAtMs, expiresAtMs, bytesMax, note } = token
  return {
    name,
    namespace,
    createdAt: new Date(createdAtMs).toISOString(),
    expiresAt: expiresAtMs === null ? null : new Date(expiresAtMs).toISOString(),
    bytesMax: bytesMax === 0 ? null : bytesMax,
    bytes: await door.quotas.count({ namespace, tree: name, path: '' }),
    note,
  }
}

async function revoke(
  edge: Edge,
  door: FrontDoor,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const { name } = request.params as { name: string }
  // A damaged one says no namespace: then it takes the right to all.
  const token = await door.tokens.read(name).catch(() => undefined)
  await expectRight(edge, request, 'delete', token?.namespace)
  if (await door.tokens.revoke(name)) return reply.code(204).send()
  throw new SupercargoError('notFound', 'unknown-token', 'there is no staging token of this name', {
    hint: '"supercargo token list" has the names',
  })
}

function expectDoor(door: FrontDoor | undefined): FrontDoor {
  if (door !== undefined) return door
  throw new SupercargoError('invalid', 'no-front-door', 'this server takes no files by WebHDFS, so it has no tokens', {
    hint: 'its store keeps no names: use "supercargo submit" or "supercargo wrap"',
  })
}
