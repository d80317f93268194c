/** Heads of answers: what is understood, and what is refused because it could be understood in two ways. */
import { describe, expect, it } from 'vitest'
import { parseResponseHead } from './response-head.ts'

const parse = (...lines: string[]) => parseResponseHead(lines.join('\r\n'), 'http://h/a')

describe('the head of an answer', () => {
  it.each([
    [['HTTP/1.1 200 OK', 'Content-Length: 12'], 12, true],
    [['HTTP/1.1 200', 'content-length:12'], 12, true],
    [['HTTP/1.1 200 OK', 'Content-Length: 12', 'Content-Length: 12'], 12, true],
    [['HTTP/1.1 200 OK', 'Transfer-Encoding: Chunked'], 'chunked', true],
    [['HTTP/1.1 200 OK', 'Content-Length: 0', 'Connection: Close'], 0, false],
    [['HTTP/1.0 200 OK', 'Content-Length: 1'], 1, false],
    [['HTTP/1.0 200 OK', 'Content-Length: 1', 'Connection: keep-alive'], 1, true],
    [['HTTP/1.1 200 OK'], 'close', false],
    [['HTTP/1.1 204 No Content'], 0, true],
    [['HTTP/1.1 304 Not Modified', 'Content-Length: 99'], 0, true],
  ] as const)('%j ends its body as it says', (lines, framing, keepAlive) => {
    expect(parse(...lines)).toMatchObject({ framing, keepAlive })
  })

  it('has its fields in lower case, trimmed; several of one name are joined, or the first one counts', () => {
    const { headers, status } = parse(
      ...['HTTP/1.1 206 Partial Content', 'ETag: \t"a" ', 'ETag: "b"', 'Vary: x', 'vary: y', 'Set-Cookie: c=1'],
    )
    expect(status).toBe(206)
    expect(headers).toEqual({ etag: '"a"', vary: 'x, y', 'set-cookie': ['c=1'] })
  })

  it.each([
    [['HTTP/2 200']],
    [['SSH-2.0-OpenSSH']],
    [['HTTP/1.1 2000 OK']],
    [['HTTP/1.1 200 OK', 'Content-Length: 5', 'Content-Length: 6']],
    [['HTTP/1.1 200 OK', 'Content-Length: 5, 5']],
    [['HTTP/1.1 200 OK', 'Content-Length: -1']],
    [['HTTP/1.1 200 OK', 'Content-Length: 1e3']],
    [['HTTP/1.1 200 OK', `Content-Length: ${'9'.repeat(20)}`]],
    [['HTTP/1.1 200 OK', 'Content-Length: 5', 'Transfer-Encoding: chunked']],
    [['HTTP/1.1 200 OK', 'Transfer-Encoding: gzip, chunked']],
    [['HTTP/1.1 200 OK', 'A: b', ' folded']],
    [['HTTP/1.1 200 OK', 'A : b']],
    [['HTTP/1.1 200 OK', 'A: b\u0000c']],
    [['HTTP/1.1 200 OK', 'A: b\nB: c']],
    [['HTTP/1.1 200 OK', ': b']],
  ])('%j is refused', (lines) => {
    expect(() => parse(...lines)).toThrow(expect.objectContaining({ kind: 'corrupt', code: 'not-http' }))
  })
})
