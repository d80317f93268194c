/** The real edge on the real disk store, on a free port of 127.0.0.1, for tests. */
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SupercargoError } from '@supercargo/protocol'
import { type Clock, systemClock } from '@supercargo/transfer'
import type { Authorizer } from '../auth/authorizer.ts'
import { type App, buildApp } from '../http/app.ts'
import type { CollectorDoor, EdgeLimits } from '../http/edge.ts'
import type { FrontDoorParts } from '../http/webhdfs/front-door.ts'
import type { LogLevel } from '../log.ts'
import { DiskLayout } from '../store/disk-layout.ts'
import { openDiskNameTree } from '../store/disk-name-tree.ts'
import { createDiskStore, type DiskStore } from '../store/disk-store.ts'
import { type FileSystem, nodeFileSystem } from '../store/file-system.ts'
import type { Store, StoreLimits } from '../store/store.ts'
import { openStagingTokens } from '../tokens/staging-tokens.ts'
import { captureLog } from './captured-log.ts'

export interface TestServer {
  readonly app: App
  readonly store: DiskStore
  readonly frontDoor: FrontDoorParts
  readonly directory: string
  readonly port: number
  readonly url: string
  /** Everything that was logged so far. */
  logged(): string
  /** What is being written; empty when every failed upload was cleaned up. */
  incoming(): Promise<string[]>
  stop(): Promise<void>
}

export interface TestServerOptions {
  readonly limits?: Partial<EdgeLimits & StoreLimits>
  readonly clock?: Clock
  readonly publicUrl?: string
  readonly podUrl?: string
  readonly trustedProxies?: readonly string[]
  readonly accelRedirect?: string
  readonly freeBytes?: () => Promise<number>
  readonly logLevel?: LogLevel
  readonly collector?: CollectorDoor
  readonly authorizer?: Authorizer
  readonly frontDoor?: Partial<FrontDoorParts>
  /** Below the store and the names, for failures. */
  readonly fs?: FileSystem
  /** Puts something between the edge and the store. */
  readonly wrapStore?: (store: Store) => Store
}

export const testLimits: EdgeLimits & StoreLimits = {
  fileBytesMax: 0,
  resourceBytesMax: 0,
  filesPerResourceMax: 1000,
  namespaceBytesMax: 0,
  storeBytesMax: 0,
  freeBytesMin: 0,
  uploadBufferBytesMax: 8 * 2 ** 20,
  abandonedMs: 3_600_000,
  uploadsMax: 64,
  downloadsMax: 1024,
  idleTimeoutMs: 10_000,
  bytesPerSecondMin: 0,
  slowGraceMs: 30_000,
}

export async function startTestServer(options: TestServerOptions = {}): Promise<TestServer> {
  const directory = await mkdtemp(join(tmpdir(), 'supercargo-http-'))
  const limits = { ...testLimits, ...options.limits }
  const clock = options.clock ?? systemClock
  const captured = captureLog(options.logLevel)
  const system = options.fs ?? nodeFileSystem
  const store = await createDiskStore({ directory, limits, clock, fs: system })
  const disk = { system, layout: new DiskLayout(directory), clock }
  const frontDoor: FrontDoorParts = {
    names: await openDiskNameTree(disk),
    tokens: await openStagingTokens(disk),
    anonymous: true,
    maxAgeMs: 7 * 24 * 3_600_000,
    findReader: undefined,
    ...options.frontDoor,
  }
  const app = await buildApp({
    frontDoor,
    store: options.wrapStore?.(store) ?? store,
    collector: options.collector ?? noCollector,
    authorizer: options.authorizer,
    limits,
    clock,
    publicUrl: options.publicUrl,
    podUrl: options.podUrl,
    trustedProxies: options.trustedProxies ?? [],
    accelRedirect: options.accelRedirect,
    freeBytes: options.freeBytes,
    log: captured.log,
  })
  await app.fastify.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.fastify.server.address() as AddressInfo
  return {
    app,
    store,
    frontDoor,
    directory,
    port,
    url: `http://127.0.0.1:${port}`,
    logged: captured.text,
    incoming: () => readdir(join(directory, 'incoming')),
    async stop() {
      app.fastify.server.closeAllConnections()
      await app.close()
      await store.close()
      await rm(directory, { recursive: true })
    },
  }
}

/** For tests of routes that do not ask the collector: it says that it cannot answer. */
const noCollector: CollectorDoor = {
  status: () => Promise.reject(unavailable()),
  list: () => Promise.reject(unavailable()),
  explain: () => Promise.reject(unavailable()),
  release: () => Promise.reject(unavailable()),
}

function unavailable(): SupercargoError {
  return new SupercargoError('unavailable', 'collector-unavailable', 'the collector does not answer')
}
