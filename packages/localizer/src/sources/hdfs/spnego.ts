/** Kerberos over HTTP (SPNEGO, RFC 4559) with a keytab, by the optional `kerberos` package. */
import { access, constants } from 'node:fs/promises'
import { printable, SupercargoError } from '@supercargo/protocol'
import { fromFileSystemError } from '@supercargo/transfer'
import type { HadoopSettings } from '../../hadoop/configuration.ts'
import type { Authenticator } from './proof.ts'

/** What is used of the package. */
interface KerberosPackage {
  readonly GSS_MECH_OID_SPNEGO: number
  initializeClient(
    service: string,
    options: { mechOID: number; principal?: string },
  ): Promise<{ step(challenge: string): Promise<string> }>
}

type KerberosSettings = NonNullable<NonNullable<HadoopSettings>['kerberos']>

/** The name is put together so that neither the compiler nor the bundle looks for what may not be there. */
const packageName = ['ker', 'beros'].join('')

/**
 * Logs in by the keytab when the first server asks. A server that has believed once gives a signed cookie, which goes back to it
 * alone. Throws kind `denied` with what Kerberos says, and `invalid` where the package is not installed.
 */
export async function createNegotiator(settings: KerberosSettings): Promise<Authenticator> {
  const kerberos = await load()
  await access(settings.keytabFile, constants.R_OK).catch((error: unknown) => {
    throw fromFileSystemError(error, `cannot read the keytab ${settings.keytabFile}`)
  })
  // The library of Kerberos takes its files from the environment of the process, and from nowhere else.
  process.env.KRB5_CLIENT_KTNAME = `FILE:${settings.keytabFile}`
  process.env.KRB5CCNAME = 'MEMORY:supercargo'
  if (settings.configFile !== undefined) process.env.KRB5_CONFIG = settings.configFile
  const cookies = new Map<string, string>()
  return {
    prove: async (endpoint) => {
      const cookie = cookies.get(endpoint.origin)
      if (cookie !== undefined) return { query: {}, headers: { cookie } }
      const ticket = await negotiate(kerberos, endpoint, settings)
      return { query: {}, headers: { authorization: `Negotiate ${ticket}` } }
    },
    learn: ({ headers, url }) => {
      const cookie = (headers['set-cookie'] ?? [])
        .map((field) => field.split(';')[0]!)
        .find((pair) => /^hadoop\.auth=./.test(pair))
      if (cookie !== undefined && cookie !== 'hadoop.auth=""') cookies.set(url.origin, cookie)
    },
    renew: async (endpoint) => cookies.delete(endpoint.origin),
  }
}

async function load(): Promise<KerberosPackage> {
  try {
    const found = (await import(packageName)) as KerberosPackage & { default?: KerberosPackage }
    return found.initializeClient === undefined ? found.default! : found
  } catch (cause) {
    throw new SupercargoError('invalid', 'no-kerberos', `the package ${packageName} is not installed here`, {
      cause,
      hint: 'add it to the image (npm install kerberos), or give a delegation token by hadoop.tokenFile instead of the keytab',
    })
  }
}

async function negotiate(kerberos: KerberosPackage, endpoint: URL, settings: KerberosSettings): Promise<string> {
  const service = `HTTP@${endpoint.hostname}`
  try {
    const client = await kerberos.initializeClient(service, {
      mechOID: kerberos.GSS_MECH_OID_SPNEGO,
      ...(settings.principal === undefined ? {} : { principal: settings.principal }),
    })
    return await client.step('')
  } catch (cause) {
    throw refused(service, settings, cause)
  }
}

/** Each of the usual mistakes by its own name; the library only has sentences. */
function refused(service: string, { keytabFile, principal }: KerberosSettings, cause: unknown): SupercargoError {
  const reason = cause instanceof Error ? cause.message : String(cause)
  const cases: readonly (readonly [RegExp, string, string])[] = [
    [
      /clock skew/i,
      'clock-skew',
      'the clocks of this node and of the key distribution centre differ by more than five minutes',
    ],
    [
      /not found in Kerberos database|unknown server/i,
      'unknown-principal',
      `is ${service.replace('@', '/')} a principal of the realm? use the host name that the cluster uses`,
    ],
    [
      /cannot find KDC|cannot contact any KDC|cannot resolve network address/i,
      'no-key-distribution-centre',
      'is krb5.conf mounted (hadoop.kerberos.configFile), and does it name the realm?',
    ],
    [
      /keytab|no credentials|credentials cache|preauthentication failed|no key table/i,
      'keytab-refused',
      `does ${keytabFile} hold a current key of ${principal ?? 'its principal'}?`,
    ],
    [/realm/i, 'unknown-realm', 'is krb5.conf mounted (hadoop.kerberos.configFile), and does it name the realm?'],
  ]
  const [, code, hint] = cases.find(([pattern]) => pattern.test(reason)) ?? [undefined, 'kerberos-failed', undefined]
  return new SupercargoError('denied', code, `Kerberos for ${service}: ${printable(reason).slice(1, -1)}`, {
    cause,
    hint,
  })
}
