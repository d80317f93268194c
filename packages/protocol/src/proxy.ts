/** Which proxy leads to an address: the rules of Go's programs, client-go among them, for HTTPS_PROXY and NO_PROXY, which know address ranges. */
import { BlockList, isIP } from 'node:net'
import { SupercargoError } from './errors.ts'

export type Environment = Readonly<Record<string, string | undefined>>

/** The proxy for `server`, or undefined for a direct connection. Loopback is never proxied. */
export function proxyFromEnvironment(server: URL, environment: Environment): URL | undefined {
  const read = (name: string): string => environment[name] ?? environment[name.toLowerCase()] ?? ''
  const text = read(server.protocol === 'https:' ? 'HTTPS_PROXY' : 'HTTP_PROXY').trim()
  if (text === '' || isLoopback(hostOf(server)) || isExcluded(server, read('NO_PROXY'))) return undefined
  return parseProxy(text.includes('://') ? text : `http://${text}`, 'the proxy of the environment')
}

/** A proxy URL that we can use, or kind `invalid`. The URL may hold a password: it is not shown. */
export function parseProxy(text: string, what: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url !== undefined && /^(https?|socks5h?):$/.test(url.protocol) && url.hostname !== '') return url
  throw new SupercargoError('invalid', 'bad-proxy', `${what} is not an http, https or socks5 URL`)
}

/** The host of a URL, an IPv6 address without its brackets. */
export function hostOf(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, '')
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))
}

/** `*`, `host`, `.domain`, `*.domain`, `host:port`, an address, or a range in CIDR notation; separated by commas. */
function isExcluded(server: URL, list: string): boolean {
  const host = hostOf(server)
  const port = server.port === '' ? (server.protocol === 'https:' ? '443' : '80') : server.port
  return list
    .split(/[,\s]+/)
    .filter((entry) => entry !== '')
    .some((entry) => matches(entry.toLowerCase(), host, port))
}

function matches(entry: string, host: string, port: string): boolean {
  if (entry === '*') return true
  if (entry.includes('/')) return inRange(entry, host)
  if (isIP(entry) !== 0) return entry === host
  const [name, wantedPort] = entry.split(':') as [string, string?]
  if (wantedPort !== undefined && wantedPort !== port) return false
  const domain = name.replace(/^\*?\./, '')
  // As in Go: a leading dot means below the domain only, a bare name means the domain and below.
  return host.endsWith(`.${domain}`) || (domain === name && host === domain)
}

function inRange(entry: string, host: string): boolean {
  const [network, bits] = entry.split('/') as [string, string]
  const family = isIP(host)
  if (family === 0 || isIP(network) !== family) return false
  const prefix = Number(bits)
  if (!/^\d+$/.test(bits) || prefix > (family === 4 ? 32 : 128)) return false
  const range = new BlockList()
  const type = family === 4 ? 'ipv4' : 'ipv6'
  range.addSubnet(network, prefix, type)
  return range.check(host, type)
}
