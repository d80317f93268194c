/** Plain GETs over connections that are kept: the quick way for what needs no TLS and no proxy. */
import type { OutgoingHttpHeaders } from 'node:http'
import { type AddressPolicy, addressError, addressFault } from './address-policy.ts'
import { abortReason } from './clock.ts'
import { type LeanAnswer, LeanConnection } from './lean-connection.ts'
import { shown } from './shown-url.ts'

export interface LeanRequest {
  readonly url: URL
  readonly headers: OutgoingHttpHeaders
  readonly policy: AddressPolicy
  readonly connectTimeoutMs: number
  readonly idleTimeoutMs: number
  readonly signal: AbortSignal | undefined
  /** Hears of a failure on a kept connection that the other side had closed: the request was not processed. */
  readonly onStale: (error: unknown) => void
}

export class LeanConnections {
  readonly #idle = new Map<string, LeanConnection[]>()
  readonly #all = new Set<LeanConnection>()

  /** Resolves with the answer's head, whatever its status; rejects with our kinds when there is none. */
  async get(request: LeanRequest): Promise<LeanAnswer> {
    const { url, policy, signal } = request
    if (signal?.aborted) throw abortReason(signal)
    const connection = this.#connection(url, policy)
    const abort = (): void => connection.stop(abortReason(signal!))
    signal?.addEventListener('abort', abort, { once: true })
    const forget = (): void => signal?.removeEventListener('abort', abort)
    try {
      const { connectTimeoutMs, idleTimeoutMs } = request
      const answer = await connection.get({
        target: shown(url),
        head: requestHead(url, request.headers),
        connectTimeoutMs,
        idleTimeoutMs,
      })
      answer.body.once('close', forget)
      return answer
    } catch (error) {
      forget()
      if (connection.isReused && (error as { code?: string }).code === 'connection-lost') request.onStale(error)
      throw error
    }
  }

  /** Closes all connections, also those in use. */
  close(): void {
    for (const connection of this.#all) connection.socket.destroy()
  }

  /** The one that was used last, or a new one. What another policy let in is looked at once more. */
  #connection(url: URL, policy: AddressPolicy): LeanConnection {
    const idle = this.#idle.get(url.host)
    for (let kept = idle?.pop(); kept !== undefined; kept = idle?.pop()) {
      if (kept.socket.destroyed || !kept.socket.writable) continue
      const address = kept.socket.remoteAddress ?? ''
      const fault = addressFault(address, policy)
      if (fault === undefined) return kept
      idle!.push(kept)
      throw addressError(url.hostname, address, fault)
    }
    const made = new LeanConnection(url, policy, (ready) => {
      const list = this.#idle.get(url.host)
      if (list === undefined) this.#idle.set(url.host, [ready])
      else list.push(ready)
    })
    this.#all.add(made)
    made.socket.once('close', () => this.#all.delete(made))
    return made
  }
}

/** Names are ours or a header file's, values from files: each is looked at once more, for a line break would be a second request. */
function requestHead(url: URL, headers: OutgoingHttpHeaders): string {
  const fields: OutgoingHttpHeaders = { host: url.host, ...basicOf(url), ...headers }
  let head = `GET ${url.pathname}${url.search} HTTP/1.1\r\n`
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined) continue
    const text = String(value)
    if (!/^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/.test(name) || /[^\t\u0020-\u007e\u0080-\u00ff]/.test(text))
      throw new TypeError(`the header ${JSON.stringify(name)} cannot be sent`)
    head += `${name}: ${text}\r\n`
  }
  return `${head}\r\n`
}

/** The user of a URL, as node:http sends it; a header of the request goes before it. */
function basicOf(url: URL): OutgoingHttpHeaders {
  if (url.username === '' && url.password === '') return {}
  const pair = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`
  return { authorization: `Basic ${Buffer.from(pair).toString('base64')}` }
}
