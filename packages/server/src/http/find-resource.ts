/** From an id and a secret to what they open, with one answer for everything that does not fit. */
import { resourceIdSchema, type Secret, SupercargoError } from '@supercargo/protocol'
import type { FastifyRequest } from 'fastify'
import type { ResourceRecord, UploadRecord } from '../store/store.ts'
import { bearerSecret, deniedError, isSignedToken, secretFits } from './authorize.ts'
import { type TokenUse, tokenOpens } from './caller.ts'
import type { Edge } from './edge.ts'

export type Found =
  | { readonly record: ResourceRecord; readonly upload?: never }
  | { readonly upload: UploadRecord; readonly record?: never }

/** The record of a committed resource; undefined also for what is no id. */
export async function readRecord(edge: Edge, id: string): Promise<ResourceRecord | undefined> {
  return resourceIdSchema.safeParse(id).success ? edge.store.read(id) : undefined
}

/** As `authorizedResource`. Kind `conflict` while it is still being uploaded. */
export async function authorizedRecord(edge: Edge, request: FastifyRequest, use?: TokenUse): Promise<ResourceRecord> {
  return committed(await authorizedResource(edge, request, use))
}

/** An open upload or a committed resource, if the request carries its secret, or a token of which `use` says what it opens. */
export async function authorizedResource(edge: Edge, request: FastifyRequest, use?: TokenUse): Promise<Found> {
  const { id } = request.params as { id: string }
  return openedResource(edge, request, id, bearerSecret(request.headers.authorization), use)
}

/** As `authorizedResource`, for an id and a secret or token that came in another way. */
export async function openedResource(
  edge: Edge,
  request: FastifyRequest,
  id: string,
  shown: Secret | undefined,
  use: TokenUse | undefined,
): Promise<Found> {
  const found = await findResource(edge, id)
  if (!(await opens(edge, request, shown, use, found?.upload ?? found?.record)) || found === undefined)
    throw deniedError()
  return found
}

/** An open upload or a committed resource, whoever asks; undefined also for what is no id. */
export async function findResource(edge: Edge, id: string): Promise<Found | undefined> {
  if (!resourceIdSchema.safeParse(id).success) return undefined
  const upload = await edge.store.upload(id)
  if (upload !== undefined) return { upload }
  const record = await edge.store.read(id)
  return record === undefined ? undefined : { record }
}

async function opens(
  edge: Edge,
  request: FastifyRequest,
  shown: Secret | undefined,
  use: TokenUse | undefined,
  found: Pick<ResourceRecord, 'secretHash' | 'owners'> | undefined,
): Promise<boolean> {
  if (use !== undefined && edge.authorizer !== undefined && shown !== undefined && isSignedToken(shown))
    return tokenOpens(edge, request, use, found?.owners)
  const fits = secretFits(shown, found?.secretHash)
  edge.metrics.decided('secret', fits ? 'yes' : 'no')
  return fits
}

/** Only what is committed can be read. */
export function committed(found: Found): ResourceRecord {
  if (found.record !== undefined) return found.record
  throw new SupercargoError('conflict', 'not-committed', 'the resource is still being uploaded', {
    hint: 'commit it first',
  })
}
