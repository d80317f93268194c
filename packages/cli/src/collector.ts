/** `supercargo collector …`: the last sweep, and the release of a stopped one. */
import { type CollectorStatus, formatBytes, formatDuration } from '@supercargo/protocol'
import { withClient } from './connect.ts'
import type { Run } from './invocation.ts'

export const collectorStatus: Run = async ({ settings, io }) => {
  const status = await withClient(settings, (client) => client.collectorStatus(io.signal))
  io.stdout(settings.on('json') ? `${JSON.stringify(status)}\n` : asText(status, io.clock.now()))
  return 0
}

export const collectorRelease: Run = async ({ settings, io }) => {
  await withClient(settings, (client) => client.collectorRelease(io.signal))
  if (settings.on('json')) io.stdout(`${JSON.stringify({ released: true })}\n`)
  else if (!settings.on('quiet')) io.stderr('the collector goes on\n')
  return 0
}

function asText(status: CollectorStatus, nowMs: number): string {
  const { cluster, lastSweep, paused, usage, totals, unknownOwners } = status
  const facts: [string, string][] = [
    ['cluster', cluster ?? 'none: nothing is collected for the absence of its owner'],
    ['collection', collection(status)],
    ...(paused === null ? [] : [['', howToGoOn(status)] as [string, string]]),
    ['resources', counts(status.states)],
    ['', `${totals.collected} collected, ${totals.nearMisses} fetched after they were condemned`],
    ...Object.entries(unknownOwners).map(([code, owners]): [string, string] => [
      'unknown',
      `${owners} owners: ${code}`,
    ]),
    [
      'usage',
      `${usage.resources} resources, ${usage.blobs} blobs, ${formatBytes(usage.bytes)} (and ${formatBytes(usage.reservedBytes)} reserved)`,
    ],
    ...Object.entries(usage.namespaces).map(([name, bytes]): [string, string] => [
      '',
      `${name}: ${formatBytes(bytes)}`,
    ]),
  ]
  if (lastSweep === null) facts.push(['last sweep', 'none yet'])
  else {
    const agoMs = Math.max(0, nowMs - Date.parse(lastSweep.startedAt))
    const { examined, kept, condemned, collected, abandonedUploads, orphanBlobs, freedBytes, errors } = lastSweep
    facts.push(
      ['last sweep', `${formatDuration(agoMs)} ago, took ${formatDuration(lastSweep.durationMs)}`],
      ['', `${examined} examined, ${kept} kept (${condemned} of them condemned), ${collected} collected`],
      [
        '',
        `${abandonedUploads} abandoned uploads and ${orphanBlobs} orphan blobs removed, ${formatBytes(freedBytes)} freed`,
      ],
      ...errors.map((error): [string, string] => ['error', error]),
    )
  }
  return facts.map(([name, text]) => `${name.padEnd(12)}${text}\n`).join('')
}

function collection({ paused, dryRun, sweeping, completeSweepAgeMs }: CollectorStatus): string {
  if (paused !== null) return `is stopped: ${paused}`
  if (!sweeping) return 'is the work of another replica'
  if (dryRun) return 'is a dry run: nothing is collected'
  if (completeSweepAgeMs === null) return 'runs, without a cluster'
  return `runs; everything was last seen ${formatDuration(Math.floor(completeSweepAgeMs / 1000) * 1000)} ago`
}

function howToGoOn({ pauseCode }: CollectorStatus): string {
  if (pauseCode === 'other-cluster') return 'it goes on by itself when the server reaches its own cluster again'
  return 'when that is as it should be: supercargo collector release'
}

function counts(states: CollectorStatus['states']): string {
  return Object.entries(states)
    .map(([state, count]) => `${count} ${state}`)
    .join(', ')
}
