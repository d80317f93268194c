/** What every route has at hand, and the notes it keeps about one request. */
import type { IncomingMessage } from 'node:http'
import type { Secret, SupercargoError } from '@supercargo/protocol'
import type { Clock } from '@supercargo/transfer'
import type { Authorizer } from '../auth/authorizer.ts'
import type { Collector } from '../collector/collector.ts'
import type { Log } from '../log.ts'
import type { Metrics } from '../metrics.ts'
import type { Store } from '../store/store.ts'
import type { Admission } from './admission.ts'
import type { BodyWatch } from './body-watch.ts'
import type { BufferPool } from './buffer-pool.ts'
import type { Passage } from './passage.ts'
import type { SharedReads } from './shared-reads.ts'

export interface EdgeLimits {
  /** 0 means none, as in the store. */
  readonly fileBytesMax: number
  readonly resourceBytesMax: number
  readonly filesPerResourceMax: number
  readonly namespaceBytesMax: number
  readonly storeBytesMax: number
  /** Uploads whose bytes arrive at one time. */
  readonly uploadsMax: number
  /** Downloads whose bytes leave at one time. */
  readonly downloadsMax: number
  /** A sender that sends nothing, or a reader that takes nothing, for this long is cut off. */
  readonly idleTimeoutMs: number
  /** Average of a body after `slowGraceMs`. 0 means none. */
  readonly bytesPerSecondMin: number
  readonly slowGraceMs: number
}

/** What the edge asks of the collector. */
export type CollectorDoor = Pick<Collector, 'status' | 'list' | 'explain' | 'release'>

export interface Edge {
  readonly store: Store
  readonly collector: CollectorDoor
  /** Undefined where nobody is asked who they are. */
  readonly authorizer: Authorizer | undefined
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
  readonly limits: EdgeLimits
  /** Where submitters reach this server. */
  readonly publicUrl: string | undefined
  /** Where pods reach this server; the beginning of capability URLs. Without it, they begin as the request did. */
  readonly podUrl: string | undefined
  readonly passageOf: (request: IncomingMessage) => Passage
  /** Below it an nginx in front has the blobs of the store. */
  readonly accelRedirect: string | undefined
  /** What the store's disk still takes; undefined where it is no disk. */
  readonly freeBytes: (() => Promise<number>) | undefined
  /** How long an address in the object store is good for, where readers are sent there; undefined where they are not. */
  readonly redirectSeconds: number | undefined
  readonly admission: Admission
  /** Not closed by a drain: who asks for bytes until the end gets them. */
  readonly downloads: Admission
  readonly bodyWatch: BodyWatch
  readonly pool: BufferPool
  readonly shared: SharedReads
  /** Requests that were begun and are not answered to the end. */
  readonly open: Set<Exchange>
}

/** Notes about one request, for its log line and its metrics. */
export interface Exchange {
  readonly startedMs: number
  resourceId: string | undefined
  /** A token that the caller showed before and not in this request's header: of a visitor of the admin page. */
  sessionToken: Secret | undefined
  /** Who asks, once a token has told. */
  principal: string | undefined
  transfer: 'upload' | 'download' | undefined
  failure: SupercargoError | undefined
  /** Whether a client that waits for "100 Continue" was told to go on. */
  continued: boolean
  /** Aborts when the answer is finished or the client has gone. */
  whileOpen(): AbortSignal
}

declare module 'fastify' {
  interface FastifyRequest {
    exchange: Exchange
  }
}
