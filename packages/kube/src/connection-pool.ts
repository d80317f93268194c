/** The pool of connections to the API server: kept alive, straight or through a proxy. */
import type { Agent } from 'node:http'
import type { AgentOptions } from 'node:https'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { hostOf } from '@supercargo/protocol'
import type { SocksProxy } from 'socks'
import type { KubeConnection } from './credentials.ts'

const idleSocketMs = 60_000
const keepAliveProbeMs = 30_000
const socksTimeoutMs = 30_000

/** Connections are shared by requests with the same TLS material: what was renewed in a file makes new ones. */
export async function createAgent(connection: KubeConnection, socketsMax: number): Promise<Agent> {
  const { server, proxy } = connection
  const pool: AgentOptions = {
    keepAlive: true,
    keepAliveMsecs: keepAliveProbeMs,
    maxSockets: socketsMax,
    maxFreeSockets: socketsMax,
    scheduling: 'lifo',
    timeout: idleSocketMs,
  }
  if (proxy?.protocol.startsWith('socks') === true) return createSocksAgent(server, proxy, pool)
  // Node tunnels by itself; the choice of the proxy, with NO_PROXY, was made before and is final here.
  const proxyEnv = proxy === undefined ? {} : { proxyEnv: { HTTPS_PROXY: proxy.href, HTTP_PROXY: proxy.href } }
  const options = { ...pool, ...proxyEnv }
  return newAgent(server, options)
}

/** Not imported: an import of these modules evaluates their exports, and one of `node:http`'s is a second HTTP client. */
function newAgent(server: URL, options: AgentOptions): Agent {
  return server.protocol === 'https:'
    ? new (process.getBuiltinModule('node:https').Agent)(options)
    : new (process.getBuiltinModule('node:http').Agent)(options)
}

type Connected = (error: Error | null, stream: Duplex) => void

async function createSocksAgent(server: URL, url: URL, pool: AgentOptions): Promise<Agent> {
  const { SocksClient } = await import('socks')
  const proxy: SocksProxy = {
    host: hostOf(url),
    port: url.port === '' ? 1080 : Number(url.port),
    type: 5,
    ...(url.username === ''
      ? {}
      : { userId: decodeURIComponent(url.username), password: decodeURIComponent(url.password) }),
  }
  const port = server.port === '' ? (server.protocol === 'https:' ? 443 : 80) : Number(server.port)
  const destination = { host: hostOf(server), port }
  const tunnel = async (): Promise<Socket> =>
    (await SocksClient.createConnection({ proxy, destination, command: 'connect', timeout: socksTimeoutMs })).socket

  const agent = newAgent(server, pool)
  const secure = agent.createConnection.bind(agent)
  agent.createConnection = (options, callback): undefined => {
    const connected = callback as Connected
    tunnel().then(
      (socket) => {
        const stream = server.protocol === 'https:' ? secure({ ...options, socket } as AgentOptions) : socket
        connected(null, stream as Duplex)
      },
      // The library's error carries the proxy's password.
      (error: Error) => connected(new Error(`the SOCKS proxy failed: ${error.message}`), undefined as never),
    )
  }
  return agent
}
