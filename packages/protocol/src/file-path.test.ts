/** Paths from outside: what is refused, and that nothing accepted can leave its root. */
import { posix } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { pathConflict, pathFault, printable } from './file-path.ts'

describe('a path', () => {
  it.each([
    ['', 'empty'],
    ['/etc/passwd', 'absolute'],
    ['../x', '".."'],
    ['a/../../x', '".."'],
    ['a/./b', '"."'],
    ['a//b', 'empty part'],
    ['a/', 'empty part'],
    ['a\\b', 'backslash'],
    ['a\0b', 'control'],
    ['a\nb', 'control'],
    ['a\u202f\u2028b', 'control'],
    ['a\u0085b', 'control'],
    ['\ud800', 'Unicode'],
    ['x'.repeat(256), 'longer than 255'],
    [`${'é'.repeat(128)}`, 'longer than 255'],
    ['x'.repeat(4096), 'longer than 1024'],
    ['.supercargo/journal', 'reserved'],
    ['.supercargo', 'reserved'],
  ])('%j is refused', (path, why) => {
    expect(pathFault(path)).toContain(why)
  })

  it.each([
    'a.jar',
    'spark-jars/a b+c%20#.jar',
    'ä/日本/🚢.txt',
    '...',
    '.hidden',
    'a..b/c',
    '-rf',
    'CON',
    'a:b',
    'x'.repeat(255),
  ])('%j is taken', (path) => {
    expect(pathFault(path)).toBeUndefined()
  })

  it('that is accepted stays below its root, whatever it says', () => {
    const parts = fc.constantFrom('..', '.', '', 'a', 'b', '...', '\\', '\0', '/', '~', '%2e%2e')
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: 'binary' }),
          fc.array(parts).map((list) => list.join('/')),
        ),
        (path) => {
          if (pathFault(path) !== undefined) return
          expect(posix.join('/base/dir', path).startsWith('/base/dir/')).toBe(true)
          expect(posix.normalize(path)).toBe(path)
        },
      ),
      { numRuns: 2000 },
    )
  })
})

describe('a set of paths', () => {
  it.each([
    [['a', 'b', 'a'], 'twice'],
    [['caf\u00e9', 'cafe\u0301'], 'one name'],
    [['a', 'a/b'], 'cannot hold'],
    [['x/y/z/w', 'x/y'], 'cannot hold'],
  ])('%j is refused', (paths, why) => {
    expect(pathConflict(paths)).toContain(why)
  })

  it('of different names is taken, also when one is the beginning of another', () => {
    expect(pathConflict(['a', 'ab', 'a.b', 'b/a', 'A', 'b/ab/c'])).toBeUndefined()
  })
})

describe('a printed name', () => {
  it('is escaped and bounded', () => {
    expect(printable('a\n\u001b[31m\u0085')).toBe('"a\\n\\u001b[31m\\u0085"')
    expect(printable('x'.repeat(5000)).length).toBeLessThanOrEqual(120)
  })
})
