/** `supercargo store …`: the check of a store, and its copy into another. */
import { formatBytes, formatDuration, kindTable } from '@supercargo/protocol'
import {
  type BucketAccess,
  type CopyReport,
  copyStoreAt,
  type StoreFault,
  type VerifyReport,
  verifyStoreAt,
} from '@supercargo/server'
import type { Run } from './invocation.ts'
import type { Io } from './io.ts'
import { ProgressLine } from './progress.ts'
import { type Settings, usageError } from './settings.ts'
import { table } from './table.ts'

export const verifyStoreCommand: Run = async ({ settings, io }) => {
  const store = settings.text('store')
  if (store === undefined)
    throw usageError('store verify needs a store', 'name its directory, or s3://bucket/prefix, with --store')
  const [readOnly, repair] = [settings.on('read-only'), settings.on('repair')]
  if (readOnly && repair)
    throw usageError('--repair changes the store, --read-only does not', 'stop the server to repair its store')
  const progress = new ProgressLine(io, settings.on('quiet'))
  const onProgress = (done: { bytes: number; bytesTotal: number }): void =>
    progress.update({ phase: 'hashing', ...done })
  try {
    const report = await verifyStoreAt({
      ...{ store, readOnly, repair, onProgress, access: bucketAccess(settings, io) },
      ...{ signal: io.signal, clock: io.clock },
    })
    progress.clear()
    io.stdout(settings.on('json') ? `${JSON.stringify(report)}\n` : verifiedText(report))
    progress.note(`read ${formatBytes(report.bytes)} in ${formatDuration(progress.elapsedMs)}`)
    return exitCodeFor(report.faults)
  } finally {
    progress.clear()
  }
}

export const copyStoreCommand: Run = async ({ settings, io }) => {
  const [from, to] = [settings.text('from'), settings.text('to')]
  if (from === undefined || to === undefined)
    throw usageError('store copy needs two stores', 'name them with --from and --to')
  const progress = new ProgressLine(io, settings.on('quiet'))
  const onProgress = (done: { bytes: number; bytesTotal: number }): void =>
    progress.update({ phase: 'sending', ...done })
  try {
    const report = await copyStoreAt({
      ...{ from, to, onProgress, access: bucketAccess(settings, io) },
      ...{ signal: io.signal, clock: io.clock },
    })
    progress.clear()
    io.stdout(settings.on('json') ? `${JSON.stringify(report)}\n` : copiedText(report))
    progress.note(`copied ${formatBytes(report.sentBytes)} in ${formatDuration(progress.elapsedMs)}`)
    return exitCodeFor(report.faults)
  } finally {
    progress.clear()
  }
}

/** As `serve` asks its bucket. */
function bucketAccess(settings: Settings, { env: environment }: Io): BucketAccess {
  const style = settings.text('store-path-style')
  return {
    environment,
    endpoint: settings.text('store-endpoint'),
    region: settings.text('store-region'),
    pathStyle: style === undefined ? undefined : style === 'true',
    caFile: settings.text('store-ca-file'),
  }
}

/** What is damaged was named on stdout: the command itself did what it was to do. */
function exitCodeFor(faults: readonly StoreFault[]): number {
  return faults.length === 0 ? 0 : kindTable.corrupt.exitCode
}

function verifiedText(report: VerifyReport): string {
  const { resources, openUploads, blobs, bytes, names, faults, leftovers, leftoversTotal } = report
  const summary = [
    `store     ${report.store}`,
    `holds     ${resources} resources, ${blobs} blobs (${formatBytes(bytes)}), ${names} names, ${openUploads} open uploads`,
    `damaged   ${faults.length === 0 ? 'nothing' : faults.length}`,
    `left over ${leftoversTotal === 0 ? 'nothing' : `${leftoversTotal}; a running server removes what is its own`}`,
  ]
  const left =
    leftovers.length === 0
      ? ''
      : `\n${table(
          ['LEFT OVER', 'WHERE'],
          leftovers.map(({ code, at }) => [code, at]),
        )}`
  return `${summary.join('\n')}\n${faultTable(faults)}${left}`
}

function copiedText({ copied, present, names, tokens, openUploads, faults }: CopyReport): string {
  const summary = [
    `copied    ${copied} resources, ${names} names, ${tokens} tokens`,
    `there     ${present} resources already`,
    ...(openUploads === 0 ? [] : [`left      ${openUploads} open uploads, which are no resources yet`]),
    `damaged   ${faults.length === 0 ? 'nothing' : `${faults.length}, not copied`}`,
  ]
  return `${summary.join('\n')}\n${faultTable(faults)}`
}

function faultTable(faults: readonly StoreFault[]): string {
  if (faults.length === 0) return ''
  const rows = faults.map(({ code, at, detail, resourceIds, quarantine }) => [
    code,
    at,
    quarantine === undefined ? detail : `${detail}; set aside in ${quarantine}`,
    resourceIds.length === 0 ? '-' : resourceIds.join(', '),
  ])
  return `\n${table(['DAMAGED', 'WHERE', 'HOW', 'RESOURCES'], rows)}`
}
