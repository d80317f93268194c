/** A real API server behind scripted faults: the double forwards each request to it, as its administrator. */
import { readFileSync } from 'node:fs'
import { Agent, request as httpsRequest } from 'node:https'
import type { Upstream } from '@supercargo/kube/testing'
import { SupercargoError } from '@supercargo/protocol'

interface Kubeconfig {
  readonly clusters: readonly { readonly cluster: Readonly<Record<string, string>> }[]
  readonly users: readonly { readonly user: Readonly<Record<string, string>> }[]
}

/** Kubeconfigs of test clusters are JSON, with everything inside. */
export function realUpstream(kubeconfig: string): { readonly ask: Upstream; close(): void } {
  const { clusters, users } = JSON.parse(readFileSync(kubeconfig, 'utf8')) as Kubeconfig
  const { cluster } = clusters[0]!
  const { user } = users[0]!
  const decode = (text: string | undefined): Buffer => Buffer.from(text ?? '', 'base64')
  const agent = new Agent({
    keepAlive: true,
    ca: decode(cluster['certificate-authority-data']),
    cert: decode(user['client-certificate-data']),
    key: decode(user['client-key-data']),
  })

  const ask: Upstream = ({ method, path, query, headers, body }) =>
    new Promise((resolve, reject) => {
      const url = new URL(`${path}?${query}`, cluster.server)
      const { accept, 'content-type': type } = headers
      const fields = { ...(accept && { accept: String(accept) }), ...(type && { 'content-type': String(type) }) }
      const outgoing = httpsRequest(url, { method, agent, headers: fields }, async (answer) => {
        try {
          const chunks: Buffer[] = []
          for await (const chunk of answer) chunks.push(chunk as Buffer)
          const text = Buffer.concat(chunks).toString()
          const isJson = String(answer.headers['content-type']).startsWith('application/json')
          resolve({ status: answer.statusCode ?? 0, body: isJson ? JSON.parse(text) : text })
        } catch (cause) {
          reject(new SupercargoError('interrupted', 'upstream-cut', 'the API server cut its answer', { cause }))
        }
      })
      outgoing.on('error', reject)
      outgoing.end(body)
    })
  return { ask, close: () => agent.destroy() }
}
