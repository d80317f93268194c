/** A test run builds services only where that is expected: when it is asked to, and in CI. What was built before is always used. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { reasonsAgainst } from './availability.ts'
import { fromCache } from './cache.ts'
import { servicesWanted } from './wanted.ts'

let cache = ''

beforeEach(() => {
  cache = mkdtempSync(join(tmpdir(), 'supercargo-wanted-'))
  vi.stubEnv('SUPERCARGO_TEST_CACHE', cache)
})

afterEach(() => {
  vi.unstubAllEnvs()
  rmSync(cache, { recursive: true, force: true })
})

describe('a test run', () => {
  it.each([
    [{}, 'cached'],
    [{ CI: 'true' }, 'built'],
    [{ SUPERCARGO_TEST_SERVICES: '1' }, 'built'],
    [{ SUPERCARGO_TEST_SERVICES: '0' }, 'none'],
    [{ SUPERCARGO_TEST_SERVICES: '0', CI: 'true' }, 'none'],
    [{ SUPERCARGO_TEST_SERVICES: '', CI: 'false' }, 'cached'],
  ] as const)('with %j wants services to be %s', (env, wanted) => {
    expect(servicesWanted(env)).toBe(wanted)
  })

  it('that may not build says how what was never built is built', async () => {
    vi.stubEnv('SUPERCARGO_TEST_SERVICES', '')
    vi.stubEnv('CI', '')
    // A machine that has Go, and nothing else.
    writeFileSync(join(cache, 'go'), '#!/bin/sh\necho go version go1.26.8 linux/amd64\n', { mode: 0o755 })
    vi.stubEnv('PATH', cache)
    expect(await reasonsAgainst('s3')).toMatchObject([
      { install: expect.stringContaining('npm run services -- provision') },
    ])
    vi.stubEnv('CI', 'true')
    expect(await reasonsAgainst('s3')).toEqual([])
  })

  it('looks without making anything', async () => {
    const look = { signal: new AbortController().signal, say: () => undefined, cachedOnly: true }
    const build = vi.fn()
    const recipe = { name: 'thing', key: ['1'], takes: '', diskBytes: 1, build }
    await expect(fromCache(recipe, look)).rejects.toMatchObject({ code: 'not-provisioned' })
    expect(build).not.toHaveBeenCalled()
    await fromCache({ ...recipe, build: async () => undefined }, { ...look, cachedOnly: false })
    expect(await fromCache(recipe, look)).toContain('thing-')
  })
})
