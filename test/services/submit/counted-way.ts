/** The way to a server, on which requests are counted: something may happen when the n-th was answered, before anybody learns it. */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, request as plainRequest, type ServerResponse } from 'node:http'
import { type RequestOptions, request as tlsRequest } from 'node:https'
import type { AddressInfo } from 'node:net'

/** What all ways of one test have in common. */
export interface Calls {
  count: number
  /** The server has answered this one. True keeps the answer back. */
  answered(call: number): boolean
}

export interface CountedWay {
  readonly url: string
  close(): void
}

/** Plain HTTP on loopback; `options` are what the server behind asks for. */
export async function countedWay(server: string, calls: Calls, options: RequestOptions = {}): Promise<CountedWay> {
  const handOn = (incoming: IncomingMessage, answer: ServerResponse): void => {
    const call = ++calls.count
    const url = new URL(incoming.url!, server)
    const { host: _, ...headers } = incoming.headers
    const request = url.protocol === 'https:' ? tlsRequest : plainRequest
    const outgoing = request(url, { ...options, method: incoming.method, headers }, (reply) => {
      if (calls.answered(call)) return void reply.destroy()
      answer.writeHead(reply.statusCode!, reply.headers)
      // A watch has a head long before its first event.
      answer.flushHeaders()
      reply.on('error', () => answer.destroy())
      reply.pipe(answer)
      answer.on('close', () => reply.destroy())
    })
    outgoing.on('error', () => answer.destroy())
    incoming.on('error', () => outgoing.destroy())
    incoming.pipe(outgoing)
  }
  const way = createServer(handOn)
  way.listen(0, '127.0.0.1')
  await once(way, 'listening')
  return {
    url: `http://127.0.0.1:${(way.address() as AddressInfo).port}`,
    close: () => {
      way.closeAllConnections()
      way.close()
    },
  }
}

/** The API server of a test cluster, as its administrator. Kubeconfigs of test clusters are JSON, with everything inside. */
export function administrator(kubeconfig: string): { readonly server: string; readonly options: RequestOptions } {
  const { clusters, users } = JSON.parse(readFileSync(kubeconfig, 'utf8')) as {
    readonly clusters: readonly { readonly cluster: Readonly<Record<string, string>> }[]
    readonly users: readonly { readonly user: Readonly<Record<string, string>> }[]
  }
  const { cluster } = clusters[0]!
  const { user } = users[0]!
  const decode = (text: string | undefined): Buffer => Buffer.from(text ?? '', 'base64')
  return {
    server: cluster.server!,
    options: {
      ca: decode(cluster['certificate-authority-data']),
      cert: decode(user['client-certificate-data']),
      key: decode(user['client-key-data']),
    },
  }
}

/** A kubeconfig without a credential, for a way. */
export function wayConfig(url: string): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'way',
    contexts: [{ name: 'way', context: { cluster: 'way', user: 'way' } }],
    clusters: [{ name: 'way', cluster: { server: url } }],
    users: [{ name: 'way', user: {} }],
  })
}
