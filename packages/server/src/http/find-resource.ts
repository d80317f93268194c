/** From an id and a secret to what they open, with one answer for everything that does not fit. */
import { resourceIdSchema, SupercargoError } from '@supercargo/protocol'
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
  const known = resourceIdSchema.safeParse(id).success
  const upload = known ? await edge.store.upload(id) : undefined
  const record = known && upload === undefined ? await edge.store.read(id) : undefined
  if (!(await opens(edge, request, use, upload ?? record))) throw deniedError()
  if (upload !== undefined) return { upload }
  if (record !== undefined) return { record }
  throw deniedError()
}

async function opens(
  edge: Edge,
  request: FastifyRequest,
  use: TokenUse | undefined,
  found: Pick<ResourceRecord, 'secretHash' | 'owners'> | undefined,
): Promise<boolean> {
  const shown = bearerSecret(request.headers.authorization)
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
