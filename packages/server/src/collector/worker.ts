/** The collector's thread: the index, the sweeps and the answers live here, away from the heap that moves bytes. */
import { parentPort, workerData } from 'node:worker_threads'
import { acquireLease } from '@supercargo/kube'
import { systemClock } from '@supercargo/transfer'
import type { RemoteMaintenance, UploadSummary } from '../store/maintenance.ts'
import type { StoreEvent } from '../store/store-events.ts'
import { type Cluster, connectCluster, type LookupSettings } from './cluster-lookup.ts'
import type { ListQuery } from './resource-list.ts'
import { openSurvey, type StorePlace } from './store-place.ts'
import { type CollectorSettings, Sweeper } from './sweeper.ts'
import { connectThreads, type ThreadCalls } from './thread-calls.ts'
import { type TakeTurn, turnOfEverybody } from './turn.ts'

/** Replicas of one shared store take turns by this Lease. */
export interface LeaseSettings {
  readonly namespace: string
  readonly name: string
  /** Names this process and no other. */
  readonly identity: string
}

/** What the main thread gives to this one. */
export interface WorkerSettings {
  readonly place: StorePlace
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

if (parentPort !== null) await run(parentPort, workerData as WorkerSettings)

async function run(port: NonNullable<typeof parentPort>, data: WorkerSettings): Promise<void> {
  const stored = await openSurvey(data.place)
  const calls: ThreadCalls = connectThreads(
    port,
    {
      begin: (beginning: Beginning) => sweeper.start(beginning.sequence, beginning.uploads),
      events: (events: StoreEvent[]) => sweeper.apply(events),
      status: () => sweeper.status(),
      list: async (query: ListQuery) => {
        await sweeper.lookAgain()
        return sweeper.list(query)
      },
      explain: async (id: string) => {
        await sweeper.lookAgain()
        return sweeper.explain(id)
      },
      sweepNow: async () => (await sweeper.sweepNow()).report,
      release: () => sweeper.release(),
      stop: async () => {
        await sweeper.stop()
        await cluster.close()
        stored.close()
        port.close()
      },
    },
    (error) => calls.tell('log', 'error', 'the collector failed', { code: error.code, error: error.message }),
  )
  const cluster = connectCluster(data.lookup, process.env)
  const sweeper = new Sweeper({
    ...data.settings,
    stored: stored.survey,
    lookup: cluster.lookup,
    hasCluster: data.lookup.kind !== 'none',
    maintenance: remoteMaintenance(calls),
    clock: systemClock,
    takeTurn: takeTurnOf(data, cluster),
    log: (level, message, fields) => calls.tell('log', level, message, fields),
  })
}

/** A directory is locked by its one server. Replicas without a cluster have no resources to collect: each does the upkeep. */
function takeTurnOf({ place, lease, lookup }: WorkerSettings, cluster: Cluster): TakeTurn | undefined {
  if (lease === undefined) return place.kind === 's3' && lookup.kind === 'none' ? turnOfEverybody : undefined
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
