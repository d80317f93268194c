/** The answer to a GET or HEAD of a file's bytes, the same at every door. */
import { type Digest, mediaTypes, type StagedFile, SupercargoError, toDigestField } from '@supercargo/protocol'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { BlobReader, ResourceRecord } from '../store/store.ts'
import { bundleSource } from './bundle-source.ts'
import { type ByteSource, blobSource } from './byte-source.ts'
import type { Edge } from './edge.ts'
import { commonHeaders } from './exchange.ts'
import { handOffTarget } from './hand-off.ts'
import { isBodyUnread } from './linger.ts'
import { fromRequestError } from './problem.ts'
import { selectBytes } from './range.ts'
import { redirectTarget } from './redirect-download.ts'
import { sendBytes } from './send-bytes.ts'

export async function sendFile(
  edge: Edge,
  request: FastifyRequest,
  reply: FastifyReply,
  record: ResourceRecord,
  file: StagedFile,
): Promise<FastifyReply> {
  const head = request.method === 'HEAD'
  const etag = `"${file.digest}"`
  const fields = fileHeaders(file, etag)
  // Ranges are for GET alone (RFC 9110 section 14.2).
  const selection = selectBytes(head ? { ...request.headers, range: undefined } : request.headers, etag, file.sizeBytes)
  if (selection.status === 416) {
    reply.header('content-range', `bytes */${file.sizeBytes}`)
    throw new SupercargoError(
      'range',
      'range-not-satisfiable',
      `the file has ${file.sizeBytes} bytes; the range lies outside`,
    )
  }
  if (selection.status === 412) {
    throw new SupercargoError('conflict', 'precondition-failed', 'the file is not the one that If-Match names', {
      status: 412,
    })
  }
  if (selection.status === 304)
    return reply.code(304).headers({ etag, 'cache-control': fields['cache-control'] }).send()
  const start = selection.status === 206 ? selection.start : 0
  const end = selection.status === 206 ? selection.end : file.sizeBytes
  if (selection.status === 206) fields['content-range'] = `bytes ${start}-${end - 1}/${file.sizeBytes}`
  fields['content-length'] = String(end - start)
  if (head) return answerHead(edge, request, reply, fields)
  const location = await redirectTarget(edge, request.raw, record, file)
  if (location !== undefined) return redirect(edge, reply, record, location)
  const reader = await edge.store.open(record, file, { start, end })
  const whole = selection.status === 206 || request.headers.range === undefined
  const target = handOffTarget(edge, request.raw, reader, whole)
  if (target !== undefined) return handOff(edge, request, reply, fields, record, reader, target)
  return answerBytes(
    edge,
    request,
    reply,
    selection.status,
    fields,
    record,
    blobSource(reader, start, end, edge.shared),
  )
}

/** The bytes from `start` to before `end` as a whole answer, for a door that has its own way to ask for a part. */
export async function sendPart(
  edge: Edge,
  request: FastifyRequest,
  reply: FastifyReply,
  record: ResourceRecord,
  file: StagedFile,
  [start, end]: readonly [number, number],
): Promise<FastifyReply> {
  const reader = await edge.store.open(record, file, { start, end })
  const fields = {
    'content-type': mediaTypes.bytes,
    'cache-control': cacheControl,
    'content-length': String(end - start),
  }
  const target = handOffTarget(edge, request.raw, reader, start === 0 && end === file.sizeBytes)
  if (target !== undefined) return handOff(edge, request, reply, fields, record, reader, target)
  return answerBytes(edge, request, reply, 200, fields, record, blobSource(reader, start, end, edge.shared))
}

/** One tar of these files, entry name = path. */
export async function sendBundle(
  edge: Edge,
  request: FastifyRequest,
  reply: FastifyReply,
  record: ResourceRecord,
  files: readonly StagedFile[],
): Promise<FastifyReply> {
  const source = bundleSource(edge.store, record, files)
  const fields = {
    'content-type': mediaTypes.tar,
    'cache-control': cacheControl,
    vary: 'accept',
    'content-length': String(source.sizeBytes),
  }
  if (request.method === 'HEAD') return answerHead(edge, request, reply, fields)
  return answerBytes(edge, request, reply, 200, fields, record, source)
}

/** Bytes never change, but the right to them may end: revalidate. Proxies must not recompress. */
const cacheControl = 'private, no-cache, no-transform'

function fileHeaders(file: StagedFile, etag: string): Record<string, string> {
  return {
    'content-type': mediaTypes.bytes,
    'content-disposition': contentDisposition(file.path.slice(file.path.lastIndexOf('/') + 1)),
    'accept-ranges': 'bytes',
    'cache-control': cacheControl,
    etag,
    'repr-digest': toDigestField(file.digest as Digest),
  }
}

/** RFC 6266: a plain name for old readers, the exact one beside it. */
function contentDisposition(name: string): string {
  const plain = name.replace(/[^\x20-\x7e]|["\\%]/g, '_')
  const exact =
    plain === name
      ? ''
      : `; filename*=UTF-8''${encodeURIComponent(name).replace(/['()*]/g, (c) => `%${c.charCodeAt(0).toString(16)}`)}`
  return `attachment; filename="${plain}"${exact}`
}

/** Directly, because Fastify would put its own Content-Length. */
function answerHead(
  edge: Edge,
  request: FastifyRequest,
  reply: FastifyReply,
  fields: Record<string, string>,
): FastifyReply {
  reply.hijack()
  reply.raw.writeHead(200, { ...commonHeaders(edge, request), ...fields })
  reply.raw.end()
  return reply
}

/** The address is a secret: it is in no log, and nobody on the way keeps the answer. */
function redirect(edge: Edge, reply: FastifyReply, record: ResourceRecord, location: URL): FastifyReply {
  noteFetch(edge, record)
  edge.metrics.redirected()
  return reply.code(307).headers({ location: location.href, 'cache-control': 'no-store' }).send()
}

/** nginx sends the file, or the part of it that the request names, with those of our fields that its configuration keeps. */
async function handOff(
  edge: Edge,
  request: FastifyRequest,
  reply: FastifyReply,
  fields: Record<string, string>,
  record: ResourceRecord,
  reader: BlobReader,
  target: string,
): Promise<FastifyReply> {
  await reader.close()
  noteFetch(edge, record)
  edge.metrics.handedOff()
  const { 'content-length': _length, 'content-range': _range, 'accept-ranges': _ranges, ...kept } = fields
  reply.hijack()
  reply.raw.writeHead(200, {
    ...commonHeaders(edge, request),
    ...kept,
    'content-length': '0',
    'x-accel-redirect': target,
  })
  reply.raw.end()
  return reply
}

async function answerBytes(
  edge: Edge,
  request: FastifyRequest,
  reply: FastifyReply,
  status: number,
  fields: Record<string, string>,
  record: ResourceRecord,
  source: ByteSource,
): Promise<FastifyReply> {
  const leave = await enterOrClose(edge, source)
  reply.hijack()
  request.exchange.transfer = 'download'
  const close = isBodyUnread(request.raw, request.exchange.continued) ? { connection: 'close' } : {}
  reply.raw.writeHead(status, { ...commonHeaders(edge, request), ...close, ...fields })
  try {
    await sendBytes(reply.raw, source, {
      pool: edge.pool,
      writeIdleMs: edge.limits.idleTimeoutMs,
      onFirstBytes: () => noteFetch(edge, record),
    })
  } catch (error) {
    // The head is out and the connection is destroyed: the log is the only place left for the reason.
    request.exchange.failure = fromRequestError(error)
  } finally {
    leave()
  }
  return reply
}

async function enterOrClose(edge: Edge, source: ByteSource): Promise<() => void> {
  try {
    return edge.downloads.enter()
  } catch (error) {
    await source.close()
    throw error
  }
}

/** A fetch starts the first-use clock anew (DESIGN §6). That it could not be noted is no reason to refuse the bytes. */
function noteFetch(edge: Edge, record: ResourceRecord): void {
  edge.store.touch(record.id).catch((error: unknown) => {
    edge.log.warn({ error, resourceId: record.id }, 'a fetch could not be noted')
  })
}
