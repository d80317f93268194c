/** Connections that are kept: one pool for each way out, which is a set of authorities, a certificate of ours, a proxy. */
import type { Agent as HttpAgent } from 'node:http'
import type { Agent as HttpsAgent } from 'node:https'
import type { SecureContext } from 'node:tls'
import { nodeHttp, nodeHttps } from './node-modules.ts'

export class ConnectionPools {
  readonly #settings: { keepAlive: true; maxSockets: number; maxFreeSockets: number; scheduling: 'lifo' }
  readonly #plain = new Map<string, HttpAgent>()
  /** By context, then by proxy. A connection that was made with one context is never used with another. */
  readonly #secure = new Map<SecureContext | undefined, Map<string, HttpsAgent>>()

  /** `socketsMax`: connections to one origin. */
  constructor(socketsMax: number) {
    this.#settings = { keepAlive: true, maxSockets: socketsMax, maxFreeSockets: socketsMax, scheduling: 'lifo' }
  }

  plain(proxy: URL | undefined): HttpAgent {
    return made(this.#plain, proxy?.href ?? '', () => new (nodeHttp().Agent)({ ...this.#settings, ...proxied(proxy) }))
  }

  secure(context: SecureContext | undefined, proxy: URL | undefined): HttpsAgent {
    const byProxy = made(this.#secure, context, () => new Map<string, HttpsAgent>())
    const trust = context === undefined ? {} : { secureContext: context }
    return made(
      byProxy,
      proxy?.href ?? '',
      () => new (nodeHttps().Agent)({ ...this.#settings, ...trust, ...proxied(proxy) }),
    )
  }

  /** Closes all connections, also those in use. */
  close(): void {
    for (const agent of this.#plain.values()) agent.destroy()
    for (const agents of this.#secure.values()) for (const agent of agents.values()) agent.destroy()
  }
}

/** Node speaks to proxies by itself, CONNECT for https; whether there is one was decided before and is final here. */
function proxied(proxy: URL | undefined): object {
  return proxy === undefined ? {} : { proxyEnv: { HTTP_PROXY: proxy.href, HTTPS_PROXY: proxy.href } }
}

function made<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const found = map.get(key)
  if (found !== undefined) return found
  const value = make()
  map.set(key, value)
  return value
}
