/** The first page: who stages what, how full the store is, how the collector does, and the release of a stopped one. */
import { type CollectorStatus, formatBytes, formatDuration } from '@supercargo/protocol'
import type { Store, StoreLimits } from '../../store/store.ts'
import { framed, type Visitor } from './frame.ts'
import { type Html, html } from './html.ts'
import { ago, deed, facts, quoted, share, state, table } from './show.ts'

export interface Overview {
  readonly visitor: Visitor
  readonly status: CollectorStatus
  readonly usage: ReturnType<Store['usage']>
  readonly limits: Pick<StoreLimits, 'storeBytesMax' | 'namespaceBytesMax'>
  /** Undefined where the store is no disk. */
  readonly freeBytes: number | undefined
  readonly nowMs: number
}

export function overviewPage(overview: Overview): Html {
  return framed(
    { title: 'Overview', current: 'overview', visitor: overview.visitor },
    html`${stopped(overview)}
${store(overview)}
${namespaces(overview)}
${stagers(overview)}
${collector(overview)}`,
  )
}

function stopped({ status: { paused, pauseCode }, visitor }: Overview): Html | undefined {
  if (paused === null) return undefined
  const howToGoOn =
    pauseCode === 'other-cluster'
      ? html`<p>It goes on by itself when the server reaches its own cluster again.</p>`
      : html`<p>If that is as it should be, let it go on. What it then collects is gone for good.</p>
${deed('collector-release', visitor.key, 'Let collection go on once')}`
  return html`<section class="notice alarm" aria-labelledby="stopped">
<h2 id="stopped">Collection is stopped</h2>
<p>${paused}</p>
${howToGoOn}
</section>`
}

function store({ status, usage, limits, freeBytes }: Overview): Html {
  return html`<h2>How full</h2>
${facts([
  ['Stored', share(usage.bytes, limits.storeBytesMax)],
  ['Promised', `${formatBytes(usage.reservedBytes)} to ${usage.openUploads} open uploads`],
  ...(freeBytes === undefined ? [] : [['Free on the disk', formatBytes(freeBytes)] as const]),
  ['Resources', `${status.usage.resources}, made of ${status.usage.blobs} different blobs`],
])}`
}

function namespaces({ usage, limits }: Overview): Html {
  const rows = Object.entries(usage.namespaces)
    .sort(([, a], [, b]) => b - a)
    .map(([name, bytes]) => [
      html`<a href="resources?namespace=${name}">${name}</a>`,
      share(bytes, limits.namespaceBytesMax),
    ])
  if (rows.length === 0) return html`<p class="quiet">Nothing is stored.</p>`
  return table('Bytes on the store, by namespace', [{ title: 'Namespace' }, { title: 'Stored' }], rows)
}

function stagers({ status }: Overview): Html {
  const rows = status.stagers.map(({ namespace, principal, resources, sizeBytes }) => [
    html`<a href="resources?namespace=${namespace}">${namespace}</a>`,
    principal === null ? html`<span class="quiet">nobody was asked</span>` : quoted(principal),
    resources,
    formatBytes(sizeBytes),
  ])
  const columns = [
    { title: 'Namespace' },
    { title: 'By' },
    { title: 'Resources', numeric: true },
    { title: 'Size', numeric: true },
  ] as const
  return html`<h2>Who stages</h2>
${
  rows.length === 0
    ? html`<p class="quiet">Nobody has anything staged.</p>`
    : table('Files that several resources share count for each', columns, rows)
}`
}

function collector(overview: Overview): Html {
  const { status, nowMs } = overview
  const { lastSweep, totals } = status
  return html`<h2>Collector</h2>
${facts([
  ['Collection', collection(status)],
  ['Cluster', status.cluster ?? 'none: nothing is collected for the absence of its owner'],
  [
    'Last sweep',
    lastSweep === null
      ? 'none yet'
      : html`${ago(lastSweep.startedAt, nowMs)}, took ${formatDuration(lastSweep.durationMs)}, ${lastSweep.errors.length === 0 ? 'without errors' : html`<a href="sweeps">${lastSweep.errors.length} errors</a>`}`,
  ],
  [
    'Since the start',
    `${totals.condemned} condemned, ${totals.collected} collected, ${totals.revived} revived, ${totals.breakerTrips} stops`,
  ],
  ['Fetched after they were condemned', totals.nearMisses],
  ...Object.entries(status.unknownOwners).map(
    ([code, owners]) => [`Unknown: ${code}`, `${owners} owners, whose resources are kept`] as const,
  ),
])}
${kinds(status)}`
}

function collection({ paused, dryRun, sweeping, completeSweepAgeMs }: CollectorStatus): string {
  if (paused !== null) return 'is stopped'
  if (!sweeping) return 'is the work of another replica'
  if (dryRun) return 'is a dry run: nothing is collected'
  if (completeSweepAgeMs === null) return 'runs, without a cluster'
  const ageMs = Math.floor(completeSweepAgeMs / 1000) * 1000
  return `runs; everything was last seen ${ageMs === 0 ? 'just now' : `${formatDuration(ageMs)} ago`}`
}

function kinds({ kinds, states }: CollectorStatus): Html | undefined {
  const names = Object.keys(states) as (keyof typeof states)[]
  const rows = Object.entries(kinds)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([kind, counts]) => [quoted(kind), ...names.map((name) => counts[name])])
  if (rows.length === 0) return undefined
  const all = [html`<strong>all</strong>`, ...names.map((name) => states[name])]
  const columns = [{ title: 'Owner' }, ...names.map((title) => ({ title, numeric: true }) as const)]
  return html`${table('Resources by the kind of their owner and their state', columns, [...rows, all])}
<p>Show ${names.map((name) => html`<a href="resources?state=${name}">${state(name)}</a> `)}</p>`
}
