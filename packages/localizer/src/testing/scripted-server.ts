/** A real HTTP server on 127.0.0.1 that does what a test tells it: serve ranges well, or fail in a chosen way. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface SeenRequest {
  readonly method: string
  readonly path: string
  readonly headers: IncomingMessage['headers']
}

/** `number` counts the requests from 1. */
export type Script = (request: IncomingMessage, response: ServerResponse, number: number) => void

export interface ScriptedServer {
  readonly origin: string
  readonly requests: SeenRequest[]
  /** May be exchanged in the middle of a test. */
  script: Script
  url(path: string): string
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

export async function scriptedServer(script: Script): Promise<ScriptedServer> {
  const http = createServer((request, response) => {
    server.requests.push({ method: request.method!, path: request.url!, headers: request.headers })
    server.script(request, response, server.requests.length)
  })
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  const origin = `http://127.0.0.1:${(http.address() as AddressInfo).port}`
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      http.close(() => resolve())
      http.closeAllConnections()
    })
  const server: ScriptedServer = {
    origin,
    requests: [],
    script,
    url: (path) => `${origin}${path}`,
    close,
    [Symbol.asyncDispose]: close,
  }
  return server
}

export interface Served {
  readonly etag?: string
  readonly type?: string
  /** Breaks the connection after so many bytes of this body. */
  readonly cutAfter?: number
  /** Of each connection. */
  readonly bytesPerSecond?: number
  /** Answers every request with 200 and the whole. */
  readonly noRanges?: boolean
}

/** Serves bytes as a good server does: 206 for a range whose If-Range matches, 416 behind the end, 200 otherwise. */
export function serve(request: IncomingMessage, response: ServerResponse, bytes: Buffer, served: Served = {}): void {
  const described = {
    'content-type': served.type ?? 'application/octet-stream',
    ...(served.etag === undefined ? {} : { etag: served.etag }),
  }
  const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '')
  const match = request.headers['if-match']
  if (match !== undefined && match !== served.etag) return void response.writeHead(412, described).end()
  const condition = request.headers['if-range']
  const start =
    range === null || served.noRanges === true || (condition !== undefined && condition !== served.etag)
      ? undefined
      : Number(range[1])
  if (start !== undefined && start >= bytes.length) {
    response.writeHead(416, { ...described, 'content-range': `bytes */${bytes.length}` }).end()
    return
  }
  const end = start === undefined || range![2] === '' ? bytes.length : Math.min(bytes.length, Number(range![2]) + 1)
  const body = bytes.subarray(start ?? 0, end)
  response.writeHead(start === undefined ? 200 : 206, {
    ...described,
    'content-length': body.length,
    ...(start === undefined ? {} : { 'content-range': `bytes ${start}-${end - 1}/${bytes.length}` }),
  })
  if (served.bytesPerSecond !== undefined) trickle(response, body, served.bytesPerSecond)
  else if (served.cutAfter === undefined || served.cutAfter >= body.length) response.end(body)
  else cut(response, body.subarray(0, served.cutAfter))
}

/** A little at a time, as a connection that is the limit brings it. */
export function trickle(response: ServerResponse, body: Buffer, bytesPerSecond: number): void {
  const began = performance.now()
  let sent = 0
  const timer = setInterval(() => {
    const due = Math.min(body.length, Math.floor(((performance.now() - began) / 1000) * bytesPerSecond))
    if (due > sent && !response.writableNeedDrain) {
      response.write(body.subarray(sent, due))
      sent = due
    }
    if (sent < body.length) return
    clearInterval(timer)
    response.end()
  }, 10)
  response.on('close', () => clearInterval(timer))
}

/** The head and these bytes arrive, and then nothing more. */
export function cut(response: ServerResponse, bytes: Buffer): void {
  response.flushHeaders()
  const end = (): void => {
    // One turn later, so that the bytes are on their way before the connection goes.
    setImmediate(() => response.destroy())
  }
  if (bytes.length === 0) end()
  else response.write(bytes, end)
}
