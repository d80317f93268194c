/** Downloads that cost the object store's CPU and not ours: the reader is sent to an address there that is good for a while. */
import type { IncomingMessage } from 'node:http'
import type { StagedFile } from '@supercargo/protocol'
import type { ResourceRecord } from '../store/store.ts'
import type { Edge } from './edge.ts'

/**
 * Undefined when the bytes go through us: that is not wanted, the store has no such addresses, or the request has conditions
 * that only our entity tags answer. A range is not part of the address; the reader asks for it again there.
 */
export async function redirectTarget(
  edge: Edge,
  request: IncomingMessage,
  record: ResourceRecord,
  file: StagedFile,
): Promise<URL | undefined> {
  const { redirectSeconds, store } = edge
  if (redirectSeconds === undefined || store.locate === undefined || request.method !== 'GET') return undefined
  if (preconditions.some((name) => request.headers[name] !== undefined)) return undefined
  return store.locate(record, file, redirectSeconds)
}

const preconditions = ['if-match', 'if-none-match', 'if-modified-since', 'if-unmodified-since'] as const
