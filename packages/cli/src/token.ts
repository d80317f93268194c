/** `supercargo token …`: the paths with which stock Spark uploads: created, listed, revoked. */
import { formatBytes, formatDuration, parseDuration, parseSize, Secret, type TokenRow } from '@supercargo/protocol'
import { withClient } from './connect.ts'
import type { Run } from './invocation.ts'
import { createSecretFile } from './read-secret.ts'
import { usageError } from './settings.ts'
import { table } from './table.ts'

export const createToken: Run = async ({ settings, io }) => {
  const namespace = settings.text('namespace')
  if (namespace === undefined) throw usageError('a token is for one namespace', 'name it with -n')
  const expiresIn = settings.text('expires-in')
  const bytesMax = settings.text('bytes-max')
  const note = settings.text('note')
  const pathFile = settings.text('path-file')
  const keeper = pathFile === undefined ? undefined : await createSecretFile(pathFile)
  try {
    const { uploadPath, ...created } = await withClient(settings, async (client) => {
      const { name, token, path } = await client.createToken({
        namespace,
        ...(expiresIn === undefined
          ? {}
          : { expiresAt: new Date(io.clock.now() + parseDuration(expiresIn)).toISOString() }),
        ...(bytesMax === undefined ? {} : { bytesMax: parseSize(bytesMax) }),
        ...(note === undefined ? {} : { note }),
        signal: io.signal,
      })
      return { name, token, path, uploadPath: hadoopAddress(client.server, path) }
    })
    await keeper?.write(new Secret(uploadPath))
    if (settings.on('json'))
      io.stdout(`${JSON.stringify(keeper === undefined ? { ...created, uploadPath } : { name: created.name })}\n`)
    else if (keeper === undefined) io.stdout(`${uploadPath}\n`)
    if (!settings.on('json') && !settings.on('quiet')) io.stderr(`${howToUse(created.name)}\n`)
  } finally {
    await keeper?.discard()
  }
  return 0
}

export const listTokens: Run = async ({ settings, io }) => {
  const call = { namespace: settings.text('namespace'), signal: io.signal }
  const { tokens } = await withClient(settings, (client) => client.listTokens(call))
  if (settings.on('json')) io.stdout(`${JSON.stringify({ tokens })}\n`)
  else if (tokens.length > 0) io.stdout(asTable(tokens, io.clock.now()))
  else if (!settings.on('quiet')) io.stderr('there are no tokens\n')
  return 0
}

export const revokeToken: Run = async ({ positionals, settings, io }) => {
  const name = positionals[0]!
  await withClient(settings, (client) => client.revokeToken({ name, signal: io.signal }))
  if (settings.on('json')) io.stdout(`${JSON.stringify({ name, revoked: true })}\n`)
  else if (!settings.on('quiet')) io.stderr(`revoked ${name}\n`)
  return 0
}

/** Hadoop has ports of its own by default, so the port is always said; and it knows no prefix before its own. */
function hadoopAddress({ protocol, hostname, port }: URL, path: string): string {
  return protocol === 'https:'
    ? `swebhdfs://${hostname}:${port === '' ? 443 : port}${path}`
    : `webhdfs://${hostname}:${port === '' ? 80 : port}${path}`
}

function howToUse(name: string): string {
  return [
    'The value of spark.kubernetes.file.upload.path, in spark-defaults.conf or after --conf.',
    'Whoever knows it can upload, read and remove what is below it. To end it:',
    `  supercargo token revoke ${name}`,
  ].join('\n')
}

function asTable(tokens: readonly TokenRow[], nowMs: number): string {
  const rows = tokens.map(({ name, namespace, bytes, bytesMax, expiresAt, note }) => [
    name,
    namespace,
    formatBytes(bytes),
    bytesMax === null ? '' : formatBytes(bytesMax),
    expiresAt === null ? 'never' : endOf(expiresAt, nowMs),
    note ?? '',
  ])
  return table(['NAME', 'NAMESPACE', 'USED', 'QUOTA', 'ENDS', 'NOTE'], rows, [2, 3])
}

function endOf(expiresAt: string, nowMs: number): string {
  const leftMs = Date.parse(expiresAt) - nowMs
  return leftMs <= 0 ? 'ended' : `in ${formatDuration(Math.ceil(leftMs / 1000) * 1000)}`
}
