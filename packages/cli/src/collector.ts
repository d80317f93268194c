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

function asText({ cluster, lastSweep, paused, usage }: CollectorStatus, nowMs: number): string {
  const facts: [string, string][] = [
    ['cluster', cluster ?? 'none: nothing is collected for the absence of its owner'],
    ['collection', paused === null ? 'runs' : `is stopped: ${paused}`],
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
    facts.push(
      ['last sweep', `${formatDuration(agoMs)} ago, took ${formatDuration(lastSweep.durationMs)}`],
      ['', `${lastSweep.examined} examined, ${lastSweep.kept} kept, ${lastSweep.collected} collected`],
      [
        '',
        `${lastSweep.abandonedUploads} abandoned uploads and ${lastSweep.orphanBlobs} orphan blobs removed, ${formatBytes(lastSweep.freedBytes)} freed`,
      ],
      ...lastSweep.errors.map((error): [string, string] => ['error', error]),
    )
  }
  return facts.map(([name, text]) => `${name.padEnd(12)}${text}\n`).join('')
}
