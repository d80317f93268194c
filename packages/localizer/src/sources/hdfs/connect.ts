/** From a URI and all that is configured to the client of its cluster. */
import { type Environment, printable, SupercargoError } from '@supercargo/protocol'
import { trustContext } from '@supercargo/transfer'
import type { HadoopConfiguration, HadoopSettings } from '../../hadoop/configuration.ts'
import { type OriginSettings, readCredentials } from '../credentials.ts'
import type { Redactor } from '../secret-text.ts'
import { createAuthenticator } from './authenticator.ts'
import { clusterOf } from './cluster.ts'
import { HostAddresses } from './host-addresses.ts'
import { decodedPath, type HdfsUri } from './uri.ts'
import { WebHdfs } from './web-hdfs.ts'

export interface ConnectOptions {
  readonly settings: HadoopSettings | undefined
  /** Settings by origin, as in the plan: for a gateway. */
  readonly origins: Readonly<Record<string, OriginSettings>>
  readonly environment: Environment
  readonly idleTimeoutMs: number
  readonly socketsMax: number
  readonly redactor: Redactor
  /** Milliseconds since 1970. */
  readonly now?: (() => number) | undefined
  /** Hears of what is not checked or of no use, and why. */
  readonly log?: ((line: string) => void) | undefined
}

/** Nothing is asked yet. Throws kinds `invalid` and `denied` for what cannot lead to an answer. */
export async function connect(
  uri: HdfsUri,
  configuration: HadoopConfiguration,
  options: ConnectOptions,
): Promise<WebHdfs> {
  const { settings, origins, redactor } = options
  if (uri.scheme === 'viewfs') throw unmounted(uri, configuration)
  const cluster = clusterOf(uri, settings, configuration)
  const authenticator = await createAuthenticator(cluster, { ...options, configuration, now: options.now ?? Date.now })
  const caFiles = settings?.caFile === undefined ? [] : [settings.caFile]
  const trust = trustContext(caFiles)
  const contexts = new Map(
    Object.entries(origins).map(([origin, { caFile, certFile, keyFile }]) => {
      const certificate = certFile === undefined || keyFile === undefined ? undefined : { certFile, keyFile }
      return [origin, trustContext(caFile === undefined ? caFiles : [...caFiles, caFile], certificate)] as const
    }),
  )
  return new WebHdfs({
    ...options,
    cluster,
    authenticator,
    trust: (url) => contexts.get(url.origin) ?? trust,
    addresses: new HostAddresses(
      new Map(Object.entries(settings?.hostAliases ?? {}).map(([host, address]) => [host.toLowerCase(), address])),
    ),
    headersFor: (origin) => readCredentials(origins[origin] ?? {}, undefined, redactor),
  })
}

/** A mount table is the client's own: where it leads can be said. */
function unmounted({ authority, encodedPath }: HdfsUri, configuration: HadoopConfiguration): SupercargoError {
  const path = decodedPath(encodedPath)
  const tables = authority === '' ? ['default'] : [authority, 'default']
  const links = tables.flatMap((table) => {
    const prefix = `fs.viewfs.mounttable.${table}.link.`
    return [...configuration.keys()]
      .filter((key) => key.startsWith(prefix))
      .map((key) => [key.slice(prefix.length), configuration.get(key)!] as const)
  })
  const link = links
    .filter(([mount]) => path === mount || path.startsWith(`${mount.replace(/\/$/, '')}/`))
    .sort(([a], [b]) => b.length - a.length)[0]
  const target =
    link === undefined ? undefined : `${link[1].replace(/\/$/, '')}/${path.slice(link[0].length).replace(/^\//, '')}`
  return new SupercargoError(
    'invalid',
    'viewfs',
    `viewfs://${authority}${path} is a name of the client’s own mount table`,
    {
      hint: `${target === undefined ? 'write the hdfs URI behind it' : `write ${printable(target).slice(1, -1)}, where the table leads`}, or let Hadoop read it by hadoop.exec`,
    },
  )
}
