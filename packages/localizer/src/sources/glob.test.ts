/** Patterns: what they match is what Hadoop's match, and a broken one is refused by name. */
import { describe, expect, it } from 'vitest'
import { isPattern, patternsOf, segmentMatcher } from './glob.ts'

describe('a pattern', () => {
  it.each([
    ['a/b', ['a/b']],
    ['{a,b}/c', ['a/c', 'b/c']],
    ['x{a,b/c}y{1,2}', ['xay1', 'xay2', 'xb/cy1', 'xb/cy2']],
    ['{a,{b,c}d}', ['a', 'bd', 'cd']],
    ['a{,b}', ['a', 'ab']],
    ['{a,a}', ['a']],
  ])('%s stands for its alternatives', (text, expected) => {
    expect(patternsOf(text)).toEqual(expected)
  })

  it.each([
    ['*.jar', ['a.jar', '.jar', 'ä.jar'], ['a.jar2', 'jar']],
    ['a[bc]d', ['abd', 'acd'], ['aed', 'ad', 'abcd']],
    ['a[^bc]d', ['aed'], ['abd', 'ad']],
    ['a[!b]', ['ac'], ['ab']],
    ['[a-c]1', ['b1'], ['d1', '-1']],
    ['[]x]', [']', 'x'], ['y']],
    ['[-a]', ['-', 'a'], ['b']],
    ['[\\d]', ['\\', 'd'], ['1']],
    ['a.b+c(d)', ['a.b+c(d)'], ['aXb+c(d)']],
    ['a%2Ab*', ['a*bc'], ['axbc']],
  ])('%s matches what it says and nothing else', (segment, yes, no) => {
    const matcher = segmentMatcher(segment, decodeURIComponent)
    expect(yes.filter((name) => !matcher.test(name))).toEqual([])
    expect(no.filter((name) => matcher.test(name))).toEqual([])
  })

  it.each([
    ['{a,b', () => patternsOf('{a,b')],
    ['{'.repeat(20), () => patternsOf('{1,2}'.repeat(20))],
    ['[a', () => segmentMatcher('[a')],
    ['[z-a]', () => segmentMatcher('[z-a]')],
  ])('%s is refused', (_, make) => {
    expect(make).toThrow(expect.objectContaining({ kind: 'invalid', code: 'bad-pattern' }))
  })

  it('is known by its signs', () => {
    expect(['a*', '[a]', '{a}', 'a b', 'a%2A', 'a?'].map(isPattern)).toEqual([true, true, true, false, false, false])
  })
})
