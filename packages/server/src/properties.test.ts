/** Java's properties syntax, as a table. */
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the syntax under test looks like a template
import { describe, expect, it } from 'vitest'
import { parseProperties, substitute } from './properties.ts'

describe("Java's properties syntax", () => {
  it.each([
    ['a=b', { a: 'b' }],
    ['a:b', { a: 'b' }],
    ['a b', { a: 'b' }],
    ['  a  =  b  ', { a: 'b  ' }],
    ['a', { a: '' }],
    ['a=', { a: '' }],
    ['# no\n! no\n\na=1\r\nb=2', { a: '1', b: '2' }],
    ['a=1\na=2', { a: '2' }],
    ['a\\=b=c\\:d', { 'a=b': 'c:d' }],
    ['a\\ b=c', { 'a b': 'c' }],
    ['a=1,\\\n   2,\\\n   3', { a: '1,2,3' }],
    ['a=x\\\\\nb=y', { a: 'x\\', b: 'y' }],
    ['a=\\u00fc\\t\\n', { a: 'ü\t\n' }],
    ['a=b=c d', { a: 'b=c d' }],
    ['a=b\\', { a: 'b' }],
  ])('%j', (text, expected) => {
    expect(Object.fromEntries(parseProperties(text))).toEqual(expected)
  })

  it('resolves variables and keys, and leaves what it cannot resolve', () => {
    const properties = new Map([
      ['a', '${b}/${env:HOME}/${none}/${env:NONE}'],
      ['b', 'x${c}'],
      ['c', '${b}'],
    ])
    expect(substitute(properties, { HOME: '/home' }).get('a')).toBe('x${b}//home/${none}/${env:NONE}')
  })
})
