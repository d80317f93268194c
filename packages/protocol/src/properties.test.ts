/** Java properties, case by case as java.util.Properties reads them. */
import { describe, expect, it } from 'vitest'
import { parseProperties, substitute } from './properties.ts'

const parsed = (text: string) => Object.fromEntries(parseProperties(text))

describe('Java properties', () => {
  it.each([
    ['a=1', { a: '1' }],
    ['a:1', { a: '1' }],
    ['a 1', { a: '1' }],
    ['  a   =   1  ', { a: '1  ' }],
    ['a\t:\t1', { a: '1' }],
    ['a', { a: '' }],
    ['a=', { a: '' }],
    ['=x', { '': 'x' }],
    ['a==1', { a: '=1' }],
    ['a = = 1', { a: '= 1' }],
    ['a=1\na=2', { a: '2' }],
    ['# a=1\n! b=2\n  # c=3\nd=4', { d: '4' }],
    ['a=1 # no comment', { a: '1 # no comment' }],
    ['a=1\r\nb=2\rc=3\n\n\nd=4', { a: '1', b: '2', c: '3', d: '4' }],
    ['a=one \\\n    two', { a: 'one two' }],
    ['a=one\\\\\nb=2', { a: 'one\\', b: '2' }],
    ['a=one\\\\\\\n  two', { a: 'one\\two' }],
    ['a=1\\', { a: '1' }],
    ['a=\\\n\nb=2', { a: '', b: '2' }],
    ['uri=http\\://host\\:10000', { uri: 'http://host:10000' }],
    ['a\\ b\\=c\\:d=1', { 'a b=c:d': '1' }],
    ['a=\\t\\n\\r\\f\\q', { a: '\t\n\r\fq' }],
    ['a=\\u00fc\\u20AC', { a: 'ü€' }],
    ['\ufeffa=1', { a: '1' }],
    ['a=b=c d', { a: 'b=c d' }],
  ])('%j', (text, expected) => {
    expect(parsed(text)).toEqual(expected)
  })

  it('with a malformed \\u are invalid, as in Java', () => {
    expect(() => parsed('a=\\u12')).toThrow(expect.objectContaining({ kind: 'invalid', code: 'bad-properties' }))
  })
})

describe('references in properties', () => {
  const resolved = (text: string, environment: Readonly<Record<string, string>> = {}) =>
    Object.fromEntries(substitute(parseProperties(text), environment))

  it.each([
    [`a=\${env:HOST}/x`, { a: 'h/x' }],
    [`a=\${env:MISSING}`, { a: `\${env:MISSING}` }],
    [`a=\${system:java.home}`, { a: `\${system:java.home}` }],
    [`a=\${b}\nb=\${c}!\nc=1`, { a: '1!', b: '1!', c: '1' }],
    [`a=x\${b}/\${env:HOST}/\${env:NONE}\nb=y`, { a: `xy/h/\${env:NONE}`, b: 'y' }],
    [`a=\${nothing}`, { a: `\${nothing}` }],
    [`a=$x {} \${}`, { a: `$x {} \${}` }],
  ])('%j', (text, expected) => {
    expect(resolved(text, { HOST: 'h' })).toEqual(expected)
  })

  it('that lead back to themselves are invalid', () => {
    expect(() => resolved(`a=\${b}\nb=\${a}`)).toThrow(expect.objectContaining({ code: 'circular-reference' }))
  })
})
