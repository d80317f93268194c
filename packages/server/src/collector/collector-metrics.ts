/** The collector as Prometheus sees it: one question to its thread for each scrape. */
import type { CollectorStatus } from '@supercargo/protocol'
import { Gauge, type Registry } from 'prom-client'
import { pauseCodes } from './collector-state.ts'

type Figure = (status: CollectorStatus) => number | undefined
type LabelledFigure = (status: CollectorStatus) => Readonly<Record<string, number>>

const sweep =
  (figure: (report: NonNullable<CollectorStatus['lastSweep']>) => number): Figure =>
  ({ lastSweep }) =>
    lastSweep === null ? undefined : figure(lastSweep)

const figures: readonly (readonly [string, string, Figure])[] = [
  [
    'sweep_last_start_seconds',
    'When the last sweep began, seconds since 1970.',
    sweep(({ startedAt }) => Date.parse(startedAt) / 1000),
  ],
  ['sweep_duration_seconds', 'Duration of the last sweep.', sweep(({ durationMs }) => durationMs / 1000)],
  ['sweep_freed_bytes', 'Bytes of orphan blobs that the last sweep freed.', sweep(({ freedBytes }) => freedBytes)],
  ['sweep_errors', 'Errors of the last sweep.', sweep(({ errors }) => errors.length)],
  ['sweep_requests', 'Requests for lists of the last sweep.', sweep(({ requests }) => requests)],
  ['sweep_paused', '1 while collection is stopped.', ({ paused }) => Number(paused !== null)],
  [
    'complete_sweep_age_seconds',
    'Since a sweep had an answer for all that the cluster can answer; absent without a cluster.',
    ({ completeSweepAgeMs }) => (completeSweepAgeMs === null ? undefined : completeSweepAgeMs / 1000),
  ],
  ['collector_sweeping', '1 while this replica sweeps.', ({ sweeping }) => Number(sweeping)],
  ['collector_dry_run', '1 when nothing is collected because it is a dry run.', ({ dryRun }) => Number(dryRun)],
  ['condemned_total', 'Resources that were condemned since the process began.', ({ totals }) => totals.condemned],
  ['collected_total', 'Resources that were collected since the process began.', ({ totals }) => totals.collected],
  [
    'revived_total',
    'Condemned resources whose owner came back since the process began.',
    ({ totals }) => totals.revived,
  ],
  [
    'near_misses_total',
    'Condemned resources that somebody fetched since the store began.',
    ({ totals }) => totals.nearMisses,
  ],
  [
    'breaker_trips_total',
    'Sweeps that the breaker stopped since the process began.',
    ({ totals }) => totals.breakerTrips,
  ],
]

const labelled: readonly (readonly [string, string, string, LabelledFigure])[] = [
  ['resources', 'state', 'Resources by state, as the last sweep found them.', ({ states }) => states],
  ['sweep_verdicts', 'verdict', 'Resources by the verdict of the last sweep.', verdicts],
  [
    'unknown_owners',
    'code',
    'Owners of which nobody can say whether they are there, by the code of the reason.',
    ({ unknownOwners }) => unknownOwners,
  ],
  ['collection_paused', 'code', '1 for the reason for which collection is stopped.', pauses],
]

/** Registers the gauges; the function returned sets them, to nothing but `collector_up 0` when the collector does not answer. */
export function collectorGauges(registry: Registry): (status: CollectorStatus | undefined) => void {
  const registers = [registry]
  const up = new Gauge({ name: 'supercargo_collector_up', help: '1 when the collector answers.', registers })
  const setters = figures.map(([name, help, figure]) => {
    const gauge = new Gauge({ name: `supercargo_${name}`, help, registers })
    return (status: CollectorStatus | undefined) => {
      const value = status && figure(status)
      gauge.remove()
      if (value !== undefined) gauge.set(value)
    }
  })
  const labelledSetters = labelled.map(([name, label, help, figure]) => {
    const gauge = new Gauge({ name: `supercargo_${name}`, help, labelNames: [label], registers })
    return (status: CollectorStatus | undefined) => {
      gauge.reset()
      for (const [value, count] of Object.entries((status && figure(status)) ?? {}))
        gauge.set({ [label]: value }, count)
    }
  })
  return (status) => {
    up.set(Number(status !== undefined))
    for (const set of [...setters, ...labelledSetters]) set(status)
  }
}

function verdicts({ lastSweep }: CollectorStatus): Readonly<Record<string, number>> {
  if (lastSweep === null) return {}
  const { kept, condemned, collected, spared } = lastSweep
  return { keep: kept - condemned, condemn: condemned, collect: collected, spare: spared }
}

function pauses({ pauseCode }: CollectorStatus): Readonly<Record<string, number>> {
  return Object.fromEntries([...pauseCodes, 'other-cluster'].map((code) => [code, Number(code === pauseCode)]))
}
