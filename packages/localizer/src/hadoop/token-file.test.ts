/** Token files: both formats give the same tokens, a URL gets them back, and every damage is an error. */
import { describe, expect, it } from 'vitest'
import { protobufFile, tokenFor, writableFile } from '../testing/hadoop-tokens.ts'
import { isTokenFile, maxDateOf, parseTokenFile, parseUrlString, urlStringOf } from './token-file.ts'

const tokens = [
  tokenFor('ha-hdfs:cargo'),
  tokenFor('10.0.0.1:8020', { identifier: Buffer.alloc(300, 7) }),
  tokenFor('', { kind: 'WEBHDFS delegation', password: Buffer.alloc(200, 1) }),
]

describe.each([
  ['writable', writableFile],
  ['protocol buffers', protobufFile],
])('a token file in %s', (_, write) => {
  it('gives all of its tokens', () => {
    expect(isTokenFile(write(tokens))).toBe(true)
    expect(parseTokenFile(write(tokens), 'f')).toEqual(tokens)
    expect(parseTokenFile(write([]), 'f')).toEqual([])
  })

  it('is refused wherever it is cut', () => {
    const file = write([tokens[0]!])
    for (let length = 6; length < file.length; length++)
      expect(() => parseTokenFile(file.subarray(0, length), 'f'), String(length)).toThrow(
        expect.objectContaining({ kind: 'invalid', code: 'bad-token-file' }),
      )
  })
})

describe('a token', () => {
  it.each(tokens)('comes back from a URL (%#)', (token) => {
    const text = urlStringOf(token)
    expect(text).toMatch(/^[\w-]+$/)
    expect(parseUrlString(text, 'f')).toEqual(token)
  })

  it('is encoded as Hadoop serializes it', () => {
    const token = tokenFor('s', { identifier: Buffer.from('id'), password: Buffer.from('pw'), kind: 'k' })
    expect(Buffer.from(urlStringOf(token), 'base64url').toString('latin1')).toBe('\u0002id\u0002pw\u0001k\u0001s')
    const long = tokenFor('s', { identifier: Buffer.alloc(300), password: Buffer.alloc(128) })
    const bytes = Buffer.from(urlStringOf(long), 'base64url')
    expect(bytes.subarray(0, 3).toString('hex')).toBe('8e012c')
    expect(bytes.subarray(303, 305).toString('hex')).toBe('8f80')
  })

  it('knows when it ends, and another make of identifier does not', () => {
    expect(maxDateOf(tokenFor('s', { maxDate: 1_690_672_432_660 }))).toBe(1_690_672_432_660)
    for (const identifier of [Buffer.alloc(0), Buffer.from([0]), Buffer.from([9, 1, 1]), Buffer.alloc(3)])
      expect(maxDateOf(tokenFor('s', { identifier }))).toBeUndefined()
  })
})

describe('what is no token', () => {
  it.each([
    ['another version', () => parseTokenFile(Buffer.from('HDTS\u0002abc'), 'f')],
    ['no version', () => parseTokenFile(Buffer.from('HDTS'), 'f')],
    ['a field of another type', () => parseTokenFile(Buffer.from('HDTS\u0001\u0002\u0008\u0001', 'latin1'), 'f')],
    [
      'a length without end',
      () => parseTokenFile(Buffer.from('HDTS\u0001\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff', 'latin1'), 'f'),
    ],
    ['a negative length', () => parseTokenFile(Buffer.from('HDTS\u0000\u0001\u00ff', 'latin1'), 'f')],
    ['text', () => parseUrlString('hello world', 'f')],
    ['nothing', () => parseUrlString('', 'f')],
    ['base 64 of something', () => parseUrlString('aGVsbG8', 'f')],
    ['a token and more', () => parseUrlString(`${urlStringOf(tokens[0]!)}AAAA`, 'f')],
  ])('%s is refused', (_, read) => {
    expect(read).toThrow(expect.objectContaining({ kind: 'invalid', code: 'bad-token-file' }))
  })
})
