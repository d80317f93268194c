/** Who asks a NameNode: by a delegation token, by Kerberos, or by a name that is believed. */
import { lookup } from 'node:dns/promises'
import { readFile } from 'node:fs/promises'
import { userInfo } from 'node:os'
import { type Environment, printable, SupercargoError } from '@supercargo/protocol'
import { fromFileSystemError } from '@supercargo/transfer'
import type { HadoopConfiguration, HadoopSettings } from '../../hadoop/configuration.ts'
import {
  type DelegationToken,
  isTokenFile,
  maxDateOf,
  parseTokenFile,
  parseUrlString,
  urlStringOf,
} from '../../hadoop/token-file.ts'
import type { Redactor } from '../secret-text.ts'
import type { Cluster } from './cluster.ts'
import type { Authenticator, Proof } from './proof.ts'
import { createNegotiator } from './spnego.ts'

export interface AuthenticatorOptions {
  readonly settings: HadoopSettings | undefined
  readonly configuration: HadoopConfiguration
  readonly environment: Environment
  readonly redactor: Redactor
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** Hears of what is configured and of no use. */
  readonly log?: ((line: string) => void) | undefined
}

const tokenFileBytesMax = 1 << 20

/**
 * The token of the token file that is for this cluster, else Kerberos where the plan has a keytab, else the user's name. A
 * token for another cluster is never sent; that there is none is said, as Hadoop goes on by name, too. Throws kind `denied` for an expired one, and where Kerberos is demanded and nothing is given.
 */
export async function createAuthenticator(cluster: Cluster, options: AuthenticatorOptions): Promise<Authenticator> {
  const { settings, configuration, environment, log } = options
  const file = settings?.tokenFile ?? environment.HADOOP_TOKEN_FILE_LOCATION
  const tokens = file === undefined ? [] : await readTokens(file)
  const token = await tokenFor(cluster, tokens)
  if (file !== undefined && token !== undefined) return byToken(cluster, file, token, options)
  if (settings?.kerberos !== undefined) return createNegotiator(settings.kerberos)
  const services = tokens.map(({ service }) => printable(service).slice(1, -1)).join(', ')
  const found = file === undefined ? 'no token file is given' : `${file} has tokens for ${services || 'nothing'}`
  if (configuration.get('hadoop.security.authentication')?.toLowerCase() === 'kerberos') {
    throw new SupercargoError('denied', 'no-token', `there is no delegation token for ${cluster.name}: ${found}`, {
      hint: 'give one by hadoop.tokenFile, or a keytab by hadoop.kerberos',
    })
  }
  const user = settings?.user ?? environment.HADOOP_USER_NAME ?? systemUser()
  if (file !== undefined) log?.(`${cluster.name} is asked ${namely(user)} and without a delegation token: ${found}`)
  return byName(user)
}

/** A token of the file whose service is this cluster; one that names no service, in a file of its own, is for whoever is asked. */
async function tokenFor(cluster: Cluster, tokens: readonly DelegationToken[]): Promise<DelegationToken | undefined> {
  const named = (services: readonly string[]): DelegationToken | undefined =>
    tokens.find(({ service }) => services.includes(service.toLowerCase()))
  if (tokens.length === 1 && tokens[0]!.service === '') return tokens[0]
  return tokens.length === 0 ? undefined : (named(cluster.tokenServices) ?? named(await numericForms(cluster)))
}

/** Tokens carry addresses instead of names unless `hadoop.security.token.service.use_ip` is off. */
async function numericForms({ rpcAddresses }: Cluster): Promise<string[]> {
  const forms: string[] = []
  for (const address of rpcAddresses) {
    const [, host, port] = /^(.*):(\d+)$/.exec(address)!
    const found = await lookup(host!, { all: true }).catch(() => {
      // A name that is not known here has no token under its address.
      return []
    })
    forms.push(...found.map(({ address: ip }) => `${ip}:${port}`))
  }
  return forms
}

async function readTokens(file: string): Promise<DelegationToken[]> {
  const bytes = await readFile(file).catch((error: unknown) => {
    throw fromFileSystemError(error, `cannot read the token file ${file}`)
  })
  if (bytes.length > tokenFileBytesMax)
    throw new SupercargoError(
      'invalid',
      'bad-token-file',
      `the token file ${file} is larger than ${tokenFileBytesMax} bytes`,
    )
  if (!isTokenFile(bytes)) return [parseUrlString(bytes.toString('latin1').trim(), file)]
  return parseTokenFile(bytes, file).filter(({ kind }) => /^(HDFS_DELEGATION_TOKEN|S?WEBHDFS delegation)$/.test(kind))
}

function byToken(
  cluster: Cluster,
  file: string,
  first: DelegationToken,
  { redactor, now }: AuthenticatorOptions,
): Authenticator {
  let delegation = urlStringOf(first)
  const use = (token: DelegationToken): void => {
    delegation = urlStringOf(token)
    redactor.add(delegation)
    redactor.add(token.password.toString('base64'))
    const ends = maxDateOf(token)
    if (ends !== undefined && ends < now())
      throw new SupercargoError(
        'denied',
        'token-expired',
        `the delegation token for ${cluster.name} in ${file} expired at ${new Date(ends).toISOString()}`,
        { hint: 'submit again, which obtains a fresh one' },
      )
  }
  use(first)
  return {
    prove: async () => ({ query: { delegation }, headers: {} }),
    learn: () => {},
    renew: async () => {
      const before = delegation
      const token = await tokenFor(cluster, await readTokens(file))
      if (token !== undefined) use(token)
      return delegation !== before
    },
  }
}

function byName(user: string | undefined): Authenticator {
  const proof: Proof = { query: user === undefined ? {} : { 'user.name': user }, headers: {} }
  return { prove: async () => proof, learn: () => {}, renew: async () => false }
}

function namely(user: string | undefined): string {
  return user === undefined ? 'without a name' : `as ${printable(user).slice(1, -1)}`
}

/** Undefined for a user id without a name, as in many pods: the server then takes its own default. */
function systemUser(): string | undefined {
  try {
    return userInfo().username
  } catch {
    // The user id has no entry.
    return undefined
  }
}
