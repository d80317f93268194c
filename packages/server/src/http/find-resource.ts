/** From an id and a secret to what they open, with one answer for everything that does not fit. */
import { resourceIdSchema } from '@supercargo/protocol'
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

/** A committed resource, if the request carries its secret. */
export async function authorizedRecord(edge: Edge, request: FastifyRequest): Promise<ResourceRecord> {
  const { id } = request.params as { id: string }
  const record = await readRecord(edge, id)
  const fits = secretFits(bearerSecret(request.headers.authorization), record?.secretHash)
  if (record === undefined || !fits) throw deniedError()
  return record
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
