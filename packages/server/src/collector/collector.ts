/** The main thread's side of the collector: starts its thread, feeds it the store's events, lends it the store, asks it questions. */
import { Worker } from 'node:worker_threads'
import {
  type CollectorStatus,
  type Explanation,
  type Listing,
  SupercargoError,
  type SweepReport,
  toSupercargoError,
} from '@supercargo/protocol'
import { abortReason, type Clock, systemClock } from '@supercargo/transfer'
import type { StoreMaintenance } from '../store/maintenance.ts'
import type { Store } from '../store/store.ts'
import type { StoreEvent } from '../store/store-events.ts'
import type { LookupSettings } from './cluster-lookup.ts'
import type { ListQuery } from './resource-list.ts'
import type { StorePlace } from './store-place.ts'
import type { CollectorSettings } from './sweeper.ts'
import { connectThreads, type ThreadCalls, type ThreadMethods } from './thread-calls.ts'
import type { Beginning, LeaseSettings, WorkerSettings } from './worker.ts'

export interface CollectorOptions {
  readonly place: StorePlace
  readonly store: Pick<Store, 'usage'> & { readonly maintenance: StoreMaintenance }
  readonly lookup: LookupSettings
  readonly settings: CollectorSettings
  /** Only for a store that several replicas share. */
  readonly lease?: LeaseSettings | undefined
  readonly log: (level: 'info' | 'warn' | 'error', message: string, fields: Readonly<Record<string, unknown>>) => void
  /** For the pause before a new thread after a crash. */
  readonly clock?: Clock
  /** Where the thread's program is, when it is not beside this file: in a bundle. */
  readonly workerUrl?: URL
}

export interface Collector {
  status(): Promise<CollectorStatus>
  list(query: ListQuery): Promise<Listing>
  /** Why a resource is kept, undefined when there is none of this id. */
  explain(id: string): Promise<Explanation | undefined>
  /** Sweeps now and resolves to the report. */
  sweepNow(): Promise<SweepReport>
  /** Lets a stopped collection go on once, and sweeps. Kind `conflict` when there is nothing to release. */
  release(): Promise<void>
  /** The store's `onEvent`. */
  notify(event: StoreEvent): void
  close(): Promise<void>
}

/** A thread that died is started again after this long, each time twice as long, up to a minute. */
const restartMs = 1000
const restartMsMax = 60_000
/** Reading a hundred thousand records makes much garbage; a small nursery keeps it from becoming resident memory. */
const youngGenerationMbMax = 8
/** A thread that does not end by itself within this time is ended. */
const stopMsMax = 5000

/** Resolves at once: the thread builds its index while the store serves already. Questions wait for the index. */
export function startCollector(options: CollectorOptions): Collector {
  return new ThreadedCollector(options)
}

class ThreadedCollector implements Collector {
  readonly #options: CollectorOptions
  readonly #clock: Clock
  readonly #stopping = new AbortController()
  #events: StoreEvent[] = []
  #worker: Worker
  #calls: ThreadCalls
  #ready: Promise<unknown>
  #exited: Promise<void>
  #crashes = 0

  constructor(options: CollectorOptions) {
    this.#options = options
    this.#clock = options.clock ?? systemClock
    ;({ worker: this.#worker, calls: this.#calls, ready: this.#ready, exited: this.#exited } = this.#start())
  }

  async status(): Promise<CollectorStatus> {
    const status = (await this.#ask('status')) as CollectorStatus
    return { ...status, usage: { ...status.usage, reservedBytes: this.#options.store.usage().reservedBytes } }
  }

  async list(query: ListQuery): Promise<Listing> {
    return (await this.#ask('list', query)) as Listing
  }

  async explain(id: string): Promise<Explanation | undefined> {
    return (await this.#ask('explain', id)) as Explanation | undefined
  }

  async sweepNow(): Promise<SweepReport> {
    return (await this.#ask('sweepNow')) as SweepReport
  }

  async release(): Promise<void> {
    await this.#ask('release')
  }

  notify(event: StoreEvent): void {
    this.#events.push(event)
    // Events of one turn of the loop travel in one message.
    if (this.#events.length === 1) setImmediate(() => this.#flush())
  }

  async close(): Promise<void> {
    if (this.#stopping.signal.aborted) return
    this.#stopping.abort(closed())
    const worker = this.#worker
    const exited = this.#exited
    this.#flush()
    this.#calls.call('stop').catch(() => undefined)
    const late = setTimeout(() => void worker.terminate(), stopMsMax)
    await exited
    clearTimeout(late)
    this.#calls.end(closed())
  }

  async #ask(method: string, ...parameters: unknown[]): Promise<unknown> {
    if (this.#stopping.signal.aborted) throw closed()
    this.#flush()
    await this.#ready
    return this.#calls.call(method, ...parameters)
  }

  #flush(): void {
    const events = this.#events
    this.#events = []
    if (events.length > 0) this.#calls.tell('events', events)
  }

  #start(): { worker: Worker; calls: ThreadCalls; ready: Promise<unknown>; exited: Promise<void> } {
    const { place, lookup, settings, lease, log, store, workerUrl } = this.#options
    const workerData: WorkerSettings = { place, lookup, settings, lease }
    const worker = new Worker(workerUrl ?? new URL('./worker.ts', import.meta.url), {
      workerData,
      name: 'supercargo-collector',
      resourceLimits: { maxYoungGenerationSizeMb: youngGenerationMbMax },
    })
    const methods: ThreadMethods = { ...lentMethods(store.maintenance), log }
    const calls = connectThreads(worker, methods, (error) =>
      log('error', 'the collector sent a call that failed', { error: error.message }),
    )
    worker.on('error', (error) => log('error', 'the collector crashed', { error: toSupercargoError(error).message }))
    const exited = new Promise<void>((resolve) => worker.once('exit', () => resolve()))
    void exited.then(() => this.#restart(calls))
    // What happened before is in the records; what happens from here on follows as events.
    this.#events = []
    const beginning: Beginning = { sequence: store.maintenance.sequence(), uploads: store.maintenance.uploads() }
    const ready = calls.call('begin', beginning)
    ready.catch((error: unknown) =>
      log('error', 'the collector cannot read the records', { error: toSupercargoError(error).message }),
    )
    return { worker, calls, ready, exited }
  }

  /** The bytes go on moving without a collector; a new thread reads the records anew. */
  #restart(calls: ThreadCalls): void {
    const { signal } = this.#stopping
    if (signal.aborted) return
    calls.end(
      new SupercargoError('unavailable', 'collector-down', 'the collector is starting again', {
        hint: 'try again in a moment',
      }),
    )
    const pauseMs = Math.min(restartMsMax, restartMs * 2 ** this.#crashes++)
    this.#clock.sleep(pauseMs, signal).then(
      () => ({ worker: this.#worker, calls: this.#calls, ready: this.#ready, exited: this.#exited } = this.#start()),
      () => abortReason(signal),
    )
  }
}

/** What the thread may call: all of the store's upkeep, by name. */
function lentMethods(maintenance: StoreMaintenance): ThreadMethods {
  const lent: { [Method in keyof StoreMaintenance]: StoreMaintenance[Method] } = {
    sequence: () => maintenance.sequence(),
    acknowledge: (sequence) => maintenance.acknowledge(sequence),
    removeBlobs: (...parameters) => maintenance.removeBlobs(...parameters),
    collect: (...parameters) => maintenance.collect(...parameters),
    removeObjects: (...parameters) => maintenance.removeObjects(...parameters),
    uploads: () => maintenance.uploads(),
    sweepAbandoned: () => maintenance.sweepAbandoned(),
    sweepLeftovers: () => maintenance.sweepLeftovers(),
    usageMark: () => maintenance.usageMark(),
    setUsage: (...parameters) => maintenance.setUsage(...parameters),
    bindCluster: (uid) => maintenance.bindCluster(uid),
    beginEpoch: (epoch) => maintenance.beginEpoch(epoch),
    loadState: () => maintenance.loadState(),
    saveState: (...parameters) => maintenance.saveState(...parameters),
    checkpoint: () => maintenance.checkpoint(),
  }
  return lent as unknown as ThreadMethods
}

function closed(): SupercargoError {
  return new SupercargoError('unavailable', 'collector-closed', 'the collector is closing')
}
