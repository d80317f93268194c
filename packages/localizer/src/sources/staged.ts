/** Files of a staged resource: the manifest names them with size and digest, the server sends them one by one or in a bundle. */
import { createClient, type StagingClient } from '@supercargo/client'
import { type Secret, type StagedFile, SupercargoError } from '@supercargo/protocol'
import { type ProxyFor, trustContext } from '@supercargo/transfer'
import { openedAnswer } from './answer.ts'
import { type Redactor, readSecret } from './secret-text.ts'
import type { Facts, Opened, OpenedBundle, OpenOptions, Source, SourceItem } from './source.ts'

export interface StagedSourceOptions {
  readonly url: string
  readonly caFile?: string | undefined
  readonly idleTimeoutMs: number
  readonly redactor: Redactor
  readonly proxyFor?: ProxyFor | undefined
}

export interface StagedSource extends Source {
  /** What is in a resource. One try. */
  manifest(resource: string, secretFile: string, signal?: AbortSignal): Promise<readonly StagedFile[]>
}

export function createStagedSource(options: StagedSourceOptions): StagedSource {
  const client: StagingClient = createClient({
    server: options.url,
    trust: trustContext(options.caFile === undefined ? [] : [options.caFile]),
    idleTimeoutMs: options.idleTimeoutMs,
    proxyFor: options.proxyFor,
  })
  const secrets = new Map<string, Secret>()

  /** Runs a call with the secret; when it is refused and the file has another one by now, once more with that. */
  const withSecret = async <T>(file: string, call: (secret: Secret) => Promise<T>): Promise<T> => {
    const secret = secrets.get(file) ?? (await readSecret(file, options.redactor))
    secrets.set(file, secret)
    try {
      return await call(secret)
    } catch (error) {
      if (!(SupercargoError.is(error) && error.kind === 'denied')) throw error
      const current = await readSecret(file, options.redactor)
      secrets.set(file, current)
      if (current.reveal() === secret.reveal()) throw refused(error, file)
      return await call(current)
    }
  }

  return {
    ranges: true,
    identity: (item) => `staged ${options.url} ${stagedItem(item).resource} ${stagedItem(item).path}`,
    shown: (item) => `resource ${stagedItem(item).resource}/${stagedItem(item).path}`,
    // The manifest has told everything already.
    stat: async (): Promise<Facts> => ({}),
    open: async (item, open: OpenOptions): Promise<Opened> => {
      const { resource, secretFile, path } = stagedItem(item)
      const response = await withSecret(secretFile, (secret) =>
        client.openFile({ resourceId: resource, secret, path, ...open }),
      ).catch(rangeRefused)
      return openedAnswer(response, open)
    },
    bundle: async (item, { sizeBytesMax, signal }): Promise<OpenedBundle> => {
      const { resource, secretFile } = stagedItem(item)
      const response = await withSecret(secretFile, (secret) =>
        client.openBundle({ resourceId: resource, secret, sizeBytesMax, signal }),
      )
      return { stream: response.stream, discard: () => response.discard() }
    },
    manifest: async (resource, secretFile, signal) =>
      (await withSecret(secretFile, (secret) => client.manifest({ resourceId: resource, secret, signal }))).files,
    close: () => client.close(),
  }
}

function stagedItem(item: SourceItem): Extract<SourceItem, { kind: 'staged' }> {
  if (item.kind !== 'staged') throw new TypeError('not a staged file')
  return item
}

/** The server does not tell a wrong secret from an unknown resource, so neither can this. */
function refused(error: SupercargoError, file: string): SupercargoError {
  return new SupercargoError('denied', error.code, `${error.message} (with what is in ${file})`, {
    cause: error.cause,
    status: error.status,
    context: error.context,
    hint: error.hint ?? 'it does not open this resource, or the resource was released or collected',
  })
}

function rangeRefused(error: unknown): never {
  if (SupercargoError.is(error) && error.code === 'wrong-range')
    throw new SupercargoError('range', 'unusable-range', error.message, { cause: error })
  throw error
}
