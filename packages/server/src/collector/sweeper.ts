/** The collector without its thread: the index, the schedule of sweeps, and the answers to questions. */
import type { OwnerLookup } from '@supercargo/kube'
import { type CollectorStatus, causeChain, type Explanation, type Listing } from '@supercargo/protocol'
import type { Clock } from '@supercargo/transfer'
import type { UploadSummary } from '../store/maintenance.ts'
import type { StoreEvent } from '../store/store-events.ts'
import { OwnerSurvey } from './owner-survey.ts'
import { ResourceIndex, type UnnamedBlobs } from './resource-index.ts'
import { explainResource, type ListQuery, listResources } from './resource-list.ts'
import { type RemoteMaintenance, type SweepOutcome, sweep } from './sweep.ts'

export interface SweeperOptions {
  readonly directory: string
  readonly lookup: OwnerLookup
  readonly maintenance: RemoteMaintenance
  readonly clock: Clock
  readonly intervalMs: number
  readonly firstUseTimeoutMs: number
  readonly dryRun: boolean
  /** Told of what should be in the log: a constant message and its fields. */
  readonly log: (level: 'info' | 'warn' | 'error', message: string, fields: Readonly<Record<string, unknown>>) => void
}

/** The blobs' directories are read in the first sweep, then this often: names change rarely, and reading them all costs. */
export const blobScanIntervalMs = 3_600_000
/** Elapsed time between two sweeps that counts for the first use, in intervals. */
const creditIntervals = 3

export class Sweeper {
  readonly index: ResourceIndex
  readonly #options: SweeperOptions
  readonly #survey: OwnerSurvey
  readonly #stopping = new AbortController()
  #outcome: SweepOutcome | undefined
  #sweeping: Promise<SweepOutcome> | undefined
  #next: Promise<SweepOutcome> | undefined
  #scannedAtMs: number | undefined
  readonly #holds = new Set<{ readonly sequence: number }>()
  #acknowledged = 0
  #running: Promise<void> | undefined

  constructor(options: SweeperOptions) {
    this.#options = options
    this.index = new ResourceIndex(options.directory)
    const { lookup, clock, maintenance, intervalMs } = options
    const bindCluster = (uid: string) => maintenance.bindCluster(uid)
    this.#survey = new OwnerSurvey({ lookup, clock, bindCluster, creditMsMax: creditIntervals * intervalMs })
  }

  /** Builds the index, then sweeps at once and after every interval until `stop`. */
  async start(sequence: number, uploads: readonly UploadSummary[]): Promise<void> {
    await this.index.build(sequence, uploads)
    this.#running = this.#repeat()
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    await Promise.allSettled([this.#running, this.#sweeping, this.#next])
  }

  /** Applies events in order; blobs that no record names any more are deleted right away. */
  async apply(events: readonly StoreEvent[]): Promise<void> {
    const unnamed = events.map((event) => this.index.apply(event)).filter((blobs) => blobs !== undefined)
    await this.#holding(async () => {
      for (const blobs of unnamed) await this.#remove(blobs)
    })
  }

  /** Sweeps now, the directories of blobs included. One that is under way ends first; who asks meanwhile shares the next. */
  sweepNow(): Promise<SweepOutcome> {
    this.#next ??= (async () => {
      await this.#sweeping
      this.#next = undefined
      return this.#sweep(true)
    })()
    return this.#next
  }

  status(): CollectorStatus {
    const { index } = this
    const namespaces = index.blobs.bytes()
    const bytes = Object.values(namespaces).reduce((sum, part) => sum + part, 0)
    return {
      cluster: this.#outcome?.cluster ?? null,
      lastSweep: this.#outcome?.report ?? null,
      paused: this.#outcome?.paused ?? null,
      usage: { resources: index.size, blobs: index.blobs.count, bytes, reservedBytes: 0, namespaces },
    }
  }

  list(query: ListQuery): Listing {
    return listResources(this.index, this.#options.firstUseTimeoutMs, query)
  }

  explain(id: string): Explanation | undefined {
    return explainResource(this.index, this.#options.firstUseTimeoutMs, id)
  }

  async #repeat(): Promise<void> {
    const { clock, intervalMs } = this.#options
    while (!this.#stopping.signal.aborted) {
      await this.#sweeping
      const scanDue = this.#scannedAtMs === undefined || clock.monotonic() - this.#scannedAtMs >= blobScanIntervalMs
      await this.#sweep(scanDue)
      // The only reason to reject is the stop, which the loop sees.
      await clock.sleep(intervalMs, this.#stopping.signal).catch(() => undefined)
    }
  }

  /** Only one at a time: whoever starts one has waited for the one before. */
  #sweep(scanBlobs: boolean): Promise<SweepOutcome> {
    const { directory, maintenance, clock, firstUseTimeoutMs, dryRun, log } = this.#options
    const options = {
      directory,
      maintenance,
      clock,
      firstUseTimeoutMs,
      dryRun,
      scanBlobs,
      index: this.index,
      survey: this.#survey,
    }
    if (scanBlobs) this.#scannedAtMs = clock.monotonic()
    this.#sweeping = (this.#sweeping ?? Promise.resolve()).then(async () => {
      const outcome = await this.#holding(() => sweep(options, this.#stopping.signal))
      this.#outcome = outcome
      if (scanBlobs && !outcome.counted) this.#scannedAtMs = undefined
      const { errors, ...counts } = outcome.report
      log(errors.length > 0 ? 'warn' : 'info', 'sweep done', { ...counts, ...(errors.length > 0 && { errors }) })
      return outcome
    })
    return this.#sweeping
  }

  /**
   * Work that deletes by what the index knows now. The store may forget the events since then only when the work is over:
   * it refuses deletions from before its memory.
   */
  async #holding<Result>(work: () => Promise<Result>): Promise<Result> {
    const hold = { sequence: this.index.sequence }
    this.#holds.add(hold)
    try {
      return await work()
    } finally {
      this.#holds.delete(hold)
      const acknowledged = Math.min(this.index.sequence, ...[...this.#holds].map(({ sequence }) => sequence))
      if (acknowledged > this.#acknowledged) {
        this.#acknowledged = acknowledged
        // Without it the store remembers more than it needs, no more than that.
        this.#options.maintenance.acknowledge(acknowledged).catch(() => undefined)
      }
    }
  }

  async #remove({ namespace, digests }: UnnamedBlobs): Promise<void> {
    // A damaged record may name them; the scan after its repair decides.
    if (digests.length === 0 || this.index.damaged.size > 0) return
    try {
      await this.#options.maintenance.removeBlobs(namespace, digests, this.index.sequence)
    } catch (error) {
      this.#options.log('warn', 'blobs of a released resource stay until the next scan', {
        namespace,
        error: causeChain(error).join(': '),
      })
    }
  }
}
