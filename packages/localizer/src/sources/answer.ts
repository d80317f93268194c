/** An HTTP answer to a GET of bytes, as the port's `Opened`: every status and every field is checked here. */
import { Readable } from 'node:stream'
import { SupercargoError } from '@supercargo/protocol'
import { fromStatus, type HttpResponse, shown } from '@supercargo/transfer'
import type { Opened } from './source.ts'

/**
 * `offset` is what the request asked for (0: no Range). 416 with a total of exactly `offset` is an answer without bytes:
 * everything is held already. Throws `range` when the server's range cannot be used and the whole must be asked for.
 */
export function openedAnswer(response: HttpResponse, offset: number): Opened {
  try {
    return read(response, offset)
  } catch (error) {
    response.discard()
    throw error
  }
}

function read(response: HttpResponse, offset: number): Opened {
  const { status, headers } = response
  const name = shown(response.url)
  const etag = strong(headers.etag)
  const discard = () => response.discard()
  const encoding = headers['content-encoding']?.trim().toLowerCase()
  const contentEncoding = encoding === undefined || encoding === '' || encoding === 'identity' ? undefined : encoding
  const described = { etag, contentType: headers['content-type'], contentEncoding, stream: response.stream, discard }
  if (status === 200) {
    const length = headers['content-length']
    return {
      start: 0,
      sizeBytes: length === undefined || contentEncoding !== undefined ? undefined : Number(length),
      ...described,
    }
  }
  if (status === 206) {
    if (offset === 0)
      throw new SupercargoError('corrupt', 'unasked-range', `${name} answered 206 although the whole was asked for`)
    const range = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(headers['content-range'] ?? '')
    if (range === null || contentEncoding !== undefined) throw unusable(name, 'a range without usable bounds')
    const [start, end, total] = [Number(range[1]), Number(range[2]), Number(range[3])]
    if (end !== total - 1 || start > end) throw unusable(name, `the range ${start}-${end} of ${total}`)
    return { start, sizeBytes: total, ...described }
  }
  if (status === 416 && offset > 0) {
    const total = /^bytes \*\/(\d+)$/.exec(headers['content-range'] ?? '')?.[1]
    if (total === undefined || Number(total) !== offset) throw unusable(name, 'no such range')
    response.discard()
    return { start: offset, sizeBytes: offset, ...described, stream: Readable.from([]) }
  }
  if (status < 300)
    throw new SupercargoError('corrupt', 'unexpected-status', `${name} answered ${status}, which carries no file`)
  throw withHint(fromStatus(status, headers, name), response.url)
}

/** A weak ETag, or none, says nothing about bytes (RFC 9110 section 8.8.1). */
function strong(etag: string | undefined): string | undefined {
  return etag !== undefined && /^"[^"]*"$/.test(etag) ? etag : undefined
}

function unusable(name: string, what: string): SupercargoError {
  return new SupercargoError('range', 'unusable-range', `${name} answered with ${what}`)
}

/** A presigned URL that is refused has usually expired; when, it says itself. */
function withHint(error: SupercargoError, url: URL): SupercargoError {
  if (error.kind !== 'denied') return error
  const presigned =
    url.searchParams.has('X-Amz-Signature') || url.searchParams.has('Signature') || url.searchParams.has('sig')
  const hint = presigned
    ? 'a signed URL works only until it expires; sign it anew'
    : 'check the credentials for this origin (headerFile in the plan)'
  return new SupercargoError(error.kind, error.code, error.message, {
    hint,
    context: error.context,
    status: error.status,
    cause: error.cause,
  })
}
