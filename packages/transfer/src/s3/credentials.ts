/** Credentials for a bucket: the providers are tried in order, the result is kept until it ends, and may be asked for anew. */
import { type Environment, SupercargoError } from '@supercargo/protocol'
import { abortReason } from '../clock.ts'
import type { CredentialSettings, ProviderName } from './settings.ts'

export interface Credentials {
  /** Where they come from, for messages. */
  readonly from: string
  /** Undefined: requests are not signed. */
  readonly keys: Keys | undefined
}

export interface Keys {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string | undefined
  readonly expiration?: Date | undefined
}

export interface CredentialOptions {
  readonly environment: Environment
  /** Of the bucket; a token service is asked in the same. */
  readonly region: string
  /** Milliseconds since the epoch. */
  readonly now: () => number
  /** Hears of every secret. */
  readonly learned: (secret: string) => void
}

/** Keys that end sooner than this are asked for anew. */
const expiryMarginMs = 120_000
/** Of an answer from this machine's metadata service: it is near, or not there. */
const metadataTimeoutMs = 1000

const shownNames: Readonly<Record<ProviderName, string>> = {
  temporary: 'fs.s3a.session.token',
  simple: 'fs.s3a.access.key',
  environment: 'AWS_ACCESS_KEY_ID',
  anonymous: 'nobody (unsigned)',
  instance: 'the instance profile',
  container: 'the container credentials',
  'web-identity': 'the web identity token',
  profile: 'the AWS profile',
  'assumed-role': 'the assumed role',
  'standard-chain': "AWS's standard chain",
}

/** Keys, or why there are none: a text for what is not there, an error for what failed. */
type Provide = () => Promise<Keys | 'unsigned' | string>

export class CredentialChain {
  readonly #settings: CredentialSettings
  readonly #options: CredentialOptions
  #current: Promise<Credentials> | undefined

  constructor(settings: CredentialSettings, options: CredentialOptions) {
    this.#settings = settings
    this.#options = options
  }

  /** Rejects with kind `denied` when no provider has any, with a line about each; `unavailable` when one may have later. */
  async get(signal?: AbortSignal): Promise<Credentials> {
    const found = this.#current ?? this.#ask()
    this.#current = found
    const credentials = await unlessAborted(found, signal)
    const end = credentials.keys?.expiration?.getTime()
    if (end === undefined || end - expiryMarginMs > this.#options.now()) return credentials
    if (this.#current === found) this.#current = this.#ask()
    return await unlessAborted(this.#current, signal)
  }

  /** After these were refused: others, when there are others by now. */
  async renewed(refused: Credentials, signal?: AbortSignal): Promise<Credentials | undefined> {
    const held = await this.get(signal)
    if (!same(held, refused)) return held
    this.#current = this.#ask()
    const asked = await unlessAborted(this.#current, signal)
    return same(asked, refused) ? undefined : asked
  }

  #ask(): Promise<Credentials> {
    const asking = firstOf(this.#settings.providers, this.#settings, this.#options)
    asking.catch(() => {
      // Whoever waits for it hears of it; the next one asks again.
      if (this.#current === asking) this.#current = undefined
    })
    return asking
  }
}

async function firstOf(
  names: readonly ProviderName[],
  settings: CredentialSettings,
  options: CredentialOptions,
): Promise<Credentials> {
  const reasons: string[] = []
  let transient: unknown
  for (const name of names) {
    try {
      const keys = await provider(name, settings, options)()
      if (typeof keys === 'object') {
        for (const secret of [keys.secretAccessKey, keys.sessionToken])
          if (secret !== undefined) options.learned(secret)
        return { from: shownNames[name], keys }
      }
      if (keys === 'unsigned') return { from: shownNames[name], keys: undefined }
      reasons.push(`${shownNames[name]}: ${keys}`)
    } catch (error) {
      if (SupercargoError.is(error) && !error.retry) throw error
      if (isTransient(error)) transient ??= error
      reasons.push(`${shownNames[name]}: ${reasonOf(error)}`)
    }
  }
  const text = `no credentials for S3 (${reasons.join('; ')})`
  if (transient !== undefined)
    throw new SupercargoError('unavailable', 'credentials-unavailable', text, { cause: transient })
  throw new SupercargoError('denied', 'no-credentials', text, {
    hint: 'set fs.s3a.aws.credentials.provider and what it needs, or AnonymousAWSCredentialsProvider for a public bucket',
  })
}

function provider(name: ProviderName, settings: CredentialSettings, options: CredentialOptions): Provide {
  const { accessKeyId, secretAccessKey, sessionToken, profile } = settings
  switch (name) {
    case 'anonymous':
      return async () => 'unsigned'
    case 'simple':
    case 'temporary':
      return async () => {
        if (accessKeyId === undefined || secretAccessKey === undefined) return 'not set'
        if (name === 'simple') return { accessKeyId, secretAccessKey }
        return sessionToken === undefined ? 'not set' : { accessKeyId, secretAccessKey, sessionToken }
      }
    case 'environment':
      return async () => {
        const { AWS_ACCESS_KEY_ID: id, AWS_SECRET_ACCESS_KEY: secret, AWS_SESSION_TOKEN: token } = options.environment
        return id && secret ? { accessKeyId: id, secretAccessKey: secret, sessionToken: token || undefined } : 'not set'
      }
    default:
      return async () => {
        // The library costs 11 MiB and 30 ms, and most plans bring their keys.
        const library = await import('@aws-sdk/credential-providers')
        const clientConfig = { region: options.region, maxAttempts: 1 }
        const metadata = { timeout: metadataTimeoutMs, maxRetries: 0 }
        if (name === 'web-identity') {
          const { AWS_WEB_IDENTITY_TOKEN_FILE: file, AWS_ROLE_ARN: role } = options.environment
          return file && role ? await library.fromTokenFile({ clientConfig })() : 'not set'
        }
        if (name === 'container' || name === 'instance') {
          const { AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: path, AWS_CONTAINER_CREDENTIALS_FULL_URI: uri } =
            options.environment
          if (path || uri) return await library.fromHttp(metadata)()
          return name === 'container' ? 'not set' : await library.fromInstanceMetadata(metadata)()
        }
        if (name === 'profile')
          return await library.fromIni({
            clientConfig,
            ...(profile.file === undefined ? {} : { filepath: profile.file }),
            ...(profile.name === undefined ? {} : { profile: profile.name }),
          })()
        if (name === 'standard-chain') return await library.fromNodeProviderChain({ clientConfig, ...metadata })()
        return await assumedRole(library, settings, options)
      }
  }
}

async function assumedRole(
  library: typeof import('@aws-sdk/credential-providers'),
  settings: CredentialSettings,
  options: CredentialOptions,
): Promise<Keys | string> {
  const role = settings.role!
  const master = await firstOf(role.providers, settings, options)
  if (master.keys === undefined) return 'whoever asks for it has no keys'
  const endpoint =
    role.endpoint === undefined || /^https?:/i.test(role.endpoint) ? role.endpoint : `https://${role.endpoint}`
  return await library.fromTemporaryCredentials({
    masterCredentials: forSigning(master.keys),
    params: {
      RoleArn: role.arn,
      RoleSessionName: role.sessionName,
      DurationSeconds: role.durationSeconds,
      ...(role.externalId === undefined ? {} : { ExternalId: role.externalId }),
      ...(role.policy === undefined ? {} : { Policy: role.policy }),
    },
    clientConfig: {
      region: role.region ?? options.region,
      maxAttempts: 1,
      ...(endpoint === undefined ? {} : { endpoint }),
    },
  })()
}

/** As AWS's libraries want keys: what is not there is left out. */
export function forSigning({ accessKeyId, secretAccessKey, sessionToken }: Keys): {
  accessKeyId: string
  secretAccessKey: string
  sessionToken?: string
} {
  return { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) }
}

function same(one: Credentials, other: Credentials): boolean {
  return (
    one.keys?.accessKeyId === other.keys?.accessKeyId &&
    one.keys?.sessionToken === other.keys?.sessionToken &&
    one.keys?.secretAccessKey === other.keys?.secretAccessKey
  )
}

/** A token service that is busy, throttles or cannot be reached; a metadata service that is not there is simply not there. */
function isTransient(error: unknown): boolean {
  if (SupercargoError.is(error)) return error.retry
  const {
    $metadata: answer,
    name,
    tryNextLink,
  } = error as {
    $metadata?: { httpStatusCode?: number }
    name?: string
    tryNextLink?: boolean
  }
  if (/Throttl|SlowDown|TooManyRequests|IDPCommunicationError/.test(name ?? '')) return true
  return tryNextLink !== true && (answer?.httpStatusCode ?? 0) >= 500
}

/** One line; what such libraries say of tokens is scrubbed by value by whoever prints. */
function reasonOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).replace(/\s+/g, ' ').slice(0, 200)
}

function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise
  if (signal.aborted) return Promise.reject(abortReason(signal))
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(abortReason(signal))
    signal.addEventListener('abort', abort, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
}
