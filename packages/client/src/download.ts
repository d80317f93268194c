/** Bytes of a resource as streams, one try each: what a flow with its own retries and its own disk is built from. */
import { mediaTypes, printable, routes, type Secret, SupercargoError } from '@supercargo/protocol'
import type { HttpResponse } from '@supercargo/transfer'
import type { Connection } from './connection.ts'

export interface OpenFileRequest {
  readonly resourceId: string
  /** Without it the client's token is shown. */
  readonly secret?: Secret | undefined
  readonly path: string
  /** Bytes that are there already. */
  readonly offset: number
  /** Where the wanted bytes end, with `etag`; without it they are all that follow. */
  readonly end?: number | undefined
  /** The entity tag of what those bytes are of, as `ETag` had it, with its quotes. Without it a changed file cannot be noticed. */
  readonly etag?: string | undefined
  readonly signal?: AbortSignal | undefined
}

export interface OpenBundleRequest {
  readonly resourceId: string
  readonly secret?: Secret | undefined
  /** Only files of at most this size. */
  readonly sizeBytesMax?: number | undefined
  readonly signal?: AbortSignal | undefined
}

const redirectsMax = 5

/** The strong entity tag that the server gives to content of this digest. */
export function etagOf(digest: string): string {
  return `"${digest}"`
}

/**
 * Opens a file's bytes from `offset`. The answer's status is 206 when the body begins there, and 200 when it is the whole
 * file from its first byte: because `offset` was 0, or because what is there now is not what `etag` names.
 */
export async function openFile(connection: Connection, request: OpenFileRequest): Promise<HttpResponse> {
  const { offset, end, etag } = request
  const wanted = offset > 0 || end !== undefined
  const response = await connection.call({
    path: routes.v1.file(request.resourceId, request.path),
    headers: {
      'accept-encoding': 'identity',
      ...(wanted ? { range: `bytes=${offset}-${end === undefined ? '' : end - 1}` } : {}),
      ...(wanted && etag !== undefined ? { 'if-range': etag } : {}),
    },
    secret: request.secret,
    signal: request.signal,
    expect: wanted ? [200, 206] : [200],
    redirectsMax,
  })
  if (response.url.origin !== connection.server.origin) {
    // The bytes are those of the digest or are refused at the end; how another server tags them says nothing here.
    if (etag === undefined) delete response.headers.etag
    else response.headers.etag = etag
  }
  const range = response.headers['content-range']
  if (response.status === 206 && Number(/^bytes (\d+)-/.exec(range ?? '')?.[1] ?? Number.NaN) !== offset) {
    response.stream.destroy()
    throw new SupercargoError(
      'corrupt',
      'wrong-range',
      `${printable(request.path)} was asked for from byte ${offset} and came as ${printable(range ?? 'no range at all')}`,
    )
  }
  return response
}

/** Opens one tar stream of the resource's files, each entry named by its path. */
export async function openBundle(connection: Connection, request: OpenBundleRequest): Promise<HttpResponse> {
  const response = await connection.call({
    path: routes.v1.resource(request.resourceId),
    headers: { accept: mediaTypes.tar, 'accept-encoding': 'identity' },
    ...(request.sizeBytesMax === undefined ? {} : { query: { sizeBytesMax: String(request.sizeBytesMax) } }),
    secret: request.secret,
    signal: request.signal,
    expect: [200],
  })
  const type = response.headers['content-type'] ?? ''
  if (type.startsWith(mediaTypes.tar)) return response
  response.stream.destroy()
  throw new SupercargoError(
    'corrupt',
    'not-a-bundle',
    `the server sent ${printable(type)} where a bundle was asked for`,
  )
}
