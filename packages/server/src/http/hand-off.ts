/** Downloads that cost nginx's CPU and not ours: an nginx that shares the store's directory is told which file to send. */
import type { IncomingMessage } from 'node:http'
import type { BlobReader } from '../store/store.ts'
import type { Edge } from './edge.ts'

/** By this field nginx says that it takes a file's name for its bytes. Its own fallback leaves it out. */
const offer = 'x-sendfile-type'

/**
 * The value of `X-Accel-Redirect` for a blob, or undefined when the bytes go through us: there is no such nginx, the
 * connection is not a trusted proxy's, it did not offer it for this request, or it could not answer the same way. `whole`:
 * what is answered is all of the blob, or exactly the range that the request names.
 *
 * Until nginx opens the blob it may be collected. Then nginx finds nothing, has sent nothing, and asks us once more without
 * the offer: the request counts as one that came after the deletion. After nginx opened it, the descriptor outlives the name.
 */
export function handOffTarget(
  edge: Edge,
  request: IncomingMessage,
  reader: BlobReader,
  whole: boolean,
): string | undefined {
  const { accelRedirect } = edge
  if (accelRedirect === undefined || reader.name === undefined || !whole) return undefined
  if (request.method !== 'GET' || preconditions.some((name) => request.headers[name] !== undefined)) return undefined
  if (String(request.headers[offer]).toLowerCase() !== 'x-accel-redirect') return undefined
  if (!edge.passageOf(request).proxied) return undefined
  return `${accelRedirect.replace(/\/+$/, '')}/${reader.name}`
}

/** nginx would judge these by its own validators. */
const preconditions = ['if-match', 'if-none-match', 'if-modified-since', 'if-unmodified-since'] as const
