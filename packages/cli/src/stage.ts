/** `supercargo stage`: files go to the server; the id and the secret come out. */
import { stat } from 'node:fs/promises'
import type { LocalPath, StagedResource } from '@supercargo/client'
import { claimLabel, describeOwner, formatBytes, formatDuration } from '@supercargo/protocol'
import { withClient } from './connect.ts'
import type { Run } from './invocation.ts'
import { type ChosenOwner, chooseOwner } from './owner-options.ts'
import { ProgressLine } from './progress.ts'
import { createSecretFile } from './read-secret.ts'
import type { Settings } from './settings.ts'
import { table } from './table.ts'

export const stage: Run = async ({ positionals, settings, io }) => {
  const chosen = chooseOwner(settings)
  const files = await Promise.all(positionals.map(readPath))
  const secretFile = settings.text('secret-file')
  const keeper = secretFile === undefined ? undefined : await createSecretFile(secretFile)
  const progress = new ProgressLine(io, settings.on('quiet'))
  try {
    const staged = await withClient(
      settings,
      (client) => client.stage({ owner: chosen.owners, files, signal: io.signal, onProgress: progress.update }),
      (text) => progress.note(text),
    )
    await keeper?.write(staged.resourceSecret)
    progress.note(summary(staged, progress.elapsedMs))
    io.stdout(settings.on('json') ? asJson(staged, chosen, settings) : asText(staged, chosen, settings))
    if (chosen.claim !== undefined && !settings.on('json')) progress.note(howToClaim(chosen))
  } finally {
    progress.clear()
    await keeper?.discard()
  }
  return 0
}

/** `TARGET=PATH`, unless a file of that very name exists. */
async function readPath(text: string): Promise<LocalPath> {
  const equals = text.indexOf('=')
  if (equals < 1) return { path: text }
  const literal = await stat(text).then(
    () => true,
    () => false,
  )
  return literal ? { path: text } : { path: text.slice(equals + 1), as: text.slice(0, equals).replace(/\/$/, '') }
}

function summary({ files, sentBytes }: StagedResource, elapsedMs: number): string {
  const total = files.reduce((sum, file) => sum + file.sizeBytes, 0)
  const rest = sentBytes < total ? ', the server had the rest' : ''
  return `sent ${formatBytes(sentBytes)} of ${formatBytes(total)} in ${formatDuration(elapsedMs)}${rest}`
}

function asJson(staged: StagedResource, chosen: ChosenOwner, settings: Settings): string {
  const { resourceId, resourceSecret, files, sentBytes } = staged
  return `${JSON.stringify({
    resourceId,
    ...(settings.text('secret-file') === undefined ? { resourceSecret: resourceSecret.reveal() } : {}),
    files,
    sentBytes,
    owner: chosen.owners,
  })}\n`
}

function asText(staged: StagedResource, chosen: ChosenOwner, settings: Settings): string {
  const facts = [
    `id      ${staged.resourceId}`,
    ...(settings.text('secret-file') === undefined ? [`secret  ${staged.resourceSecret.reveal()}`] : []),
    ...chosen.owners.map((owner) => `owner   ${describeOwner(owner)}`),
  ]
  const rows = staged.files.map((file) => [formatBytes(file.sizeBytes), file.digest.slice(0, 19), file.path])
  return `${facts.join('\n')}\n\n${table(['SIZE', 'DIGEST', 'PATH'], rows, [0])}`
}

function howToClaim({ claim, owners }: ChosenOwner): string {
  const namespace = owners[0]!.namespace
  return [
    'The files are kept for pods that carry the label',
    `  ${claimLabel}: ${claim}`,
    'Put it under metadata.labels of their manifest, or on a pod that runs:',
    `  kubectl label pod NAME -n ${namespace} ${claimLabel}=${claim}`,
  ].join('\n')
}
