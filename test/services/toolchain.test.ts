/** What a machine lacks is said in a sentence with what to install, never found out in the middle of a build. */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { goToolchain } from './go-toolchain.ts'
import { missingGo, missingJava, missingPython, missingRoot } from './toolchain.ts'

let root = ''

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'supercargo-toolchain-'))
  vi.stubEnv('JAVA_HOME', '')
})

afterEach(() => {
  vi.unstubAllEnvs()
  vi.restoreAllMocks()
  rmSync(root, { recursive: true, force: true })
})

/** Makes the PATH hold this program alone, with what it says about itself. */
function only(program: string, says: string): void {
  writeFileSync(join(root, program), `#!/bin/sh\necho '${says}'\n`)
  chmodSync(join(root, program), 0o755)
  vi.stubEnv('PATH', root)
}

describe('a machine', () => {
  it('without Go, Java or Python is told so', async () => {
    vi.stubEnv('PATH', root)
    expect(await missingGo()).toEqual([{ what: 'Go', install: expect.stringContaining('golang-go') }])
    expect(await missingJava()).toMatchObject([{ what: 'Java', install: expect.stringContaining('openjdk-17') }])
    expect(await missingPython()).toMatchObject([{ what: 'Python 3 with pip' }])
  })

  it('with a wrong Java is told which one was found', async () => {
    only('java', 'openjdk version "11.0.2" 2019-01-15')
    expect(await missingJava()).toMatchObject([{ what: 'Java 17 or 21 (Java 11 was found)' }])
    only('java', 'openjdk version "21.0.4" 2024-07-16')
    expect(await missingJava()).toEqual([])
  })

  it('is judged by the Java of JAVA_HOME, as Spark and Hadoop judge it', async () => {
    only('java', 'openjdk version "17.0.2" 2022-01-18')
    vi.stubEnv('JAVA_HOME', join(root, 'nowhere'))
    expect(await missingJava()).toMatchObject([
      { what: 'the Java of JAVA_HOME', install: expect.stringContaining('JAVA_HOME') },
    ])
    mkdirSync(join(root, 'nowhere', 'bin'), { recursive: true })
    writeFileSync(join(root, 'nowhere', 'bin', 'java'), '#!/bin/sh\necho \'java version "1.8.0_292"\'\n', {
      mode: 0o755,
    })
    expect(await missingJava()).toMatchObject([{ what: 'Java 17 or 21 (Java 8 was found)' }])
  })

  it('with a Go that is too old to fetch a newer one is told so', async () => {
    only('go', 'go version go1.15.15 linux/amd64')
    expect(await missingGo()).toMatchObject([{ what: 'a newer Go than 1.15' }])
    only('go', 'go version go1.19.8 linux/amd64')
    expect(await missingGo()).toEqual([])
  })

  it('with Debian’s older Go builds with the release that it fetches, and with a newer one as it is', async () => {
    const look = { signal: new AbortController().signal, say: () => undefined, cachedOnly: true }
    vi.stubEnv('SUPERCARGO_TEST_CACHE', root)
    only('go', 'go version go1.19.8 linux/amd64')
    await expect(goToolchain(look)).rejects.toThrow(/^go1\.26\.\d+ is not in the cache/)
    only('go', 'go version go1.21.0 linux/amd64')
    expect(await goToolchain(look)).toEqual({ program: 'go', env: { GOTOOLCHAIN: 'auto' } })
  })

  it('without root is told so', () => {
    vi.spyOn(process, 'getuid').mockReturnValue(1000)
    expect(missingRoot()).toMatchObject([{ what: 'root' }])
  })
})
