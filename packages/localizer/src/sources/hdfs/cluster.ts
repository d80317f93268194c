/** From the authority of a URI to the addresses of its NameNodes over HTTP, by the rules of Hadoop's own clients. No I/O. */
import { printable, SupercargoError } from '@supercargo/protocol'
import type { HadoopConfiguration, HadoopSettings } from '../../hadoop/configuration.ts'
import type { HdfsUri } from './uri.ts'

/** A file system, by one or more servers of which each can answer. */
export interface Cluster {
  /** `nameservice` or `host:port`, as it is shown. */
  readonly name: string
  /** Base URLs without a `/` at their end; `/webhdfs/v1/…` is added. In the order in which they are tried. */
  readonly endpoints: readonly string[]
  /** What a delegation token for this file system is marked with, in lower case. */
  readonly tokenServices: readonly string[]
  /** RPC addresses whose numeric form may stand in a token too: `host:port`. */
  readonly rpcAddresses: readonly string[]
}

const rpcPortDefault = 8020
/** Of Hadoop 3 and 2. */
const httpPorts = [9870, 50070] as const
const httpsPorts = [9871, 50470] as const

/** Throws kind `invalid` when the configuration does not lead to a server. */
export function clusterOf(
  uri: HdfsUri,
  settings: HadoopSettings | undefined,
  configuration: HadoopConfiguration,
): Cluster {
  const { scheme } = uri
  const authority = (uri.authority === '' ? defaultAuthority(configuration) : uri.authority).toLowerCase()
  const named = Object.entries(settings?.webhdfs ?? {}).find(([name]) => name.toLowerCase() === authority)?.[1]
  const secure = scheme === 'swebhdfs' || configuration.get('dfs.http.policy') === 'HTTPS_ONLY'
  const protocol = secure ? 'https' : 'http'
  const nodes = nameNodesOf(authority, secure, configuration)
  const endpoints =
    named ?? (nodes.length > 0 ? nodes.map(({ http }) => `${protocol}://${http}`) : guessed(uri, authority, secure))
  // The plan, too, may give addresses for the name of a pair.
  const isLogical = (nodes.length > 0 || named !== undefined) && !authority.includes(':')
  const rpcAddresses = nodes.length > 0 ? nodes.map(({ rpc }) => rpc) : [withPort(authority, rpcPortDefault)]
  const own = isLogical ? [authority, `ha-hdfs:${authority}`, `ha-${scheme}:${authority}`] : [authority]
  const urls = endpoints.map((endpoint) => endpoint.replace(/\/+$/, ''))
  return {
    name: authority,
    endpoints: urls,
    tokenServices: [...new Set([...own, ...rpcAddresses, ...urls.map((url) => new URL(url).host)])].map((name) =>
      name.toLowerCase(),
    ),
    rpcAddresses,
  }
}

function defaultAuthority(configuration: HadoopConfiguration): string {
  const defaultFs = configuration.get('fs.defaultFS')
  const match = /^(?:hdfs|webhdfs|swebhdfs):\/\/([^/?#@]+)/i.exec(defaultFs ?? '')
  if (match !== null) return match[1]!
  throw new SupercargoError(
    'invalid',
    'no-default-file-system',
    'the URI names no host, and fs.defaultFS is not set to an HDFS',
    { hint: 'write hdfs://nameservice/path, or give core-site.xml by hadoop.confDirectory' },
  )
}

interface NameNode {
  readonly rpc: string
  readonly http: string
}

/** The NameNodes that the configuration has for a nameservice, or for one address of a NameNode. */
function nameNodesOf(authority: string, secure: boolean, configuration: HadoopConfiguration): NameNode[] {
  const list = (key: string): string[] =>
    (configuration.get(key) ?? '')
      .split(',')
      .map((name) => name.trim())
      .filter((name) => name !== '')
  const services = list('dfs.nameservices')
  const all = [undefined, ...services].flatMap((service) => {
    const ids = service === undefined ? [] : list(`dfs.ha.namenodes.${service}`)
    const suffixes =
      service === undefined ? [''] : ids.length === 0 ? [`.${service}`] : ids.map((id) => `.${service}.${id}`)
    return suffixes.flatMap((suffix) => {
      const rpc = configuration.get(`dfs.namenode.rpc-address${suffix}`)
      const http = configuration.get(`dfs.namenode.${secure ? 'https' : 'http'}-address${suffix}`)
      if (rpc === undefined && http === undefined) return []
      const full = withPort(rpc ?? hostOf(http!), rpcPortDefault).toLowerCase()
      return [{ service: service?.toLowerCase(), rpc: full, http: httpAddress(full, http, secure) }]
    })
  })
  const ofService = all.filter(({ service }) => service === authority)
  if (ofService.length > 0) return ofService
  return all
    .filter(({ rpc, http }) => [rpc, http].includes(withPort(authority, rpcPortDefault)) || http === authority)
    .slice(0, 1)
}

/** A server that listens everywhere is reached where it answers RPC. */
function httpAddress(rpc: string, http: string | undefined, secure: boolean): string {
  const port = (secure ? httpsPorts : httpPorts)[0]
  if (http === undefined) return `${hostOf(rpc)}:${port}`
  const full = withPort(http, port).toLowerCase()
  return /^(0\.0\.0\.0|\[::\]|):/.test(full) ? `${hostOf(rpc)}:${full.slice(full.lastIndexOf(':') + 1)}` : full
}

/** Without configuration: the very address for WebHDFS, else the host with the ports of Hadoop. RPC's port says nothing of them. */
function guessed(uri: HdfsUri, authority: string, secure: boolean): string[] {
  const host = hostOf(authority)
  if (host === '') throw new SupercargoError('invalid', 'bad-uri', `the authority ${printable(authority)} is no host`)
  const protocol = secure ? 'https' : 'http'
  const ports = secure ? httpsPorts : httpPorts
  return uri.scheme !== 'hdfs' && authority !== host
    ? [`${protocol}://${authority}`]
    : ports.map((port) => `${protocol}://${host}:${port}`)
}

function hostOf(address: string): string {
  return address.replace(/:\d+$/, '')
}

function withPort(address: string, port: number): string {
  return /:\d+$/.test(address) ? address : `${address}:${port}`
}
