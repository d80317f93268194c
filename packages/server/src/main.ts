/** The staging server, composed: configuration, store, collector, HTTP edge, and the way out. */
import type { Server as TlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { SupercargoError } from '@supercargo/protocol'
import { type Clock, isErrno, systemClock } from '@supercargo/transfer'
import type { Authorizer } from './auth/authorizer.ts'
import { composeAuthorizer } from './auth/compose-authorizer.ts'
import { type Collector, startCollector } from './collector/collector.ts'
import type { Config } from './config-schema.ts'
import { drainApp } from './drain.ts'
import { type App, buildApp } from './http/app.ts'
import type { FrontDoorParts } from './http/webhdfs/front-door.ts'
import type { FindReader } from './http/webhdfs/readers.ts'
import { keepNamesTidy } from './http/webhdfs/upkeep.ts'
import { allAddresses, splitListen } from './listen.ts'
import { createLog, type Log } from './log.ts'
import { type OpenStore, openConfiguredStore } from './open-configured-store.ts'
import { nodeFileSystem } from './store/file-system.ts'
import type { StoreEvent } from './store/store-events.ts'
import { followTls, readTls, type TlsMaterial } from './tls.ts'

type Environment = Readonly<Record<string, string | undefined>>

export interface ServeOptions {
  /** Aborting it begins the drain. */
  readonly signal?: AbortSignal
  readonly log?: Log
  readonly clock?: Clock
  /** Says where the cluster is, as for kubectl. */
  readonly environment?: Environment
  /** Called when requests are answered, with the address that was really taken. */
  readonly onReady?: (address: ServerAddress) => void
}

export interface ServerAddress {
  readonly url: string
  readonly host: string
  readonly port: number
}

/** Serves until the signal aborts, then drains. Rejects when it cannot start. */
export async function serve(config: Config, options: ServeOptions = {}): Promise<void> {
  const log = options.log ?? createLog({ level: config.logLevel })
  const clock = options.clock ?? systemClock
  const environment = options.environment ?? process.env
  let tls = config.tls === undefined ? undefined : await readTls(config.tls, clock.now())
  const background = new AbortController()
  let authorizer: Authorizer | undefined
  let collector: Collector | undefined
  let opened: OpenStore | undefined
  let app: App | undefined
  try {
    authorizer = await composeAuthorizer(config, environment)
    const onEvent = (event: StoreEvent): void => collector?.notify(event)
    opened = await openConfiguredStore(config, { environment, clock, log, onEvent })
    const { store } = opened
    collector = composeCollector(config, opened, log, clock)
    const frontDoor = await composeFrontDoor(config, opened, environment, background.signal)
    app = await composeApp(config, store, collector, authorizer, log, clock, () => tls, frontDoor)
    const address = await listen(app, config)
    log.info(
      { ...address, store: config.store.directory ?? config.store.url, kube: config.kube, auth: config.auth },
      'serving',
    )
    options.onReady?.(address)
    const following =
      tls === undefined
        ? undefined
        : followTls(app.fastify.server as unknown as TlsServer, config.tls!, tls, {
            clock,
            log,
            signal: background.signal,
            onChange: (material) => {
              tls = material
            },
          })
    const tidying = keepNamesTidy({ names: frontDoor.names, store, clock, log, signal: background.signal })
    await aborted(options.signal)
    await drainApp(app, { timeoutMs: config.drainTimeoutMs, clock, log })
    background.abort()
    await following
    await tidying
    app = undefined
  } finally {
    background.abort()
    await app?.close()
    await authorizer?.close()
    await collector?.close()
    await opened?.store.close()
  }
  log.info('stopped')
}

function composeCollector(config: Config, { store, place, lease }: OpenStore, log: Log, clock: Clock): Collector {
  const { sweepIntervalMs: intervalMs, leaseName: _, leaseNamespace: __, ...settings } = config.collector
  const { kubeconfig, context } = config
  return startCollector({
    place,
    store,
    lease,
    lookup: config.kube === 'none' ? { kind: 'none' } : { kind: 'cluster', kubeconfig, context },
    settings: { intervalMs, ...settings },
    clock,
    log: (level, message, fields) => log[level](fields, message),
  })
}

function composeApp(
  config: Config,
  store: OpenStore['store'],
  collector: Collector,
  authorizer: Authorizer | undefined,
  log: Log,
  clock: Clock,
  tls: () => TlsMaterial | undefined,
  frontDoor: FrontDoorParts,
): Promise<App> {
  return buildApp({
    store,
    frontDoor,
    collector,
    authorizer,
    limits: config.limits,
    clock,
    log,
    publicUrl: config.publicUrl,
    podUrl: config.podUrl ?? config.publicUrl,
    trustedProxies: config.trustedProxies,
    accelRedirect: config.accelRedirect,
    redirectSeconds: redirectSecondsOf(config),
    tls: tls()?.options,
    certificateEndsAtMs: () => tls()?.endsAtMs,
    freeBytes: freeBytesOf(config),
  })
}

async function composeFrontDoor(
  config: Config,
  { names, tokens }: OpenStore,
  environment: Environment,
  signal: AbortSignal,
): Promise<FrontDoorParts> {
  return {
    names,
    tokens,
    anonymous: config.auth === 'none',
    maxAgeMs: config.webhdfs.maxAgeMs,
    findReader: config.kube === 'none' ? undefined : await composeFindReader(config, environment, signal),
  }
}

/** A bucket does not say how much it takes. */
function freeBytesOf({ store }: Config): (() => Promise<number>) | undefined {
  const { directory } = store
  return directory === undefined ? undefined : () => nodeFileSystem.freeBytes(directory)
}

/** Undefined: all bytes come through us. */
function redirectSecondsOf({ store }: Config): number | undefined {
  return store.url !== undefined && store.redirectDownloads ? Math.floor(store.redirectMs / 1000) : undefined
}

/** Imported only here: the heap that moves bytes is to stay small. */
async function composeFindReader(
  { kubeconfig, context }: Config,
  environment: Environment,
  signal: AbortSignal,
): Promise<FindReader | undefined> {
  const { ApiClient, findCluster } = await import('@supercargo/kube')
  const cluster = await findCluster({ prefer: 'in-cluster', environment, kubeconfig, context })
  if (cluster === undefined) return undefined
  const { createFindReader } = await import('./http/webhdfs/find-reader.ts')
  const client = new ApiClient(cluster)
  signal.addEventListener('abort', () => void client.close(), { once: true })
  return createFindReader(client)
}

async function listen(app: App, config: Config): Promise<ServerAddress> {
  const { host, port } = splitListen(config.listen)
  try {
    await app.fastify.listen({ host: host === '' ? allAddresses() : host, port })
  } catch (error) {
    if (isErrno(error, 'EADDRINUSE')) {
      throw new SupercargoError('conflict', 'address-in-use', `${config.listen} is in use`, {
        cause: error,
        hint: 'choose another --listen, or stop what listens there',
      })
    }
    if (isErrno(error, 'EACCES', 'EADDRNOTAVAIL', 'ENOTFOUND', 'EAI_AGAIN')) {
      throw new SupercargoError('invalid', 'cannot-listen', `cannot listen on ${config.listen}`, {
        cause: error,
        hint: 'check the address and the port in --listen',
      })
    }
    throw error
  }
  const taken = app.fastify.server.address() as AddressInfo
  const shown = taken.address.includes(':') ? `[${taken.address}]` : taken.address
  return {
    url: `${config.tls === undefined ? 'http' : 'https'}://${shown}:${taken.port}`,
    host: taken.address,
    port: taken.port,
  }
}

function aborted(signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve()
    signal?.addEventListener('abort', () => resolve(), { once: true })
  })
}
