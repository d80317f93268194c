/** The latest sweeps of the collector, with what they could not do. */
import { type CollectorStatus, formatBytes, formatDuration } from '@supercargo/protocol'
import { framed, type Visitor } from './frame.ts'
import { type Html, html } from './html.ts'
import { ago, quoted, table } from './show.ts'

export interface SweepsView {
  readonly visitor: Visitor
  readonly status: Pick<CollectorStatus, 'recentSweeps'>
  readonly nowMs: number
}

const columns = [
  { title: 'Began' },
  { title: 'Took', numeric: true },
  { title: 'Examined', numeric: true },
  { title: 'Kept', numeric: true },
  { title: 'Condemned', numeric: true },
  { title: 'Spared', numeric: true },
  { title: 'Collected', numeric: true },
  { title: 'Uploads dropped', numeric: true },
  { title: 'Orphans', numeric: true },
  { title: 'Freed', numeric: true },
  { title: 'Requests', numeric: true },
  { title: 'Errors' },
] as const

export function sweepsPage({ visitor, status: { recentSweeps }, nowMs }: SweepsView): Html {
  const rows = recentSweeps.map((sweep) => [
    ago(sweep.startedAt, nowMs),
    formatDuration(sweep.durationMs),
    sweep.examined,
    sweep.kept,
    sweep.condemned,
    sweep.spared,
    sweep.collected,
    sweep.abandonedUploads,
    sweep.orphanBlobs,
    formatBytes(sweep.freedBytes),
    sweep.requests,
    sweep.errors.length === 0 ? 'none' : errors(sweep.errors),
  ])
  return framed(
    { title: 'Sweeps', current: 'sweeps', visitor },
    rows.length === 0
      ? html`<p class="quiet">None yet.</p>`
      : table('The latest sweeps since the server began, the newest first', columns, rows),
  )
}

function errors(messages: readonly string[]): Html {
  return html`<details><summary>${messages.length}</summary><ul>${messages.map((message) => html`<li>${quoted(message)}</li>`)}</ul></details>`
}
