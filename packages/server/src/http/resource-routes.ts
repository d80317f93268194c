/** A resource as a whole: created, committed, described, bound, explained, released. */
import {
  type Explanation,
  mediaTypes,
  namespaceOf,
  parseWith,
  patchRequestSchema,
  routes,
  SupercargoError,
} from '@supercargo/protocol'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { ResourceRecord, UploadRecord } from '../store/store.ts'
import { readJson } from './arrival.ts'
import { deniedError } from './authorize.ts'
import { createResource } from './create-resource.ts'
import type { Edge } from './edge.ts'
import { authorizedResource, committed, type Found } from './find-resource.ts'
import { sendJson } from './problem.ts'
import { sendBundle } from './send-file.ts'

const patchBytesMax = 64 << 10

export function registerResourceRoutes(app: FastifyInstance, edge: Edge): void {
  const one = `${routes.v1.resources}/:id`
  app.post(routes.v1.resources, (request, reply) => createResource(edge, request, reply))
  app.route({ method: ['GET', 'HEAD'], url: one, handler: (request, reply) => describe(edge, request, reply) })
  app.post(`${one}/commit`, (request, reply) => commit(edge, request, reply))
  app.patch(one, (request, reply) => bindOwner(edge, request, reply))
  app.delete(one, (request, reply) => release(edge, request, reply))
}

async function describe(edge: Edge, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  // The bytes are for the secret and the owner's pods; what they are, also for who may `get`.
  const found = await authorizedResource(
    edge,
    request,
    acceptsTar(request) ? { pod: true } : { pod: true, verb: 'get' },
  )
  const query = request.query as Record<string, string | undefined>
  if (query.explain !== undefined) return sendJson(reply, 200, await explain(edge, found))
  const record = committed(found)
  if (!acceptsTar(request)) return sendJson(reply.header('vary', 'accept'), 200, manifestOf(record))
  if (record.door === 'v0') {
    throw new SupercargoError(
      'conflict',
      'opaque-resource',
      'the resource came through v0: it is one file of unknown make',
      {
        hint: `get it at ${routes.v0.resources}/{id} or as the file ${record.files[0]?.path}`,
      },
    )
  }
  const sizeBytesMax =
    query.sizeBytesMax === undefined ? Number.POSITIVE_INFINITY : parseCount(query.sizeBytesMax, 'sizeBytesMax')
  return sendBundle(
    edge,
    request,
    reply,
    record,
    record.files.filter((file) => file.sizeBytes <= sizeBytesMax),
  )
}

/** Why it is kept or collected, as everybody is told. */
export async function explain(edge: Edge, found: Found): Promise<Explanation> {
  if (found.upload !== undefined) return explainUpload(found.upload)
  const explanation = await edge.collector.explain(found.record.id)
  if (explanation !== undefined) return explanation
  throw new SupercargoError('unavailable', 'not-indexed', 'the collector has not read this resource yet', {
    retryAfterMs: 1000,
  })
}

function explainUpload(upload: UploadRecord): Explanation {
  return {
    resourceId: upload.id,
    state: 'uploading',
    verdict: 'keep',
    reason: 'it is not committed; it is dropped when nothing arrives for a while',
    since: new Date(upload.createdAtMs).toISOString(),
    evidence: [],
  }
}

async function commit(edge: Edge, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const found = await authorizedResource(edge, request)
  const startedMs = edge.clock.monotonic()
  const record = found.record ?? (await edge.store.commit(found.upload.id))
  edge.metrics.committed(edge.clock.monotonic() - startedMs)
  return sendJson(reply, 200, { resourceId: record.id, files: record.files })
}

async function bindOwner(edge: Edge, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const record = committed(await authorizedResource(edge, request))
  const { owner } = parseWith(patchRequestSchema, await readJson(edge, request, reply, patchBytesMax), 'the request')
  const namespace = namespaceOf(record.owners)
  if (namespaceOf(owner) !== namespace) {
    throw new SupercargoError(
      'conflict',
      'other-namespace',
      `the resource belongs to the namespace ${namespace} and stays there`,
    )
  }
  const changed = await edge.store.update(record.id, (current) => ({ ...current, owners: owner }))
  if (changed === undefined) throw deniedError()
  return sendJson(reply, 200, manifestOf(changed))
}

async function release(edge: Edge, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  await releaseFound(edge, await authorizedResource(edge, request, { verb: 'delete' }))
  return reply.code(204).send()
}

/** Deletes a resource, or drops an upload, for whom it was opened. */
export async function releaseFound(edge: Edge, found: Found): Promise<void> {
  if (found.upload !== undefined) await edge.store.abort(found.upload.id)
  else if (!(await edge.store.release(found.record.id))) throw deniedError()
}

function manifestOf(record: ResourceRecord): unknown {
  return {
    resourceId: record.id,
    owner: record.owners,
    createdAt: new Date(record.createdAtMs).toISOString(),
    files: record.files,
  }
}

function acceptsTar(request: FastifyRequest): boolean {
  return (request.headers.accept ?? '')
    .split(',')
    .some((range) => range.split(';', 1)[0]!.trim().toLowerCase() === mediaTypes.tar)
}

function parseCount(text: string, name: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text)
  throw new SupercargoError('invalid', 'bad-query', `the query parameter ${name} is a number of bytes`)
}
