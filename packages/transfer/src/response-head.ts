/** The head of an HTTP/1.1 answer, read strictly: what could be understood in two ways is refused (RFC 9112). */
import type { IncomingHttpHeaders } from 'node:http'
import { SupercargoError } from '@supercargo/protocol'

/** As in node:http. */
export const headBytesMax = 16 << 10

export interface ResponseHead {
  readonly status: number
  /** Names in lower case, as node:http gives them. */
  readonly headers: IncomingHttpHeaders
  /** How the body ends: after so many bytes, by its last chunk, or with the connection. */
  readonly framing: number | 'chunked' | 'close'
  /** Whether the connection may be used again after the body. */
  readonly keepAlive: boolean
}

/** Of these the first counts; others of one name are joined. */
const single = new Set(['content-range', 'content-type', 'etag', 'location', 'retry-after', 'last-modified', 'date'])

/** `text` is everything before the empty line, in ISO 8859-1. Throws kind `corrupt`, code `not-http`. The answer is to a GET. */
export function parseResponseHead(text: string, target: string): ResponseHead {
  const lines = text.split('\r\n')
  const status = /^HTTP\/1\.([01]) (\d{3})(?: [^\r\n\0]*)?$/.exec(lines[0]!)
  if (status === null) throw notHttp(target, 'its first line')
  const headers: Record<string, string> = {}
  for (const line of lines.slice(1)) {
    const field = /^([A-Za-z0-9!#$%&'*+.^_`|~-]+):[ \t]*([^\r\n\0]*?)[ \t]*$/.exec(line)
    if (field === null) throw notHttp(target, 'a header line')
    const name = field[1]!.toLowerCase()
    const before = headers[name]
    if (before === undefined) headers[name] = field[2]!
    else if (name === 'content-length' && before !== field[2]) throw notHttp(target, 'two lengths')
    else if (name !== 'content-length' && !single.has(name)) headers[name] = `${before}, ${field[2]}`
  }
  const code = Number(status[2])
  const connection = (headers.connection ?? '').toLowerCase().split(/[\s,]+/)
  const framing = code < 200 || code === 204 || code === 304 ? 0 : framingOf(headers, target)
  const keepAlive = status[1] === '1' ? !connection.includes('close') : connection.includes('keep-alive')
  const { 'set-cookie': cookie, ...rest } = headers
  return {
    status: code,
    headers: cookie === undefined ? rest : { ...rest, 'set-cookie': [cookie] },
    framing,
    keepAlive: keepAlive && framing !== 'close',
  }
}

function framingOf(headers: Readonly<Record<string, string>>, target: string): ResponseHead['framing'] {
  const coding = headers['transfer-encoding']
  const length = headers['content-length']
  if (coding !== undefined) {
    if (length !== undefined) throw notHttp(target, 'a length beside a transfer coding')
    if (coding.trim().toLowerCase() !== 'chunked') throw notHttp(target, 'its transfer coding')
    return 'chunked'
  }
  if (length === undefined) return 'close'
  const bytes = /^\d+$/.test(length) ? Number(length) : Number.NaN
  if (!Number.isSafeInteger(bytes)) throw notHttp(target, 'its length')
  return bytes
}

export function notHttp(target: string, what: string): SupercargoError {
  return new SupercargoError('corrupt', 'not-http', `${target}: the answer is not HTTP (${what})`, {
    hint: 'is this the right port?',
  })
}
