/** `supercargo resources …`: what is staged, by whom, why it is kept, and its release. */
import { describeOwner, formatBytes, formatDuration, type ListingRow } from '@supercargo/protocol'
import { resourceSecret, withClient } from './connect.ts'
import type { Invocation, Run } from './invocation.ts'
import { table } from './table.ts'

export const listResources: Run = async ({ settings, io }) => {
  const resources = await withClient(settings, async (client) => {
    const rows: ListingRow[] = []
    let more: string | undefined
    do {
      const page = await client.list({ namespace: settings.text('namespace'), continue: more, signal: io.signal })
      rows.push(...page.resources)
      more = page.continue
    } while (more !== undefined)
    return rows
  })
  if (settings.on('json')) io.stdout(`${JSON.stringify({ resources })}\n`)
  else if (resources.length > 0) {
    const header = ['ID', 'OWNER', 'BY', 'STATE', 'FILES', 'SIZE', 'AGE', 'REASON']
    const rows = resources.map((row) => [
      row.resourceId,
      row.owner.map(describeOwner).join('; '),
      row.principal ?? '-',
      row.state,
      String(row.files),
      formatBytes(row.sizeBytes),
      ageOf(row.createdAt, io.clock.now()),
      row.reason,
    ])
    io.stdout(table(header, rows, [4, 5, 6]))
  } else if (!settings.on('quiet')) io.stderr('nothing is staged\n')
  return 0
}

export const showResource: Run = async (invocation) => {
  const { settings, io } = invocation
  const manifest = await withClient(settings, async (client) => client.manifest(await resourceCall(invocation)))
  if (settings.on('json')) {
    io.stdout(`${JSON.stringify(manifest)}\n`)
    return 0
  }
  const facts = [
    `id       ${manifest.resourceId}`,
    ...manifest.owner.map((owner) => `owner    ${describeOwner(owner)}`),
    `created  ${manifest.createdAt}`,
  ]
  const rows = manifest.files.map((file) => [formatBytes(file.sizeBytes), file.digest, file.path])
  io.stdout(`${facts.join('\n')}\n\n${table(['SIZE', 'DIGEST', 'PATH'], rows, [0])}`)
  return 0
}

export const explainResource: Run = async (invocation) => {
  const { settings, io } = invocation
  const said = await withClient(settings, async (client) => client.explain(await resourceCall(invocation)))
  if (settings.on('json')) {
    io.stdout(`${JSON.stringify(said)}\n`)
    return 0
  }
  const lines = [
    `id        ${said.resourceId}`,
    `state     ${said.state}`,
    `verdict   ${said.verdict}`,
    `reason    ${said.reason}`,
    `since     ${said.since}`,
    ...said.evidence.map((line, index) => `${index === 0 ? 'evidence' : '        '}  ${line}`),
  ]
  io.stdout(`${lines.join('\n')}\n`)
  return 0
}

export const releaseResource: Run = async (invocation) => {
  const { settings, io, positionals } = invocation
  await withClient(settings, async (client) => client.release(await resourceCall(invocation)))
  if (settings.on('json')) io.stdout(`${JSON.stringify({ resourceId: positionals[0], released: true })}\n`)
  else if (!settings.on('quiet')) io.stderr(`released ${positionals[0]}\n`)
  return 0
}

async function resourceCall({ positionals, settings, io }: Invocation) {
  return { resourceId: positionals[0]!, secret: await resourceSecret(settings), signal: io.signal }
}

function ageOf(instant: string, nowMs: number): string {
  const ms = Math.max(0, nowMs - Date.parse(instant))
  return ms < 1000 ? 'now' : formatDuration(Math.floor(ms / 1000) * 1000)
}
