/** What is printed is what is run. */
import { execFileSync } from 'node:child_process'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { shellLine } from './shell-words.ts'

it('a printed line is read back by a shell as the same words', () => {
  const word = fc
    .string({ unit: 'grapheme', maxLength: 12 })
    .filter((text) => !/\u0000/.test(text) && text.isWellFormed())
  const words = fc.array(word, { minLength: 1, maxLength: 40 })
  const read = (line: string) => execFileSync('sh', ['-c', `printf '%s\\0' ${line}`], { encoding: 'utf8' })
  fc.assert(
    fc.property(words, (each) => {
      expect(read(shellLine(each)).split('\0').slice(0, -1)).toEqual(each)
    }),
    { numRuns: 20 },
  )
})
