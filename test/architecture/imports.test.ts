/** The layer rule: imports go down, siblings never meet, nothing goes round, and every import is declared. */
import { readFileSync } from 'node:fs'
import { dirname, join, normalize, relative } from 'node:path'
import { describe, expect, it } from 'vitest'
import { packageNames, repository, sourceFiles } from './sources.ts'

/** DESIGN: who may import whom. A package that is not named here fails the test. */
const mayImport: Readonly<Record<string, readonly string[]>> = {
  protocol: [],
  transfer: ['protocol'],
  kube: ['protocol'],
  client: ['protocol', 'transfer'],
  server: ['protocol', 'transfer', 'kube'],
  localizer: ['protocol', 'transfer', 'client'],
  submit: ['protocol', 'transfer', 'client', 'kube'],
  cli: ['protocol', 'transfer', 'kube', 'client', 'server', 'localizer', 'submit'],
}

/** What a program loads only when it needs it, beside the package itself. */
const lazyEntryPoints: ReadonlySet<string> = new Set(['@supercargo/transfer/s3'])

/** One library, one owning place (package, or a path below it). */
const owners: Readonly<Record<string, readonly string[]>> = {
  fastify: ['server/src/http', 'server/src/main.ts', 'server/src/metrics.ts', 'server/src/log.ts'],
  '@fastify/multipart': ['server/src/http'],
  'prom-client': ['server/src'],
  pino: ['server/src'],
  nanoid: ['server/src/store'],
  'tar-stream': ['transfer/src', 'server/src/http', 'localizer/src/unpack', 'localizer/src/testing'],
  'fast-xml-parser': ['localizer/src', 'transfer/src/s3'],
  '@smithy/signature-v4': ['transfer/src/s3'],
  '@aws-sdk/credential-providers': ['transfer/src/s3'],
  yauzl: ['localizer/src/unpack'],
  yaml: ['kube/src/kube-config-file.ts', 'server/src', 'cli/src', 'submit/src'],
  zod: ['protocol/src', 'server/src', 'localizer/src', 'cli/src', 'submit/src', 'kube/src', 'client/src'],
}

const specifier =
  /(?:^|\n)\s*(?:import|export)\s(?:[^'"]*?\sfrom\s)?['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]\s*\)|new URL\(\s*['"](\.[^'"]+)['"]/g

function importsOf(file: string): string[] {
  return [...readFileSync(file, 'utf8').matchAll(specifier)].map((match) => match[1] ?? match[2] ?? match[3]!)
}

function packageOf(file: string): string {
  return relative(join(repository, 'packages'), file).split('/')[0]!
}

describe('imports', () => {
  it('cover every package in the layer table', () => {
    expect(packageNames().sort()).toEqual(Object.keys(mayImport).sort())
  })

  it('go down only, through the public entry point, and are declared in package.json', () => {
    const wrong: string[] = []
    for (const file of sourceFiles('packages')) {
      const from = packageOf(file)
      const manifest = JSON.parse(readFileSync(join(repository, 'packages', from, 'package.json'), 'utf8')) as {
        dependencies?: Record<string, string>
      }
      for (const target of importsOf(file)) {
        const where = `${relative(repository, file)} imports ${target}`
        if (target.startsWith('.')) {
          if (packageOf(normalize(join(dirname(file), target))) !== from) wrong.push(`${where}: leaves its package`)
          continue
        }
        if (target.startsWith('node:')) continue
        const library = target.startsWith('@') ? target.split('/').slice(0, 2).join('/') : target.split('/')[0]!
        const sibling = library === 'supercargo' ? 'cli' : /^@supercargo\/(.+)$/.exec(library)?.[1]
        const testOnly = file.endsWith('.test.ts') || file.includes('/testing/')
        if (sibling !== undefined) {
          if (!mayImport[from]!.includes(sibling)) wrong.push(`${where}: not below it`)
          // What a package offers to the tests of others, and what few programs load, have entry points of their own.
          const entryPoint =
            target === library || lazyEntryPoints.has(target) || (testOnly && target === `${library}/testing`)
          if (!entryPoint) wrong.push(`${where}: past the entry point`)
          if (manifest.dependencies?.[library] === undefined) wrong.push(`${where}: not declared`)
        } else if (!testOnly && manifest.dependencies?.[library] === undefined) wrong.push(`${where}: not declared`)
      }
    }
    expect(wrong).toEqual([])
  })

  it('of a library stay in the place that owns it', () => {
    const wrong: string[] = []
    for (const file of sourceFiles('packages')) {
      if (file.endsWith('.test.ts')) continue
      const path = relative(join(repository, 'packages'), file)
      for (const target of importsOf(file)) {
        const places = owners[target]
        if (places !== undefined && !places.some((place) => path.startsWith(place)))
          wrong.push(`${path} imports ${target}`)
      }
    }
    expect(wrong).toEqual([])
  })

  it('have no cycle', () => {
    const graph = new Map(
      sourceFiles('packages').map((file) => [
        file,
        importsOf(file)
          .filter((target) => target.startsWith('.'))
          .map((target) => normalize(join(dirname(file), target))),
      ]),
    )
    const done = new Set<string>()
    const cycles: string[] = []
    const visit = (file: string, path: readonly string[]): void => {
      const at = path.indexOf(file)
      if (at >= 0) {
        cycles.push([...path.slice(at), file].map((each) => relative(repository, each)).join(' -> '))
        return
      }
      if (done.has(file)) return
      for (const next of graph.get(file) ?? []) visit(next, [...path, file])
      done.add(file)
    }
    for (const file of graph.keys()) visit(file, [])
    expect(cycles).toEqual([])
  })
})
