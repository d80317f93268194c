/** The HTTP edge, composed: a fastify instance with every route. It never listens by itself. */
import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerOptions,
  type ServerResponse,
} from 'node:http'
import { createServer as createTlsServer, type ServerOptions as TlsServerOptions } from 'node:https'
import type { Socket } from 'node:net'
import { SupercargoError } from '@supercargo/protocol'
import { type Clock, systemClock } from '@supercargo/transfer'
import fastify, { type FastifyInstance } from 'fastify'
import type { Authorizer } from '../auth/authorizer.ts'
import { createLog, type Log } from '../log.ts'
import { createMetrics } from '../metrics.ts'
import type { Store } from '../store/store.ts'
import { registerAdminRoutes } from './admin-routes.ts'
import { createAdmission, drainingError } from './admission.ts'
import { registerBlobRoutes } from './blob-routes.ts'
import { registerBlobUploadRoutes } from './blob-upload-routes.ts'
import { createBodyWatch } from './body-watch.ts'
import { createBufferPool } from './buffer-pool.ts'
import { registerCapabilityRoutes } from './capability-routes.ts'
import type { CollectorDoor, Edge, EdgeLimits } from './edge.ts'
import { followExchange, followExchanges, requestIdOf } from './exchange.ts'
import { registerFileRoutes } from './file-routes.ts'
import { registerHealthRoutes } from './health-routes.ts'
import { registerOpenapiRoute } from './openapi-route.ts'
import { prefixRemover } from './own-url.ts'
import { createPassages } from './passage.ts'
import { fromRequestError, rawProblem, sendProblem } from './problem.ts'
import { registerForms } from './read-form.ts'
import { registerResourceRoutes } from './resource-routes.ts'
import { SharedReads } from './shared-reads.ts'
import { registerTokenRoutes } from './token-routes.ts'
import { registerUiRoutes } from './ui/routes.ts'
import { answerUnknownRoutes, type KnownRoute } from './unknown-routes.ts'
import { registerV0Routes } from './v0-routes.ts'
import { type FrontDoorParts, openFrontDoor } from './webhdfs/front-door.ts'
import { registerWebhdfsRoutes } from './webhdfs/routes.ts'
import { readUnescapedName } from './webhdfs/unescaped-name.ts'

export interface AppDependencies {
  readonly store: Store
  readonly collector: CollectorDoor
  readonly limits: EdgeLimits
  /** Without one, nobody is asked who they are. Closed by who made it. */
  readonly authorizer?: Authorizer | undefined
  readonly clock?: Clock
  readonly log?: Log
  readonly publicUrl?: string | undefined
  readonly podUrl?: string | undefined
  /** Addresses and blocks of proxies whose word counts. */
  readonly trustedProxies?: readonly string[]
  readonly accelRedirect?: string | undefined
  /** What the store's disk still takes, where it has one. */
  readonly freeBytes?: (() => Promise<number>) | undefined
  /** As in `Edge`. */
  readonly redirectSeconds?: number | undefined
  /** The WebHDFS door and its tokens; without it there is none. */
  readonly frontDoor?: FrontDoorParts | undefined
  /** Serves https with these when given; plain http otherwise. */
  readonly tls?: TlsServerOptions | undefined
  /** Of the certificate that is served at the moment. */
  readonly certificateEndsAtMs?: () => number | undefined
}

export interface App {
  readonly fastify: FastifyInstance
  readonly routes: readonly KnownRoute[]
  /** Refuses new uploads and says "not ready"; what is under way goes on, and every answer ends its connection. */
  drain(): void
  /** Requests that are not answered to the end. */
  readonly openRequests: number
  /** Gives up the uploads that are still arriving: resumable ones keep what they have. */
  interruptUploads(): void
  close(): Promise<void>
}

/** A client has this long to send the head of a request. */
const headersTimeoutMs = 15_000
/** Above the idle time of common load balancers, so that it is not this side that closes first. */
const keepAliveTimeoutMs = 75_000
const handshakeTimeoutMs = 10_000
const connectionsCheckingIntervalMs = 2000
const headBytesMax = 16 << 10

export async function buildApp(dependencies: AppDependencies): Promise<App> {
  const edge = composeEdge(dependencies)
  const withoutPrefix = prefixRemover([edge.publicUrl, edge.podUrl])
  const app = fastify({
    serverFactory: (handler) => makeServer(handler as RequestListener, dependencies.tls),
    // Lines are written by followExchanges: Fastify and its plugins would log URLs and headers.
    logger: false,
    genReqId: requestIdOf,
    routerOptions: { maxParamLength: 256 },
    exposeHeadRoutes: false,
    rewriteUrl: (request: IncomingMessage) => withoutPrefix(request.url!),
    return503OnClosing: false,
    forceCloseConnections: 'idle',
    frameworkErrors: (error, request, reply) => {
      followExchange(edge, request, reply)
      request.exchange.failure = fromRequestError(error)
      sendProblem(reply, request.exchange.failure)
    },
    clientErrorHandler: (error, socket) => answerClientError(app.server, edge, error, socket as Socket),
  })
  app.server.on('checkContinue', (request, response) => app.routing(request, response))
  app.removeAllContentTypeParsers()
  // Bodies are read by the routes, which know their limits; here nothing is read.
  app.addContentTypeParser('*', (_request, _payload, done) => done(null))
  await registerForms(app)
  followExchanges(app, edge)
  app.setErrorHandler((error, request, reply) => {
    request.exchange.failure = fromRequestError(error)
    return sendProblem(reply, request.exchange.failure)
  })
  const routes = answerUnknownRoutes(app)
  registerV0Routes(app, edge)
  registerResourceRoutes(app, edge)
  registerBlobRoutes(app, edge)
  registerBlobUploadRoutes(app, edge)
  registerFileRoutes(app, edge)
  registerCapabilityRoutes(app, edge)
  const door = dependencies.frontDoor === undefined ? undefined : openFrontDoor(edge, dependencies.frontDoor)
  registerWebhdfsRoutes(app, edge, door)
  registerTokenRoutes(app, edge, door)
  registerAdminRoutes(app, edge)
  registerUiRoutes(app, edge)
  registerHealthRoutes(app, edge)
  registerOpenapiRoute(app, edge)
  await app.ready()
  return {
    fastify: app,
    routes,
    drain: () => edge.admission.drain(),
    get openRequests() {
      return edge.open.size
    },
    interruptUploads: () => edge.bodyWatch.abortAll(drainingError()),
    async close() {
      edge.bodyWatch.close()
      door?.readers.close()
      await app.close()
    },
  }
}

function composeEdge(dependencies: AppDependencies): Edge {
  const { store, collector, limits } = dependencies
  const admission = createAdmission('uploads', limits.uploadsMax)
  const downloads = createAdmission('downloads', limits.downloadsMax)
  const metrics = createMetrics({
    usage: () => store.usage(),
    storeFailures: () => store.failures?.() ?? new Map(),
    activeUploads: () => admission.active,
    activeDownloads: () => downloads.active,
    certificateEndsAtMs:
      dependencies.certificateEndsAtMs?.() === undefined ? undefined : dependencies.certificateEndsAtMs,
    // A scrape does not fail for it: the other metrics are still worth having.
    collector: () => collector.status().catch(() => undefined),
  })
  return {
    store,
    collector,
    limits,
    authorizer: dependencies.authorizer,
    clock: dependencies.clock ?? systemClock,
    log: dependencies.log ?? createLog({ level: 'silent' }),
    metrics,
    publicUrl: dependencies.publicUrl,
    podUrl: dependencies.podUrl,
    passageOf: createPassages(dependencies.trustedProxies ?? []),
    accelRedirect: dependencies.accelRedirect,
    freeBytes: dependencies.freeBytes,
    redirectSeconds: dependencies.redirectSeconds,
    admission,
    downloads,
    bodyWatch: createBodyWatch({
      idleTimeoutMs: limits.idleTimeoutMs,
      bytesPerSecondMin: limits.bytesPerSecondMin,
      graceMs: limits.slowGraceMs,
    }),
    pool: createBufferPool(),
    shared: new SharedReads(),
    open: new Set(),
  }
}

function makeServer(handler: RequestListener, tls: TlsServerOptions | undefined): Server {
  const options: ServerOptions = {
    headersTimeout: headersTimeoutMs,
    // A large upload may take hours; the body watch judges its speed.
    requestTimeout: 0,
    connectionsCheckingInterval: connectionsCheckingIntervalMs,
    keepAliveTimeout: keepAliveTimeoutMs,
    maxHeaderSize: headBytesMax,
    noDelay: true,
  }
  return tls === undefined
    ? createServer(options, handler)
    : createTlsServer({ ...options, ...tls, handshakeTimeout: handshakeTimeoutMs }, handler)
}

/** What the HTTP parser refuses never becomes a request, so it is answered on the socket. */
function answerClientError(server: Server, edge: Edge, error: NodeJS.ErrnoException, socket: Socket): void {
  if (!socket.writable || error.code === 'ECONNRESET' || error.code === 'EPIPE') {
    socket.destroy()
    return
  }
  const pending = (socket as Socket & { _httpMessage?: ServerResponse })._httpMessage
  const { rawPacket } = error as { rawPacket?: Buffer }
  if (error.code === 'HPE_INVALID_URL' && !pending && rawPacket && readUnescapedName(server, socket, rawPacket)) return
  const problem = clientProblem(error)
  edge.log.info({ error: problem }, 'not a request')
  const answer = (): void => void socket.end(rawProblem(problem), () => socket.destroy())
  if (pending === undefined || pending === null) answer()
  // The bytes behind a whole request are wrong, not the request: its own answer comes first.
  else if (pending.req.complete) pending.once('close', answer)
  // In the middle of an answer nothing can be said any more.
  else if (pending.headersSent) socket.destroy()
  else answer()
}

function clientProblem(error: NodeJS.ErrnoException): SupercargoError {
  if (error.code === 'HPE_HEADER_OVERFLOW') {
    return new SupercargoError(
      'invalid',
      'headers-too-large',
      `the head of the request is larger than ${headBytesMax} bytes`,
      { status: 431 },
    )
  }
  if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    return new SupercargoError('interrupted', 'headers-too-slow', 'the head of the request did not arrive in time', {
      status: 408,
    })
  }
  return new SupercargoError('invalid', 'not-http', 'this is not a well-formed HTTP request')
}
