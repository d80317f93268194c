/** No outside string leads out of its root. */
import { sep } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { inside } from './inside.ts'

describe('a path below a root', () => {
  it.each(['..', '../x', 'a/../../x', '/etc/passwd', '', '.', 'a//b', 'a\\..\\b', 'a\0', '.supercargo/x'])(
    '%j is refused as unsafe',
    (path) => {
      expect(() => inside('/data/root', path)).toThrow(expect.objectContaining({ kind: 'unsafe', code: 'path-escape' }))
    },
  )

  it('stays below it, whatever the string, also when the root is the root of all', () => {
    const parts = fc.constantFrom('..', '.', '', 'a', '\\', '/', '~', '%2e', '…', 'b c')
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: 'binary' }),
          fc.array(parts).map((list) => list.join('/')),
        ),
        fc.constantFrom('/', '/data', '/data/../x/'),
        (path, root) => {
          let full: string
          try {
            full = inside(root, path)
          } catch {
            // Refused is fine too: the law is about what is let through.
            return
          }
          const base = root === '/' ? '' : root === '/data' ? '/data' : '/x'
          expect(full.startsWith(base + sep)).toBe(true)
          expect(full.split(sep)).not.toContain('..')
        },
      ),
      { numRuns: 1000 },
    )
  })
})
