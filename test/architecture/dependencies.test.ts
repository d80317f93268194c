/** What comes from outside: whose installation runs programs, which version of Node a library needs, what is not used at all. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { packageNames, repository } from './sources.ts'

interface Manifest {
  readonly engines?: { readonly node?: string }
  readonly allowScripts?: Readonly<Record<string, boolean>>
  readonly dependencies?: Readonly<Record<string, string>>
  readonly packages?: Readonly<
    Record<
      string,
      {
        readonly hasInstallScript?: boolean
        readonly integrity?: string
        readonly resolved?: string
        readonly link?: boolean
      }
    >
  >
}

const read = (...path: string[]): Manifest => JSON.parse(readFileSync(join(repository, ...path), 'utf8')) as Manifest

describe('dependencies', () => {
  it('are locked by their digest, and none but the named ones runs a program when it is installed', () => {
    const { packages } = read('package-lock.json')
    const scripts = new Set<string>()
    let external = 0
    for (const [path, entry] of Object.entries(packages!)) {
      if (!path.includes('node_modules/') || entry.link === true) continue
      external++
      if (entry.resolved !== undefined) expect(entry.integrity, path).toMatch(/^sha512-/)
      if (entry.hasInstallScript === true) scripts.add(path.split('node_modules/').at(-1)!)
    }
    expect(external).toBeGreaterThan(50)
    const allowed = Object.keys(read('package.json').allowScripts ?? {})
    // fsevents is for macOS alone, and only of the test runner.
    expect([...scripts].filter((name) => !allowed.includes(name) && name !== 'fsevents')).toEqual([])
  })

  it('of the programs are pinned to one version each', () => {
    for (const name of packageNames())
      for (const [library, version] of Object.entries(read('packages', name, 'package.json').dependencies ?? {}))
        expect(version, `${library} of ${name}`).toMatch(/^\d+\.\d+\.\d+$/)
  })

  it('bring no second HTTP client and no tar extractor with rules of its own', () => {
    for (const name of packageNames()) {
      const libraries = Object.keys(read('packages', name, 'package.json').dependencies ?? {})
      for (const unwanted of ['undici', 'node-fetch', 'axios', 'tar', 'tar-fs', 'adm-zip', 'unzipper', 'decompress'])
        expect(libraries, name).not.toContain(unwanted)
    }
  })
})
