/** The collector's thread: the index, the sweeps and the answers live here, away from the heap that moves bytes. */
import { parentPort, workerData } from 'node:worker_threads'
import { noCluster, type OwnerLookup } from '@supercargo/kube'
import { SupercargoError } from '@supercargo/protocol'
import { systemClock } from '@supercargo/transfer'
import type { UploadSummary } from '../store/maintenance.ts'
import type { StoreEvent } from '../store/store-events.ts'
import type { ListQuery } from './resource-list.ts'
import type { RemoteMaintenance } from './sweep.ts'
import { Sweeper } from './sweeper.ts'
import { connectThreads, type ThreadCalls } from './thread-calls.ts'

/** Who answers whether an owner is there. */
export interface LookupSettings {
  readonly kind: 'none'
}

/** What the main thread gives to this one. */
export interface WorkerSettings {
  readonly directory: string
  readonly lookup: LookupSettings
  readonly intervalMs: number
  readonly firstUseTimeoutMs: number
  readonly dryRun: boolean
}

/** Where the store's events stand when this thread begins to follow them. */
export interface Beginning {
  readonly sequence: number
  readonly uploads: readonly UploadSummary[]
}

if (parentPort !== null) run(parentPort, workerData as WorkerSettings)

function run(port: NonNullable<typeof parentPort>, settings: WorkerSettings): void {
  const calls: ThreadCalls = connectThreads(
    port,
    {
      begin: (beginning: Beginning) => sweeper.start(beginning.sequence, beginning.uploads),
      events: (events: StoreEvent[]) => sweeper.apply(events),
      status: () => sweeper.status(),
      list: (query: ListQuery) => sweeper.list(query),
      explain: (id: string) => sweeper.explain(id),
      sweepNow: async () => (await sweeper.sweepNow()).report,
      stop: async () => {
        await sweeper.stop()
        port.close()
      },
    },
    (error) => calls.tell('log', 'error', 'the collector failed', { code: error.code, error: error.message }),
  )
  const sweeper = new Sweeper({
    ...settings,
    lookup: createLookup(settings.lookup),
    maintenance: remoteMaintenance(calls),
    clock: systemClock,
    log: (level, message, fields) => calls.tell('log', level, message, fields),
  })
}

function createLookup(settings: LookupSettings): OwnerLookup {
  if (settings.kind === 'none') return noCluster()
  throw new SupercargoError('internal', 'unknown-lookup', 'the collector does not know this kind of owner lookup')
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
