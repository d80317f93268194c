/** One large blob of an open upload, resumable after draft-ietf-httpbis-resumable-upload. */
import {
  type Digest,
  fromDigestField,
  headers,
  isDigest,
  mediaTypes,
  routes,
  SupercargoError,
  toDigestField,
} from '@supercargo/protocol'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { BlobWriter } from '../store/store.ts'
import { admitUpload, mediaTypeOf } from './arrival.ts'
import type { Edge } from './edge.ts'
import { authorizedResource } from './find-resource.ts'
import { mediaTypeError } from './problem.ts'
import { receiveBody } from './receive-body.ts'
import { keepPrefix, skipping } from './write-rest.ts'

export function registerBlobUploadRoutes(app: FastifyInstance, edge: Edge): void {
  const url = `${routes.v1.resources}/:id/blobs/:digest`
  app.head(url, (request, reply) => tellOffset(edge, request, reply))
  app.put(url, (request, reply) => receiveBlob(edge, request, reply))
  app.patch(url, (request, reply) => {
    if (mediaTypeOf(request) !== mediaTypes.partialUpload) throw mediaTypeError([mediaTypes.partialUpload])
    if (integerField(request, headers.uploadOffset) === undefined) {
      throw new SupercargoError('invalid', 'missing-offset', 'PATCH needs the header Upload-Offset')
    }
    return receiveBlob(edge, request, reply)
  })
}

interface Progress {
  readonly id: string
  readonly digest: Digest
  readonly sizeBytes: number
  readonly offset: number
  readonly complete: boolean
}

async function findProgress(edge: Edge, request: FastifyRequest): Promise<Progress> {
  const { record, upload } = await authorizedResource(edge, request)
  const { digest } = request.params as { digest: string }
  if (isDigest(digest)) {
    // A committed resource has all of its blobs: who repeats a request whose answer was lost is told so.
    const file = record?.files.find((candidate) => candidate.digest === digest)
    if (file !== undefined)
      return { id: record!.id, digest, sizeBytes: file.sizeBytes, offset: file.sizeBytes, complete: true }
    const progress = upload === undefined ? undefined : await edge.store.blobProgress(upload.id, digest)
    if (progress !== undefined) return { id: upload!.id, digest, ...progress }
  }
  throw new SupercargoError('notFound', 'unknown-blob', 'the upload names no blob of this digest')
}

async function tellOffset(edge: Edge, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const progress = await findProgress(edge, request)
  return reply
    .code(204)
    .headers({
      ...offsetFields(progress.complete ? progress.sizeBytes : progress.offset, progress.complete),
      [headers.uploadLength]: String(progress.sizeBytes),
    })
    .send()
}

async function receiveBlob(edge: Edge, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const progress = await findProgress(edge, request)
  checkDigestField(request, progress.digest)
  if (progress.complete) return answerComplete(reply, 200, progress)
  const arrival = admitUpload(edge, request, reply, progress.sizeBytes)
  try {
    const takenOver = new AbortController()
    const writer = await edge.store.writeBlob(progress.id, progress.digest, (reason) => takenOver.abort(reason))
    const begin = () => AbortSignal.any([arrival.begin(), takenOver.signal])
    try {
      return await receiveInto(edge, request, reply, writer, progress, begin)
    } catch (error) {
      const kept = await keepPrefix(writer, error)
      if (kept !== undefined) reply.headers(offsetFields(kept, false))
      throw error
    }
  } finally {
    arrival.end()
  }
}

async function receiveInto(
  edge: Edge,
  request: FastifyRequest,
  reply: FastifyReply,
  writer: BlobWriter,
  progress: Progress,
  begin: () => AbortSignal,
): Promise<FastifyReply> {
  const declared = integerField(request, headers.uploadOffset)
  // Without an offset the whole blob comes; what of it is here already is passed over and still covered by the digest.
  const from = declared ?? 0
  if (declared !== undefined && declared !== writer.offset) throw offsetError(writer.offset, declared)
  const last = booleanField(request, headers.uploadComplete) ?? true
  checkLengths(request, from, progress.sizeBytes, last)
  const bytesMax = progress.sizeBytes - from
  const signal = begin()
  const bytes = await receiveBody(request.raw, skipping(writer, writer.offset - from), { signal, bytesMax })
  const offset = Math.max(writer.offset, from + bytes)
  if (from + bytes === progress.sizeBytes) {
    const receivedMs = edge.clock.monotonic()
    await writer.commit()
    edge.metrics.committed(edge.clock.monotonic() - receivedMs)
    return answerComplete(reply, 201, progress)
  }
  if (last) throw lengthError(`the blob has ${progress.sizeBytes} bytes, ${offset} are here and no more were announced`)
  return reply
    .code(204)
    .headers(offsetFields(await writer.suspend(), false))
    .send()
}

function answerComplete(reply: FastifyReply, status: 200 | 201, progress: Progress): FastifyReply {
  return reply
    .code(status)
    .headers({ ...offsetFields(progress.sizeBytes, true), [headers.reprDigest]: toDigestField(progress.digest) })
    .send()
}

function offsetFields(offset: number, complete: boolean): Record<string, string> {
  return {
    [headers.uploadOffset]: String(offset),
    [headers.uploadComplete]: complete ? '?1' : '?0',
    'cache-control': 'no-store',
  }
}

/** What is wrong from the lengths alone is refused before the body is read. */
function checkLengths(request: FastifyRequest, from: number, sizeBytes: number, last: boolean): void {
  const announced = integerField(request, headers.uploadLength)
  if (announced !== undefined && announced !== sizeBytes)
    throw lengthError(`the blob has ${sizeBytes} bytes, Upload-Length says ${announced}`)
  const length = integerField(request, 'content-length')
  if (length === undefined) return
  const end = from + length
  if (end > sizeBytes || (last && end < sizeBytes))
    throw lengthError(`the blob has ${sizeBytes} bytes, the body would end at ${end}`)
}

function checkDigestField(request: FastifyRequest, digest: Digest): void {
  const field = request.headers[headers.reprDigest]
  const named = typeof field === 'string' ? fromDigestField(field) : undefined
  if (named !== undefined && named !== digest) {
    throw new SupercargoError('invalid', 'digest-mismatch', 'Repr-Digest and the URL name different digests')
  }
}

function offsetError(expected: number, given: number): SupercargoError {
  return new SupercargoError('conflict', 'offset-mismatch', `the next byte is number ${expected}, not ${given}`, {
    context: { 'expected-offset': expected, 'provided-offset': given },
    hint: 'go on at Upload-Offset',
  })
}

function lengthError(message: string): SupercargoError {
  return new SupercargoError('invalid', 'inconsistent-upload-length', message)
}

/** A structured field of one integer (RFC 8941); anything else counts as absent, as the draft asks. */
function integerField(request: FastifyRequest, name: string): number | undefined {
  const field = request.headers[name]
  return typeof field === 'string' && /^\d{1,15}$/.test(field.trim()) ? Number(field) : undefined
}

function booleanField(request: FastifyRequest, name: string): boolean | undefined {
  const field = request.headers[name]
  const text = typeof field === 'string' ? field.trim() : ''
  return text === '?1' ? true : text === '?0' ? false : undefined
}
