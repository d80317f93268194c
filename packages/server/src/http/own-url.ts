/** The addresses of this server in its own answers, right behind proxies, TLS that ends before it, and path prefixes. */
import { routes } from '@supercargo/protocol'
import type { FastifyRequest } from 'fastify'
import type { Edge } from './edge.ts'

/**
 * Where whoever sent the request reaches this server, without a slash at the end. A configured address wins where the client
 * asked for its host, because it knows of prefixes and of TLS that ends before. A proxy that is trusted but says nothing of
 * the Host puts a name of its own there: then it is where submitters reach us. Else it is what the client wrote.
 */
export function reachedUrl(edge: Edge, request: FastifyRequest): string {
  const passage = edge.passageOf(request.raw)
  const host = passage.host ?? request.host
  const known = [edge.publicUrl, edge.podUrl].find((url) => url !== undefined && sameHost(new URL(url), host))
  if (known !== undefined) return trimmed(known)
  if (passage.proxied && passage.host === undefined && edge.publicUrl !== undefined) return trimmed(edge.publicUrl)
  const prefix = passage.prefix === '' ? keptPrefix(request) : passage.prefix
  return `${passage.scheme ?? request.protocol}://${host}${prefix}`
}

/** Where pods reach this server; where nobody said so, where the request did. */
export function podsUrl(edge: Edge, request: FastifyRequest): string {
  return edge.podUrl === undefined ? reachedUrl(edge, request) : trimmed(edge.podUrl)
}

/**
 * Takes the path prefix of our own addresses away from a request's, where a proxy kept it. Only what would be a path of ours without the prefix is taken for one with it.
 */
export function prefixRemover(urls: readonly (string | undefined)[]): (url: string) => string {
  const prefixes = urls
    .map((url) => (url === undefined ? '' : new URL(url).pathname.replace(/\/+$/, '')))
    .filter((prefix) => prefix !== '')
  return (url) => {
    for (const prefix of prefixes) {
      const rest = url.slice(prefix.length)
      if (url.startsWith(prefix) && ownPath.test(rest)) return rest
    }
    return url
  }
}

const firstNames = [routes.v1.resources, routes.capability('x', ''), routes.webhdfs, routes.live, routes.ready].map(
  (path) => path.split('/')[1]!,
)
const ownPath = new RegExp(`^/(${[...firstNames, routes.metrics.slice(1), 'ui'].join('|')})(?=[/?]|$)`)

/** What the remover took away from this request. */
function keptPrefix(request: FastifyRequest): string {
  const { originalUrl } = request
  return originalUrl.endsWith(request.raw.url!) ? originalUrl.slice(0, -request.raw.url!.length) : ''
}

/** `host` is what the client sent, where the port of the scheme is left out or not. */
function sameHost(url: URL, host: string): boolean {
  const sent = URL.parse(`${url.protocol}//${host}`)
  return sent !== null && sent.host === url.host
}

function trimmed(url: string): string {
  return url.replace(/\/+$/, '')
}
