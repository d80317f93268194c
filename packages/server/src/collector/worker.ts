/** The collector's thread: the index, the sweeps and the answers live here, away from the heap that moves bytes. */
import { parentPort, workerData } from 'node:worker_threads'
import { acquireLease } from '@supercargo/kube'
import { systemClock } from '@supercargo/transfer'
import type { RemoteMaintenance, UploadSummary } from '../store/maintenance.ts'
import type { StoreEvent } from '../store/store-events.ts'
import { type Cluster, connectCluster, type LookupSettings } from './cluster-lookup.ts'
import type { ListQuery } from './resource-list.ts'
import { type CollectorSettings, Sweeper } from './sweeper.ts'
import { connectThreads, type ThreadCalls } from './thread-calls.ts'
import type { TakeTurn } from './turn.ts'

/** Replicas of one shared store take turns by this Lease. */
export interface LeaseSettings {
  readonly namespace: string
  readonly name: string
  /** Names this process and no other. */
  readonly identity: string
}

/** What the main thread gives to this one. */
export interface WorkerSettings {
  readonly directory: string
  readonly lookup: LookupSettings
  readonly settings: CollectorSettings
  /** Only for a store that several replicas share. */
  readonly lease?: LeaseSettings | undefined
}

/** Where the store's events stand when this thread begins to follow them. */
export interface Beginning {
  readonly sequence: number
  readonly uploads: readonly UploadSummary[]
}

if (parentPort !== null) run(parentPort, workerData as WorkerSettings)

function run(port: NonNullable<typeof parentPort>, data: WorkerSettings): void {
  const calls: ThreadCalls = connectThreads(
    port,
    {
      begin: (beginning: Beginning) => sweeper.start(beginning.sequence, beginning.uploads),
      events: (events: StoreEvent[]) => sweeper.apply(events),
      status: () => sweeper.status(),
      list: (query: ListQuery) => sweeper.list(query),
      explain: (id: string) => sweeper.explain(id),
      sweepNow: async () => (await sweeper.sweepNow()).report,
      release: () => sweeper.release(),
      stop: async () => {
        await sweeper.stop()
        await cluster.close()
        port.close()
      },
    },
    (error) => calls.tell('log', 'error', 'the collector failed', { code: error.code, error: error.message }),
  )
  const cluster = connectCluster(data.lookup, process.env)
  const sweeper = new Sweeper({
    ...data.settings,
    directory: data.directory,
    lookup: cluster.lookup,
    hasCluster: data.lookup.kind !== 'none',
    maintenance: remoteMaintenance(calls),
    clock: systemClock,
    takeTurn: data.lease === undefined ? undefined : takeTurnBy(cluster, data.lease),
    log: (level, message, fields) => calls.tell('log', level, message, fields),
  })
}

function takeTurnBy(cluster: Cluster, lease: LeaseSettings): TakeTurn {
  return async (epochAbove, signal) => acquireLease(await cluster.client(), { ...lease, epochAbove }, signal)
}

/** Every method of the store's upkeep, called in the main thread, where the store is. */
function remoteMaintenance(calls: ThreadCalls): RemoteMaintenance {
  const methods = new Proxy(
    {},
    {
      get:
        (_, method: string) =>
        (...parameters: unknown[]) =>
          calls.call(method, ...parameters),
    },
  )
  return methods as RemoteMaintenance
}
