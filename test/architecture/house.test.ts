/** The house rules that a reader relies on: captions, names, charters, no machine's paths, no unfinished places. */
import { existsSync, readFileSync, statSync } from 'node:fs'
import { basename, join, relative } from 'node:path'
import { describe, expect, it } from 'vitest'
import { packageNames, repository, repositoryFiles, sourceFiles } from './sources.ts'

const text = (file: string): string => readFileSync(file, 'utf8')
const present = (file: string): boolean => existsSync(file)

describe('the house', () => {
  it('has a charter in a README for every package', () => {
    for (const name of packageNames())
      expect(text(join(repository, 'packages', name, 'README.md')).length, name).toBeGreaterThan(100)
  })

  it('opens every source file with a one-sentence caption', () => {
    const wrong = [...sourceFiles('packages'), ...sourceFiles('test')]
      .filter(present)
      .filter((file) => !/^(#!.*\n)?\/\*\*\s*\n?\s*\*?\s*\S/.test(text(file)))
    expect(wrong.map((file) => relative(repository, file))).toEqual([])
  })

  it('names files in kebab-case and after a concept', () => {
    const wrong = [...sourceFiles('packages'), ...sourceFiles('test')].filter((file) => {
      const name = basename(file).replace(/(\.test|\.bench|\.config)?\.(ts|js)$/, '')
      return !/^[a-z0-9]+(-[a-z0-9]+)*$/.test(name) || /^(utils?|helpers?|common|misc|types)$/.test(name)
    })
    expect(wrong.map((file) => relative(repository, file))).toEqual([])
  })

  it('holds no path of a machine, no registry host, no private key, and nothing that says it is unfinished', () => {
    const machine = new RegExp(
      [
        '/(wo' + 'rk|fa' + 'rm|ro' + 'ot)/[A-Za-z.]',
        'registry\\.npm' + 'js',
        'proxy\\.gol' + 'ang',
        'repo1?\\.ma' + 'ven',
        'pypi\\.org/si' + 'mple',
      ].join('|'),
    )
    const unfinished = new RegExp(`\\b(TO${''}DO|FIX${''}ME|XX${''}X|not imple${''}mented|for n${''}ow)\\b`)
    const skipped = new RegExp(`\\b(it|test|describe)\\.(sk${''}ip|to${''}do|on${''}ly)\\(`)
    const wrong: string[] = []
    for (const file of repositoryFiles().filter(present)) {
      if (basename(file) === 'package-lock.json' || statSync(file).size > 1 << 20) continue
      for (const [index, line] of text(file).split('\n').entries()) {
        if (machine.test(line) || unfinished.test(line) || skipped.test(line))
          wrong.push(`${relative(repository, file)}:${index + 1}: ${line.trim().slice(0, 100)}`)
      }
    }
    expect(wrong).toEqual([])
  })

  it('keeps the top level to what tools and people expect', () => {
    const allowed =
      /^(package(-lock)?\.json|tsconfig\.json|biome\.json|packages|deploy|docs|test|Dockerfile\.(server|init)|[A-Z]+\.md|LICENSE|NOTICE|\..+)$/
    const top = new Set(repositoryFiles().map((file) => relative(repository, file).split('/')[0]!))
    expect([...top].filter((name) => !allowed.test(name))).toEqual([])
  })

  it('has no file that is too long to hold one concept', () => {
    const long = sourceFiles('packages')
      .filter(present)
      .filter((file) => !file.endsWith('.test.ts') && !file.includes('/testing/'))
      .filter((file) => text(file).split('\n').length > 400)
    expect(long.map((file) => relative(repository, file))).toEqual([])
  })
})
