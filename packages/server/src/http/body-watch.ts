/** Watches bodies that arrive: one that stalls, or trickles, is given up. One ticker for all of them. */
import type { IncomingMessage } from 'node:http'
import { SupercargoError } from '@supercargo/protocol'

export interface BodyWatchOptions {
  /** Nothing at all arrives for this long. */
  readonly idleTimeoutMs: number
  /** Below this average, after the grace. 0 turns it off. */
  readonly bytesPerSecondMin: number
  /** Before this much time of waiting no average is judged. */
  readonly graceMs: number
}

export interface WatchedBody {
  /** Aborts, with our error as its reason, when the sender is too slow or the server gives up. */
  readonly signal: AbortSignal
  close(): void
}

export interface BodyWatch {
  watch(request: IncomingMessage): WatchedBody
  /** Gives up every body that is arriving. */
  abortAll(reason: SupercargoError): void
  close(): void
}

interface Watched {
  readonly request: IncomingMessage
  readonly stop: AbortController
  readonly bytesBefore: number
  bytes: number
  idleMs: number
  /** Time in which the server was ready and the sender was not. */
  waitedMs: number
}

/** The time is measured in ticks: while the process itself is held up, nobody's body counts as slow. */
export function createBodyWatch(options: BodyWatchOptions): BodyWatch {
  const watched = new Set<Watched>()
  const tickMs = Math.max(20, Math.min(1000, Math.floor(options.idleTimeoutMs / 4)))
  let timer: NodeJS.Timeout | undefined

  const tick = (): void => {
    for (const body of watched) {
      const fault = judge(body, tickMs, options)
      if (fault === undefined) continue
      watched.delete(body)
      body.stop.abort(fault)
    }
    if (watched.size === 0) stopTimer()
  }
  const stopTimer = (): void => {
    clearInterval(timer)
    timer = undefined
  }

  return {
    watch(request) {
      const bytes = request.socket?.bytesRead ?? 0
      const body: Watched = { request, stop: new AbortController(), bytesBefore: bytes, bytes, idleMs: 0, waitedMs: 0 }
      watched.add(body)
      timer ??= setInterval(tick, tickMs).unref()
      return { signal: body.stop.signal, close: () => watched.delete(body) }
    },
    abortAll(reason) {
      for (const body of watched) body.stop.abort(reason)
      watched.clear()
    },
    close: stopTimer,
  }
}

function judge(body: Watched, tickMs: number, options: BodyWatchOptions): SupercargoError | undefined {
  const { request } = body
  const bytes = request.socket?.bytesRead ?? 0
  const moved = bytes - body.bytes
  body.bytes = bytes
  // Bytes that lie unread, or a body that is complete: it is the server that is slow.
  if (request.readableLength > 0 || request.complete) {
    body.idleMs = 0
    return undefined
  }
  body.idleMs = moved > 0 ? 0 : body.idleMs + tickMs
  body.waitedMs += tickMs
  if (body.idleMs >= options.idleTimeoutMs) {
    return new SupercargoError('interrupted', 'upload-idle', `no byte arrived for ${options.idleTimeoutMs} ms`, {
      status: 408,
    })
  }
  const average = ((bytes - body.bytesBefore) * 1000) / body.waitedMs
  if (body.waitedMs > options.graceMs && average < options.bytesPerSecondMin) {
    return new SupercargoError(
      'interrupted',
      'upload-too-slow',
      `fewer than ${options.bytesPerSecondMin} bytes per second arrive`,
      { status: 408 },
    )
  }
  return undefined
}
