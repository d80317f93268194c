/** A sweeper on the bench: a real store, a clock that moves when told, a cluster that answers as told. */
import { ManualClock } from '@supercargo/transfer'
import type { SweepOutcome } from '../collector/sweep.ts'
import { type CollectorSettings, Sweeper, type SweeperOptions } from '../collector/sweeper.ts'
import type { DiskStore } from '../store/disk-store.ts'
import { diskSurvey } from '../store/disk-survey.ts'
import type { RemoteMaintenance } from '../store/maintenance.ts'
import type { StoreEvent } from '../store/store-events.ts'
import { type DiskHarness, diskHarness } from './disk-harness.ts'
import { ScriptedLookup } from './scripted-lookup.ts'
import { noLimits } from './staging.ts'

export const intervalMs = 60_000
export const firstUseTimeoutMs = 1_800_000
export const absentGraceMs = 300_000
export const condemnedMs = 3_600_000
export const settings: CollectorSettings = {
  intervalMs,
  firstUseTimeoutMs,
  absentGraceMs,
  condemnedMs,
  breakerCount: 20,
  breakerFraction: 0.1,
  policies: [],
  dryRun: false,
}
/** Sweeps, one interval apart, after which the first-use timeout has passed: the first only starts the clock. */
export const needed = firstUseTimeoutMs / intervalMs + 1

export class SweeperBench {
  readonly harness: DiskHarness
  readonly clock = new ManualClock(Date.now())
  readonly lookup = new ScriptedLookup()
  readonly log: { level: string; message: string; fields: Readonly<Record<string, unknown>> }[] = []
  /** Resolves when the sweeper has taken note of all that happened in the store. */
  events: Promise<unknown> = Promise.resolve()
  #store: DiskStore | undefined
  #sweeper: Sweeper | undefined

  private constructor(harness: DiskHarness) {
    this.harness = harness
  }

  static async make(): Promise<SweeperBench> {
    return new SweeperBench(await diskHarness())
  }

  get store(): DiskStore {
    return this.#store!
  }

  get sweeper(): Sweeper {
    return this.#sweeper!
  }

  async start(options: Partial<SweeperOptions> = {}): Promise<void> {
    const onEvent = (event: StoreEvent) => {
      this.events = this.events.then(() => this.sweeper.apply([event]))
    }
    this.#store = await this.harness.openDisk({ limits: noLimits, clock: this.clock, onEvent })
    this.#sweeper = new Sweeper({
      stored: diskSurvey(this.harness.directory),
      lookup: this.lookup,
      maintenance: remote(this.store),
      clock: this.clock,
      hasCluster: true,
      ...settings,
      log: (level, message, fields) => this.log.push({ level, message, fields }),
      ...options,
    })
    // Sweeps are asked for by the tests; the schedule has a test of its own.
    await this.sweeper.index.build(this.store.maintenance.sequence(), this.store.maintenance.uploads())
    await this.sweeper.begin()
  }

  async restart(options: Partial<SweeperOptions> = {}, meanwhile = async () => undefined as unknown): Promise<void> {
    await this.sweeper.stop()
    await this.events
    await this.store.close()
    await meanwhile()
    await this.start(options)
  }

  /** `count` sweeps, one interval apart; the last one's outcome. */
  async sweeps(count: number): Promise<SweepOutcome> {
    let outcome = await this.sweeper.sweepNow()
    await this.events
    for (let done = 1; done < count; done++) {
      this.clock.advance(intervalMs)
      outcome = await this.sweeper.sweepNow()
      await this.events
    }
    return outcome
  }

  async clear(): Promise<void> {
    await this.sweeper.stop()
    await this.store.close()
    await this.harness.remove()
  }
}

/** As from another thread: every answer a promise. */
export function remote({ maintenance }: Pick<DiskStore, 'maintenance'>): RemoteMaintenance {
  const methods = new Proxy(
    {},
    {
      get:
        (_, method: keyof typeof maintenance) =>
        async (...parameters: never[]) =>
          (maintenance[method] as (...all: never[]) => unknown)(...parameters),
    },
  )
  return methods as RemoteMaintenance
}
