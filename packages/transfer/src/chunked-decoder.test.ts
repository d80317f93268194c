/** The chunked coding: the same body at whichever bytes it is cut, and an error for what is none. */
import { describe, expect, it } from 'vitest'
import { ChunkedDecoder } from './chunked-decoder.ts'

const coded = '5;name=value\r\nhello\r\n1\r\n,\r\n00B \r\n world of \n\r\n0\r\nTrailer: x\r\n\r\n'

function decode(pieces: readonly string[]): { body: string; done: boolean; used: number } {
  const decoder = new ChunkedDecoder('http://h/a')
  let body = ''
  let used = 0
  for (const piece of pieces) used += decoder.feed(Buffer.from(piece), (bytes) => (body += bytes))
  return { body, done: decoder.done, used }
}

describe('a chunked body', () => {
  it('is the same wherever it is cut', () => {
    for (let at = 0; at <= coded.length; at++) {
      const { body, done } = decode([coded.slice(0, at), coded.slice(at)])
      expect(body).toBe('hello, world of \n')
      expect(done).toBe(true)
    }
    expect(decode([...coded]).body).toBe('hello, world of \n')
  })

  it('is not done before its last line', () => {
    for (let length = 0; length < coded.length; length++) expect(decode([coded.slice(0, length)]).done).toBe(false)
  })

  it('leaves what is behind it alone', () => {
    expect(decode([`${coded}HTTP/1.1 200`]).used).toBe(coded.length)
  })

  it.each([
    'x\r\n',
    '\r\n',
    '5\nhello\r\n',
    '5\r\nhello!\r\n',
    '-1\r\n',
    'fffffffffffff\r\n',
    `0\r\nA: ${'x'.repeat(5000)}`,
  ])('%j is refused', (text) => {
    expect(() => decode([text])).toThrow(expect.objectContaining({ kind: 'corrupt', code: 'not-http' }))
  })
})
