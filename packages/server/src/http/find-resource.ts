/** From an id and a secret to what they open, with one answer for everything that does not fit. */
import { resourceIdSchema, SupercargoError } from '@supercargo/protocol'
import type { FastifyRequest } from 'fastify'
import type { ResourceRecord, UploadRecord } from '../store/store.ts'
import { bearerSecret, deniedError, secretFits } from './authorize.ts'
import type { Edge } from './edge.ts'

export type Found =
  | { readonly record: ResourceRecord; readonly upload?: never }
  | { readonly upload: UploadRecord; readonly record?: never }

/** The record of a committed resource; undefined also for what is no id. */
export async function readRecord(edge: Edge, id: string): Promise<ResourceRecord | undefined> {
  return resourceIdSchema.safeParse(id).success ? edge.store.read(id) : undefined
}

/** A committed resource, if the request carries its secret. Kind `conflict` while it is still being uploaded. */
export async function authorizedRecord(edge: Edge, request: FastifyRequest): Promise<ResourceRecord> {
  return committed(await authorizedResource(edge, request))
}

/** An open upload or a committed resource, if the request carries its secret. */
export async function authorizedResource(edge: Edge, request: FastifyRequest): Promise<Found> {
  const { id } = request.params as { id: string }
  const known = resourceIdSchema.safeParse(id).success
  const upload = known ? await edge.store.upload(id) : undefined
  const record = known && upload === undefined ? await edge.store.read(id) : undefined
  const fits = secretFits(bearerSecret(request.headers.authorization), (upload ?? record)?.secretHash)
  if (!fits) throw deniedError()
  if (upload !== undefined) return { upload }
  if (record !== undefined) return { record }
  throw deniedError()
}

/** Only what is committed can be read. */
export function committed(found: Found): ResourceRecord {
  if (found.record !== undefined) return found.record
  throw new SupercargoError('conflict', 'not-committed', 'the resource is still being uploaded', {
    hint: 'commit it first',
  })
}
