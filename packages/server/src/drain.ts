/** The way out: what is under way may finish, nothing new begins, and it ends in time. */
import type { Clock } from '@supercargo/transfer'
import type { App } from './http/app.ts'
import type { Log } from './log.ts'

export interface DrainOptions {
  readonly timeoutMs: number
  readonly clock: Clock
  readonly log: Log
}

/** Uploads get this share of the time; the rest is for keeping what arrived of them. */
const uploadShare = 0.8
const lookEveryMs = 25

/**
 * At once: not ready, new uploads are refused, every answer closes its connection; the rest is still served, because the
 * cluster keeps sending it for a moment. When no request is open, or the time is over, the app is closed.
 */
export async function drainApp(app: App, options: DrainOptions): Promise<void> {
  const { clock, log, timeoutMs } = options
  const startMs = clock.monotonic()
  const elapsedMs = (): number => clock.monotonic() - startMs
  app.drain()
  log.info({ requests: app.openRequests, timeoutMs }, 'draining')
  await quiet(app, clock, () => elapsedMs() >= timeoutMs * uploadShare)
  app.interruptUploads()
  await quiet(app, clock, () => elapsedMs() >= timeoutMs)
  const closing = app.close()
  // What came in between still gets its answer. Connections without a request would otherwise be waited for.
  await quiet(app, clock, () => elapsedMs() >= timeoutMs)
  if (app.openRequests > 0) log.warn({ requests: app.openRequests }, 'requests were cut by the end of the drain')
  app.fastify.server.closeAllConnections()
  await closing
}

/** Until no request is open, or the time is over. */
async function quiet(app: App, clock: Clock, isOver: () => boolean): Promise<void> {
  while (app.openRequests > 0 && !isOver()) await clock.sleep(lookEveryMs)
}
