/** Capabilities: revocable read-only tokens in a URL, for readers that send no header. */
import { randomBytes } from 'node:crypto'
import {
  capabilityRequestSchema,
  parseWith,
  resourceIdLength,
  routes,
  Secret,
  SupercargoError,
} from '@supercargo/protocol'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { CapabilityRecord, ResourceRecord } from '../store/store.ts'
import { contentLength, readJson } from './arrival.ts'
import { deniedError, secretFits } from './authorize.ts'
import type { Edge } from './edge.ts'
import { fileAt } from './file-routes.ts'
import { authorizedRecord, readRecord } from './find-resource.ts'
import { podsUrl } from './own-url.ts'
import { sendJson } from './problem.ts'
import { sendFile } from './send-file.ts'

const capabilitiesMax = 64
const requestBytesMax = 4096
/** `<resource id>.<43 characters>`: the id finds the record, so that no index of tokens is needed. */
const tokenPattern = new RegExp(`^([0-9a-z]{${resourceIdLength}})\\.([A-Za-z0-9_-]{43})$`)

export function registerCapabilityRoutes(app: FastifyInstance, edge: Edge): void {
  app.post(`${routes.v1.resources}/:id/capabilities`, (request, reply) => create(edge, request, reply))
  app.delete(`${routes.v1.resources}/:id/capabilities/:name`, (request, reply) => revoke(edge, request, reply))
  app.route({
    method: ['GET', 'HEAD'],
    url: '/c/:capability/*',
    handler: (request, reply) => read(edge, request, reply),
  })
}

async function create(edge: Edge, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const record = await authorizedRecord(edge, request)
  const body =
    contentLength(request) === 0 && request.headers['transfer-encoding'] === undefined
      ? {}
      : await readJson(edge, request, reply, requestBytesMax)
  const { expiresAt } = parseWith(capabilityRequestSchema, body, 'the request')
  const expiresAtMs = expiresAt === undefined ? null : Date.parse(expiresAt)
  if (expiresAtMs !== null && expiresAtMs <= edge.clock.now()) {
    throw new SupercargoError('invalid', 'expired-already', 'expiresAt lies in the past')
  }
  const secret = Secret.mint()
  const capability: CapabilityRecord = { name: randomBytes(9).toString('base64url'), hash: secret.hash(), expiresAtMs }
  const changed = await edge.store.update(record.id, (current) => withCapability(current, capability, edge.clock.now()))
  if (changed === undefined) throw deniedError()
  const url = `${podsUrl(edge, request)}${routes.capability(`${record.id}.${secret.reveal()}`, '')}`
  return sendJson(reply, 201, { name: capability.name, url })
}

function withCapability(record: ResourceRecord, capability: CapabilityRecord, nowMs: number): ResourceRecord {
  const living = record.capabilities.filter((other) => isLiving(other, nowMs))
  if (living.length >= capabilitiesMax) {
    throw new SupercargoError(
      'conflict',
      'too-many-capabilities',
      `the resource has ${capabilitiesMax} capabilities already`,
      {
        hint: 'revoke one, or let them expire',
      },
    )
  }
  return { ...record, capabilities: [...living, capability] }
}

async function revoke(edge: Edge, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const record = await authorizedRecord(edge, request)
  const { name } = request.params as { name: string }
  if (!record.capabilities.some((capability) => capability.name === name)) {
    throw new SupercargoError('notFound', 'unknown-capability', 'the resource has no capability of this name')
  }
  await edge.store.update(record.id, (current) => ({
    ...current,
    capabilities: current.capabilities.filter((capability) => capability.name !== name),
  }))
  return reply.code(204).send()
}

/** Unknown, expired and revoked answer alike. */
async function read(edge: Edge, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const { capability, '*': path } = request.params as { capability: string; '*': string }
  const match = tokenPattern.exec(capability)
  const record = match === null ? undefined : await readRecord(edge, match[1]!)
  const secret = new Secret(match?.[2] ?? '')
  const now = edge.clock.now()
  // All are compared, so that the time does not tell which one fits.
  const fitting = (record?.capabilities ?? []).filter(
    (candidate) => secretFits(secret, candidate.hash) && isLiving(candidate, now),
  )
  edge.metrics.decided('capability', fitting.length > 0 ? 'yes' : 'no')
  if (record === undefined || fitting.length === 0) {
    throw new SupercargoError('notFound', 'unknown-capability', 'this URL does not, or no longer, lead to a resource')
  }
  request.exchange.resourceId = record.id
  return sendFile(edge, request, reply, record, fileAt(record, path))
}

function isLiving(capability: CapabilityRecord, nowMs: number): boolean {
  return capability.expiresAtMs === null || capability.expiresAtMs > nowMs
}
