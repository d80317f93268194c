/** A client of the staging server from the options that all commands share. */
import { createClient, type StagingClient } from '@supercargo/client'
import { defaultServer, formatDuration, type Secret } from '@supercargo/protocol'
import { proxiesOf, trustContext } from '@supercargo/transfer'
import { readSecret } from './read-secret.ts'
import type { Settings } from './settings.ts'
import { usageError } from './settings.ts'
import { version } from './version.ts'

/**
 * Runs `work` with a client and closes its connections at the end. `note` hears of tries that failed and will be repeated.
 * `given` wins over the settings.
 */
export async function withClient<T>(
  settings: Settings,
  work: (client: StagingClient) => Promise<T>,
  note?: (text: string) => void,
  given: { readonly server?: string; readonly caFile?: string | undefined } = {},
): Promise<T> {
  const caFile = given.caFile ?? settings.text('ca-file')
  const tokenFile = settings.text('token-file')
  const client = createClient({
    server: given.server ?? settings.text('server') ?? defaultServer,
    proxyFor: proxiesOf(settings.environment),
    trust: trustContext(caFile === undefined ? [] : [caFile]),
    token: tokenFile === undefined ? undefined : await readSecret(tokenFile),
    userAgent: `supercargo/${version}`,
    onRetry: (failure, _attempt, delayMs) =>
      note?.(`${failure.message}; trying again ${delayMs === 0 ? 'at once' : `in ${formatDuration(delayMs)}`}`),
  })
  try {
    return await work(client)
  } finally {
    client.close()
  }
}

/** The secret of --secret-file; undefined when --token-file is to decide. One of them is needed. */
export async function resourceSecret(settings: Settings): Promise<Secret | undefined> {
  const file = settings.text('secret-file')
  if (file !== undefined) return await readSecret(file)
  if (settings.text('token-file') !== undefined) return undefined
  throw usageError('a resource opens with its secret', 'name its file with --secret-file')
}
