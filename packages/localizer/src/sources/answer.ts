/** An HTTP answer to a GET of bytes, as the port's `Opened`: every status and every field is checked here. */
import { Readable } from 'node:stream'
import { SupercargoError } from '@supercargo/protocol'
import { fromStatus, type HttpResponse, shown } from '@supercargo/transfer'
import type { Opened } from './source.ts'

/**
 * `asked` is what the request asked for (`offset` 0 without an `end`: no Range). 416 with a total of exactly `offset` is an
 * answer without bytes: everything is held already. Throws `range` when the server's range cannot be used and the whole must be
 * asked for, and `source-changed` when the answer to a request with an `end` is of another version.
 */
export function openedAnswer(
  response: HttpResponse,
  asked: { readonly offset: number; readonly end?: number | undefined; readonly etag?: string | undefined },
): Opened {
  try {
    return asked.end === undefined ? read(response, asked.offset) : part(response, asked.offset, asked.end, asked.etag)
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
  throw failed(response, name)
}

/** The answer to a request for bytes `offset` to `end` of the version `etag`: these and no others. */
function part(response: HttpResponse, offset: number, end: number, etag: string | undefined): Opened {
  const { status, headers } = response
  const name = shown(response.url)
  const changed =
    status === 412 ||
    status === 416 ||
    ((status === 200 || status === 206) && etag !== undefined && strong(headers.etag) !== etag)
  if (changed) throw new SupercargoError('corrupt', 'source-changed', `${name} changed while it was fetched`)
  if (status === 200) throw unusable(name, 'the whole instead of a part')
  if (status !== 206) throw failed(response, name)
  const range = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(headers['content-range'] ?? '')
  if (range === null || Number(range[1]) !== offset || Number(range[2]) !== end - 1 || !isPlain(headers))
    throw unusable(name, 'another range than it was asked for')
  return {
    start: offset,
    sizeBytes: Number(range[3]),
    etag,
    contentType: headers['content-type'],
    stream: response.stream,
    discard: () => response.discard(),
  }
}

function isPlain(headers: HttpResponse['headers']): boolean {
  return ['', 'identity'].includes(headers['content-encoding']?.trim().toLowerCase() ?? '')
}

function failed({ status, headers, url }: HttpResponse, name: string): SupercargoError {
  if (status < 300)
    return new SupercargoError('corrupt', 'unexpected-status', `${name} answered ${status}, which carries no file`)
  return withHint(fromStatus(status, headers, name), url)
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
  if (error.status === 407) return withText(error, 'give user and password in the URL of HTTPS_PROXY and HTTP_PROXY')
  const presigned =
    url.searchParams.has('X-Amz-Signature') || url.searchParams.has('Signature') || url.searchParams.has('sig')
  const hint = presigned
    ? 'a signed URL works only until it expires; sign it anew'
    : 'check the credentials for this origin (http in the plan)'
  return withText(error, hint)
}

function withText(error: SupercargoError, hint: string): SupercargoError {
  return new SupercargoError(error.kind, error.code, error.message, {
    hint,
    context: error.context,
    status: error.status,
    cause: error.cause,
  })
}
