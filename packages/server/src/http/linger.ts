/**
 * Lingering close: an answer that comes while the client still sends. A server that closes at once resets the connection,
 * and the client loses the answer. So the whole answer goes out, what still arrives is dropped for a while, then it closes.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'

/** Dropped after the answer; who sends more has not read it and gets a reset. */
const drainBytesMax = 4 * 2 ** 20
const drainMs = 5000
/** Who sends nothing any more has seen the answer, or never will. */
const drainIdleMs = 1000

/**
 * True while the client may still be sending a body that nobody has read to its end. `continued` says whether a client that
 * waits for "100 Continue" got it: without, it sends nothing.
 */
export function isBodyUnread(request: IncomingMessage, continued: boolean): boolean {
  if (request.complete || request.destroyed) return false
  if (request.headers.expect !== undefined && !continued) return false
  return request.headers['transfer-encoding'] !== undefined || Number(request.headers['content-length'] ?? 0) > 0
}

/**
 * The answer's body as a stream that delivers `payload` at once and ends only when the request was drained. The answer needs
 * a Content-Length (the client then sees its end before ours) and `Connection: close`.
 */
export function lingeringPayload(request: IncomingMessage, response: ServerResponse, payload: Buffer): Readable {
  async function* deliver(): AsyncGenerator<Buffer> {
    if (payload.length > 0) yield payload
    else response.flushHeaders()
    await drain(request, response)
  }
  return Readable.from(deliver(), { objectMode: false })
}

function drain(request: IncomingMessage, response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    let bytes = 0
    const timer = setTimeout(done, drainMs)
    const idle = setTimeout(done, drainIdleMs)
    function done(): void {
      clearTimeout(timer)
      clearTimeout(idle)
      request.off('data', count)
      request.off('end', done)
      request.off('close', done)
      response.off('close', done)
      resolve()
    }
    function count(chunk: Buffer): void {
      bytes += chunk.length
      idle.refresh()
      if (bytes > drainBytesMax) done()
    }
    request.unpipe()
    request.on('error', done)
    request.on('end', done)
    request.on('close', done)
    response.on('close', done)
    request.on('data', count)
    request.resume()
  })
}
