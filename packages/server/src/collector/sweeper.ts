/** The collector without its thread: the index, the schedule of sweeps, and the answers to questions. */
import type { OwnerLookup } from '@supercargo/kube'
import {
  type CollectorStatus,
  causeChain,
  type Explanation,
  type Listing,
  SupercargoError,
  type SweepReport,
} from '@supercargo/protocol'
import type { Clock } from '@supercargo/transfer'
import type { RemoteMaintenance, UploadSummary } from '../store/maintenance.ts'
import type { StoreEvent } from '../store/store-events.ts'
import type { StoreSurvey } from '../store/store-survey.ts'
import type { BreakerSettings } from './breaker.ts'
import type { CollectorLog } from './collect-resources.ts'
import { CollectorMemory } from './collector-memory.ts'
import { DoomedBlobs } from './doomed-blobs.ts'
import type { JudgeSettings } from './judge-resource.ts'
import { OwnerSurvey } from './owner-survey.ts'
import { ResourceIndex, type UnnamedBlobs } from './resource-index.ts'
import { explainResource, type ListQuery, listResources } from './resource-list.ts'
import { createRetention, type Retention, type RetentionPolicy } from './retention.ts'
import { type SweepOutcome, sweep } from './sweep.ts'
import { collectorStatus, type Totals } from './sweeper-status.ts'
import { type TakeTurn, type Turn, turnByLock } from './turn.ts'

/** What an operator can set. */
export interface CollectorSettings extends JudgeSettings, BreakerSettings {
  readonly policies: readonly RetentionPolicy[]
  readonly dryRun: boolean
}

export interface SweeperOptions extends CollectorSettings {
  readonly stored: StoreSurvey
  readonly lookup: OwnerLookup
  /** False: there is none, so no sweep can be complete and nobody needs to be told. */
  readonly hasCluster: boolean
  readonly maintenance: RemoteMaintenance
  readonly clock: Clock
  /** For a store that several replicas share. */
  readonly takeTurn?: TakeTurn | undefined
  /** Told of what should be in the log: a constant message and its fields. */
  readonly log: CollectorLog
}

/** The blobs' directories are read in the first sweep, then this often: names change rarely, and reading them all costs. */
export const blobScanIntervalMs = 3_600_000
/** An answer about resources that others may have staged is not older than this. */
const answerAgeMs = 10_000
/** Elapsed time between two sweeps that counts as covered, in intervals. */
const creditIntervals = 3
/** Reports that are kept for who looks later. */
export const recentSweepsMax = 30

export class Sweeper {
  readonly index: ResourceIndex
  readonly memory = new CollectorMemory()
  readonly #options: SweeperOptions
  readonly #retention: Retention
  readonly #survey: OwnerSurvey
  readonly #doomed = new DoomedBlobs()
  readonly #stopping = new AbortController()
  readonly #totals: Totals = { condemned: 0, collected: 0, revived: 0, breakerTrips: 0 }
  #turn: Turn | undefined
  /** The memory is taken up, in this turn. */
  #begun = false
  #outcome: SweepOutcome | undefined
  #recent: readonly SweepReport[] = []
  #completeAtMs: number
  #released = false
  #sweeping: Promise<SweepOutcome> | undefined
  #next: Promise<SweepOutcome> | undefined
  #scannedAtMs: number | undefined
  readonly #holds = new Set<{ readonly sequence: number }>()
  #acknowledged = 0
  #running: Promise<void> | undefined
  #lookedAtMs = Number.NEGATIVE_INFINITY
  #looking: Promise<void> | undefined

  constructor(options: SweeperOptions) {
    this.#options = options
    this.index = new ResourceIndex(options.stored)
    const { lookup, clock, maintenance, intervalMs } = options
    const bindCluster = (uid: string) => maintenance.bindCluster(uid)
    const creditMsMax = creditIntervals * intervalMs
    this.#retention = createRetention(options.policies)
    const { memory } = this
    this.#survey = new OwnerSurvey({ lookup, memory, clock, retention: this.#retention, bindCluster, creditMsMax })
    this.#completeAtMs = clock.monotonic()
    if (options.takeTurn === undefined) this.#turn = turnByLock()
  }

  /** Builds the index, then sweeps at once and after every interval until `stop`. */
  async start(sequence: number, uploads: readonly UploadSummary[]): Promise<void> {
    await this.index.build(sequence, uploads)
    // Who asks right after the start shall have an answer; when it fails, the schedule tries again.
    if (this.#options.takeTurn === undefined) await this.begin().catch(() => undefined)
    this.#running = this.#repeat()
  }

  /** Waits for the turn to sweep, and takes up what the one before remembered. */
  async begin(): Promise<void> {
    const { maintenance, clock, takeTurn } = this.#options
    this.#begun = false
    if (takeTurn !== undefined)
      this.#turn = await takeTurn((await maintenance.loadState()).epoch, this.#stopping.signal)
    const { epoch } = this.#turn!
    await maintenance.beginEpoch(epoch)
    // Others have written since the index was built.
    if (this.#options.stored.shared) await this.index.refresh()
    this.memory.load(await maintenance.loadState(), this.index, clock.now())
    this.memory.epoch = epoch
    this.#begun = true
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    await Promise.allSettled([this.#running, this.#sweeping, this.#next])
    await this.#turn?.release()
  }

  /** Applies events in order; blobs that no record names any more are deleted right away. */
  async apply(events: readonly StoreEvent[]): Promise<void> {
    const unnamed = events.map((event) => this.#apply(event)).filter((blobs) => blobs !== undefined)
    await this.#holding(async () => {
      for (const blobs of unnamed) await this.#remove(blobs)
    })
  }

  /** Sweeps now, the directories of blobs included. One that is under way ends first; who asks meanwhile shares the next. */
  sweepNow(): Promise<SweepOutcome> {
    this.#next ??= (async () => {
      await this.#sweeping?.catch(() => undefined) // Whoever began it hears of it.
      this.#next = undefined
      return this.#sweep(true)
    })()
    return this.#next
  }

  /** Lets a stopped collection go on once: the next sweep condemns whatever it finds. Kind `conflict` when nothing is to be released. */
  async release(): Promise<void> {
    this.#requireTurn()
    const { pause } = this.memory
    if (pause === null && this.#survey.otherCluster !== null)
      throw new SupercargoError('conflict', 'other-cluster', `${this.#survey.otherCluster}: that cannot be released`, {
        hint: 'connect the server to its own cluster, or give it an empty store',
      })
    if (pause === null)
      throw new SupercargoError('conflict', 'not-paused', 'collection is not stopped, so there is nothing to release')
    this.memory.release()
    this.#released = pause.code === 'breaker'
    this.#options.log('warn', 'collection released', { code: pause.code, reason: pause.reason })
    await this.sweepNow()
  }

  /** Before an answer from the index: where others write too, it is not older than this. */
  async lookAgain(): Promise<void> {
    const { stored, clock } = this.#options
    if (!stored.shared || clock.monotonic() - this.#lookedAtMs < answerAgeMs) return
    this.#looking ??= this.index
      .refresh()
      .then((unnamed) => {
        this.#lookedAtMs = clock.monotonic()
        for (const { namespace, digests } of unnamed) this.#doomed.add(namespace, digests)
      })
      .finally(() => {
        this.#looking = undefined
      })
    await this.#looking
  }

  status(): CollectorStatus {
    const { clock, dryRun, hasCluster } = this.#options
    return collectorStatus({
      index: this.index,
      memory: this.memory,
      outcome: this.#outcome,
      recent: this.#recent,
      otherCluster: this.#survey.otherCluster,
      hasTurn: this.#hasTurn(),
      totals: this.#totals,
      dryRun,
      completeSweepAgeMs: hasCluster ? Math.round(clock.monotonic() - this.#completeAtMs) : null,
    })
  }

  list(query: ListQuery): Listing {
    return listResources(this.index, { ...this.#options, paused: this.#paused() }, query)
  }

  explain(id: string): Explanation | undefined {
    return explainResource(this.index, { ...this.#options, paused: this.#paused() }, id)
  }

  async #repeat(): Promise<void> {
    const { clock, intervalMs, log } = this.#options
    const { signal } = this.#stopping
    while (!signal.aborted) {
      try {
        if (!this.#begun || !this.#hasTurn()) await this.begin()
        await this.#sweeping?.catch(() => undefined) // Whoever began it hears of it.
        const scanDue = this.#scannedAtMs === undefined || clock.monotonic() - this.#scannedAtMs >= blobScanIntervalMs
        await this.#sweep(scanDue)
      } catch (error) {
        if (!signal.aborted) log('error', 'no sweep', { error: causeChain(error).join(': ') })
      }
      // The only reasons to reject are the stop and the end of the turn, which the loop sees.
      const ends = AbortSignal.any([signal, ...(this.#turn === undefined ? [] : [this.#turn.ended])])
      await clock.sleep(intervalMs, this.#hasTurn() ? ends : signal).catch(() => undefined)
    }
  }

  #hasTurn(): boolean {
    return this.#turn !== undefined && !this.#turn.ended.aborted
  }

  #requireTurn(): Turn {
    if (this.#turn !== undefined && this.#hasTurn() && this.#begun) return this.#turn
    throw new SupercargoError('unavailable', 'not-the-sweeper', 'this server does not sweep the store now', {
      hint: 'ask the replica that holds the lease, or try again in a moment',
    })
  }

  /** Only one at a time: whoever starts one has waited for the one before. */
  #sweep(scanBlobs: boolean): Promise<SweepOutcome> {
    const { clock } = this.#options
    if (scanBlobs) this.#scannedAtMs = clock.monotonic()
    const before = this.#sweeping?.catch(() => undefined) ?? Promise.resolve()
    this.#sweeping = before.then(() => this.#holding(() => this.#sweepOnce(scanBlobs)))
    return this.#sweeping
  }

  async #sweepOnce(scanBlobs: boolean): Promise<SweepOutcome> {
    const turn = this.#requireTurn()
    const { index, memory } = this
    const wasPaused = memory.pause !== null
    const signal = AbortSignal.any([this.#stopping.signal, turn.ended])
    const released = this.#released
    const options = { ...this.#options, index, memory, turn, scanBlobs, released, doomed: this.#doomed }
    const outcome = await sweep({ ...options, survey: this.#survey, retention: this.#retention }, signal)
    this.#note(outcome, released, wasPaused)
    if (scanBlobs && !outcome.counted) this.#scannedAtMs = undefined
    return outcome
  }

  #note(outcome: SweepOutcome, released: boolean, wasPaused: boolean): void {
    const { clock, log } = this.#options
    const { report, survey } = outcome
    this.#outcome = outcome
    this.#recent = [report, ...this.#recent].slice(0, recentSweepsMax)
    if (survey?.complete) {
      this.#completeAtMs = clock.monotonic()
      if (released) this.#released = false
    }
    this.#totals.condemned += report.condemned
    this.#totals.collected += report.collected
    this.#totals.revived += survey?.revived ?? 0
    const { pause } = this.memory
    if (pause !== null && !wasPaused) {
      if (pause.code === 'breaker') this.#totals.breakerTrips++
      log('error', 'collection stopped', { code: pause.code, reason: pause.reason })
    }
    const { errors, ...counts } = report
    log(errors.length > 0 ? 'warn' : 'info', 'sweep done', {
      ...counts,
      ...(survey !== undefined && Object.keys(survey.unknown).length > 0 && { unknownOwners: survey.unknown }),
      ...(this.#paused() !== null && { paused: this.#paused() }),
      ...(errors.length > 0 && { errors }),
    })
  }

  #paused(): string | null {
    return this.memory.pause?.reason ?? this.#survey.otherCluster
  }

  /** A fetch of what was condemned is a near miss: somebody needed it after all. */
  #apply(event: StoreEvent): UnnamedBlobs | undefined {
    const condemned = event.type === 'touched' ? this.index.get(event.id)?.condemned : undefined
    const unnamed = this.index.apply(event)
    if (condemned != null) {
      this.memory.nearMisses++
      this.memory.changed = true
      const fields = { resourceId: event.id, condemnedBecause: condemned.reason }
      this.#options.log('warn', 'a condemned resource was fetched and is kept', fields)
    }
    return unnamed
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
    // Where others write too, only a look at all records tells.
    if (this.#options.stored.shared) return this.#doomed.add(namespace, digests)
    // A damaged record may name them; the scan after its repair decides. So does the sweeper whose turn it is.
    if (digests.length === 0 || this.index.damaged.size > 0 || !this.#hasTurn()) return
    try {
      await this.#options.maintenance.removeBlobs(namespace, digests, this.index.sequence, this.#turn!.epoch)
    } catch (error) {
      this.#options.log('warn', 'blobs of a released resource stay until the next scan', {
        namespace,
        error: causeChain(error).join(': '),
      })
    }
  }
}
