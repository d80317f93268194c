/** One request and the head of its answer on one connection: time-outs, abort, a body that may end early, the address check. */

import type { Agent, ClientRequest, IncomingHttpHeaders, IncomingMessage, OutgoingHttpHeaders } from 'node:http'
import type { Socket } from 'node:net'
import type { Readable } from 'node:stream'
import { SupercargoError } from '@supercargo/protocol'
import { type AddressPolicy, addressError, addressFault, guardedLookup } from './address-policy.ts'
import { abortReason } from './clock.ts'
import { fromConnectionError, fromProxyError } from './http-error.ts'
import { nodeHttp, nodeHttps } from './node-modules.ts'
import { shown } from './shown-url.ts'

/**
 * A body that is written instead of read. `write` resolves when the bytes are with the system, so that their buffer may be
 * used again; it rejects when they are not wanted any more, and then the pump ends with that rejection or another.
 */
export type BodyPump = (write: (chunk: Uint8Array) => Promise<void>) => Promise<void>

export type Body = Uint8Array | string | Readable | BodyPump

export interface Exchange {
  readonly method: string
  readonly url: URL
  readonly headers: OutgoingHttpHeaders
  readonly body: Body | undefined
  readonly agent: Agent
  readonly policy: AddressPolicy
  /** What the agent goes through; its own words are told from the server's. */
  readonly proxy?: URL | undefined
  readonly connectTimeoutMs: number
  readonly idleTimeoutMs: number
  readonly signal: AbortSignal | undefined
  readonly onInterim: ((status: number, headers: IncomingHttpHeaders) => void) | undefined
}

/** RFC 9110 section 10.1.1: a client does not wait for ever, as what is in between may not know of it. */
const continueTimeoutMs = 1000

/** An exchange that failed on a pooled connection which the other side had closed: it was not processed. */
const staleFailures = new WeakSet<object>()

export function noteStale(error: unknown): void {
  staleFailures.add(error as object)
}

export function isStale(error: unknown): boolean {
  return SupercargoError.is(error) && staleFailures.has(error)
}

/** Resolves with the answer's head, whatever its status; rejects with our kinds when there is none. */
export function exchange(settings: Exchange): Promise<IncomingMessage> {
  const { url, signal, body } = settings
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(abortReason(signal))
    const { request } = url.protocol === 'https:' ? nodeHttps() : nodeHttp()
    const outgoing = request(url, {
      method: settings.method,
      agent: settings.agent,
      headers: settings.headers,
      lookup: guardedLookup(settings.policy),
      // Of a tunnel: without it, one that is never made would stay open.
      ...(settings.proxy === undefined ? {} : { timeout: settings.connectTimeoutMs }),
    })
    let answer: IncomingMessage | undefined
    let cause: SupercargoError | undefined
    /** Ends the exchange for a reason of ours, which is then the one reported. */
    const stop = (error: SupercargoError): void => {
      cause ??= error
      // Before there is a connection nobody would hear of it: one that is still in the making tells nothing.
      if (outgoing.socket === null) reject(cause)
      if (answer === undefined) outgoing.destroy(error)
      else answer.destroy(error)
    }
    const abort = (): void => stop(abortReason(signal!))
    signal?.addEventListener('abort', abort, { once: true })
    outgoing.once('close', () => signal?.removeEventListener('abort', abort))
    if (settings.proxy !== undefined) limitTunnel(outgoing, settings, stop)
    outgoing.once('socket', (socket) => watch(socket, outgoing, settings, () => answer, stop))
    outgoing.on('information', (info) => settings.onInterim?.(info.statusCode, info.headers))
    outgoing.on('error', (error) => {
      if (answer !== undefined) return void answer.destroy(error)
      const failure = cause ?? fromProxyError(error, settings) ?? fromConnectionError(error, shown(url))
      if (outgoing.reusedSocket && failure.code === 'connection-lost') noteStale(failure)
      reject(failure)
    })
    const finishBody = sendBody(body, outgoing, () => answer !== undefined, stop)
    outgoing.once('response', (stream) => {
      answer = stream
      finishBody(stream)
      resolve(stream)
    })
  })
}

/** A tunnel is made before there is a socket to watch. */
function limitTunnel(
  outgoing: ClientRequest,
  { url, proxy, connectTimeoutMs }: Exchange,
  stop: (error: SupercargoError) => void,
): void {
  const timer = setTimeout(() => {
    const text = `${shown(url)}: no connection through the proxy ${proxy!.host} within ${connectTimeoutMs} ms`
    stop(new SupercargoError('unavailable', 'connect-timeout', text))
  }, connectTimeoutMs)
  outgoing.once('socket', () => clearTimeout(timer))
  outgoing.once('close', () => clearTimeout(timer))
}

/**
 * Begins to send the body. The function that it returns is called with the answer: an answer that comes before the body
 * has ended is final (a refusal, or the bytes are there already), so the rest is not sent and the connection not used again.
 */
function sendBody(
  body: Exchange['body'],
  outgoing: ClientRequest,
  answered: () => boolean,
  stop: (error: SupercargoError) => void,
): (answer: IncomingMessage) => void {
  if (body === undefined || typeof body === 'string' || body instanceof Uint8Array) {
    outgoing.end(body)
    return () => undefined
  }
  if (typeof body === 'function') return pumpBody(body, outgoing, answered, stop)
  body.on('error', (error) => {
    if (!answered()) stop(fromConnectionError(error, 'the request body'))
  })
  body.once('close', () => {
    if (!body.readableEnded && !answered())
      stop(new SupercargoError('interrupted', 'body-ended', 'the request body ended before its end'))
  })
  outgoing.once('error', () => body.destroy())
  outgoing.once('close', () => body.destroy())
  const stopWaiting = whenAsked(outgoing, () => body.pipe(outgoing))
  return (answer) => {
    stopWaiting()
    if (outgoing.writableEnded) return
    body.unpipe(outgoing)
    body.destroy()
    answer.once('close', () => outgoing.destroy())
  }
}

function pumpBody(
  body: BodyPump,
  outgoing: ClientRequest,
  answered: () => boolean,
  stop: (error: SupercargoError) => void,
): (answer: IncomingMessage) => void {
  let unwanted = false
  const write = (chunk: Uint8Array): Promise<void> =>
    new Promise((resolve, reject) => {
      const refuse = (error: Error): void => {
        unwanted = true
        reject(error)
      }
      if (answered()) return refuse(new Error('the answer is there'))
      outgoing.write(chunk, (error) => (error === undefined || error === null ? resolve() : refuse(error)))
    })
  const stopWaiting = whenAsked(outgoing, () => {
    body(write).then(
      () => outgoing.end(),
      (error: unknown) => {
        // What the connection did is told by the connection itself.
        if (!unwanted && !answered()) stop(fromConnectionError(error, 'the request body'))
      },
    )
  })
  return (answer) => {
    stopWaiting()
    if (!outgoing.writableEnded) answer.once('close', () => outgoing.destroy())
  }
}

/** Begins at once, or with `Expect: 100-continue` when the other side asks for the body, or says nothing for a while. */
function whenAsked(outgoing: ClientRequest, begin: () => void): () => void {
  if (outgoing.getHeader('expect') === undefined) {
    begin()
    return () => undefined
  }
  let waiting = true
  const stop = (): void => {
    waiting = false
    clearTimeout(timer)
  }
  const go = (): void => {
    if (waiting) begin()
    stop()
  }
  const timer = setTimeout(go, continueTimeoutMs)
  outgoing.once('continue', go)
  outgoing.once('close', stop)
  outgoing.flushHeaders()
  return stop
}

/** Time-outs of the connection, and the address of one from the pool, which another policy may have let in. */
function watch(
  socket: Socket,
  outgoing: ClientRequest,
  settings: Exchange,
  answer: () => IncomingMessage | undefined,
  stop: (error: SupercargoError) => void,
): void {
  const { url, connectTimeoutMs, idleTimeoutMs } = settings
  let standing = !socket.connecting
  const fault = standing ? addressFault(socket.remoteAddress ?? '', settings.policy) : undefined
  if (fault !== undefined) return stop(addressError(url.hostname, socket.remoteAddress ?? '', fault))
  const stand = (): void => {
    standing = true
    socket.setTimeout(idleTimeoutMs)
  }
  const timeout = (): void => {
    if (!standing) {
      const text = `${shown(url)}: no connection within ${connectTimeoutMs} ms`
      return stop(new SupercargoError('unavailable', 'connect-timeout', text))
    }
    const stream = answer()
    const weAreSlow = stream !== undefined && (stream.complete || stream.readableLength >= stream.readableHighWaterMark)
    if (weAreSlow) socket.setTimeout(idleTimeoutMs)
    else stop(new SupercargoError('interrupted', 'stalled', `${shown(url)}: no byte for ${idleTimeoutMs} ms`))
  }
  const connected = url.protocol === 'https:' ? 'secureConnect' : 'connect'
  socket.setTimeout(standing ? idleTimeoutMs : connectTimeoutMs)
  socket.on('timeout', timeout)
  socket.once(connected, stand)
  outgoing.once('close', () => {
    socket.off('timeout', timeout)
    socket.off(connected, stand)
  })
}
