/** The tables of cases are true: complete, and every test that they name is there under these words. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { repository } from './sources.ts'

interface Row {
  readonly number: number
  readonly how: string
  /** Tests by file and a part of a title. */
  readonly tests: readonly { readonly file: string; readonly title: string }[]
  readonly where: string
}

const page = readFileSync(join(repository, 'test', 'README.md'), 'utf8')

/** The rows of all tables below a heading of the second level. */
function rowsOf(heading: string): Row[] {
  const section = page.split(/^## /m).find((text) => text.startsWith(`${heading}\n`)) ?? ''
  return section
    .split('\n')
    .filter((line) => /^\| \d+ \|/.test(line))
    .map((line) => {
      const [number, , how, where, ...rest] = line.slice(1, -1).split('|')
      expect(rest, line).toEqual([])
      const tests = [...where!.matchAll(/\[[^\]]+\]\(([^)]+)\) "([^"]+)"/g)]
      return {
        number: Number(number),
        how: how!.trim(),
        where: where!.trim(),
        tests: tests.map(([, file, title]) => ({ file: file!, title: title! })),
      }
    })
}

describe.each([
  ['Server cases', 136],
  ['Localizer cases', 158],
  ['Front door cases', 26],
])('the table of %s', (heading, total) => {
  it('has every number once, in order', () => {
    expect(rowsOf(heading).map(({ number }) => number)).toEqual(Array.from({ length: total }, (_, index) => index + 1))
  })

  it('names tests that are there, under these words', () => {
    const wrong: string[] = []
    for (const { number, tests } of rowsOf(heading)) {
      for (const { file, title } of tests) {
        const path = join(repository, 'test', file)
        if (!existsSync(path)) wrong.push(`${number}: there is no ${file}`)
        else if (!titlesOf(path).includes(title)) wrong.push(`${number}: ${file} has no "${title}"`)
      }
    }
    expect(wrong).toEqual([])
  })

  it('says of every other case, in a sentence, why it has none', () => {
    for (const { number, how, where, tests } of rowsOf(heading)) {
      if (tests.length > 0) {
        expect(how, String(number)).not.toMatch(/^–?$/)
        // Nothing but tests stands there: half a reason beside a test would hide what is not checked.
        expect(where.replace(/\[[^\]]+\]\([^)]+\) "[^"]+"(, )?/g, ''), String(number)).toBe('')
      } else expect(where, String(number)).toMatch(/^[A-Z].{20,}\.$/)
    }
  })
})

/** Everything in a test file that can be a title or a part of one: its strings. Comments and code do not count. */
function titlesOf(path: string): string {
  const text = readFileSync(path, 'utf8').replace(/^\s*(\/\/|\/?\*).*$/gm, '')
  return [...text.matchAll(/'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\.)*`/g)]
    .map(([literal]) => literal)
    .join('\n')
}
