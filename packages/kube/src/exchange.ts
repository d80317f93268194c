/** One request to the API server and the head of its answer, on a pooled connection. */
import type { Agent, IncomingMessage, OutgoingHttpHeaders } from 'node:http'
import { abortReason, fromConnectionError } from './api-error.ts'
import type { Credentials } from './credentials.ts'

export interface Exchange {
  readonly method: string
  readonly url: URL
  readonly headers: OutgoingHttpHeaders
  readonly tls: Credentials['tls']
  readonly body: string | undefined
  readonly agent: Agent
  readonly signal: AbortSignal
  /** Names the request in messages. */
  readonly what: string
}

/** Failures on a pooled connection that the other side had closed before it read the request. */
const staleFailures = new WeakSet<object>()

export function isStale(error: unknown): boolean {
  return typeof error === 'object' && error !== null && staleFailures.has(error)
}

/**
 * Resolves with the answer's head, whatever its status. The signal governs the whole exchange: aborted later, it destroys
 * the body with the reason.
 */
export function exchange(settings: Exchange): Promise<IncomingMessage> {
  const { url, signal, what } = settings
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(abortReason(signal))
    // Not imported, as in the pool: 50 ms of CPU time.
    const { request } = process.getBuiltinModule(url.protocol === 'https:' ? 'node:https' : 'node:http')
    const outgoing = request(url, {
      method: settings.method,
      agent: settings.agent,
      headers: settings.headers,
      ...definedOnly(settings.tls),
    })
    let answer: IncomingMessage | undefined
    const abort = (): void => {
      const reason = abortReason(signal)
      if (answer === undefined) outgoing.destroy(reason)
      else answer.destroy(reason)
    }
    signal.addEventListener('abort', abort, { once: true })
    outgoing.once('close', () => signal.removeEventListener('abort', abort))
    outgoing.on('error', (error) => {
      if (answer !== undefined) return void answer.destroy(error)
      const failure = fromConnectionError(error, what)
      if (outgoing.reusedSocket && failure.code === 'kube-connection-lost') staleFailures.add(failure)
      reject(failure)
    })
    outgoing.once('response', (message) => {
      answer = message
      message.on('error', () => undefined) // Whoever reads sees it; before anybody reads it must not end the process.
      resolve(message)
    })
    outgoing.end(settings.body)
  })
}

function definedOnly(tls: Credentials['tls']): Partial<Credentials['tls']> {
  return Object.fromEntries(Object.entries(tls).filter(([, value]) => value !== undefined))
}
