/** The cache holds complete entries or none, whatever ends a build, and two runs never build the same thing twice. */
import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { entryPath, fromCache, isCached, type Recipe } from './cache.ts'
import { command } from './command.ts'
import { processesOf } from './site-processes.ts'
import { until } from './until.ts'

let cache = ''
const said: string[] = []
const progress = { say: (line: string): void => void said.push(line), signal: new AbortController().signal }

beforeEach(() => {
  cache = mkdtempSync(join(tmpdir(), 'supercargo-cache-'))
  vi.stubEnv('SUPERCARGO_TEST_CACHE', cache)
  said.length = 0
})

afterEach(() => {
  vi.unstubAllEnvs()
  rmSync(cache, { recursive: true, force: true })
})

function recipe(build: Recipe['build'], change: Partial<Recipe> = {}): Recipe {
  return { name: 'thing', key: ['1.0'], takes: 'a moment', diskBytes: 1000, build, ...change }
}

const simple = async (directory: string): Promise<void> => {
  await mkdir(join(directory, 'bin'))
  await writeFile(join(directory, 'bin', 'tool'), 'twelve bytes')
}

describe('the cache', () => {
  it('builds once, however many ask at the same time', async () => {
    let builds = 0
    const counted = recipe(async (directory) => {
      builds++
      await simple(directory)
    })
    const entries = await Promise.all([1, 2, 3].map(() => fromCache(counted, progress)))
    expect(new Set(entries).size).toBe(1)
    expect(builds).toBe(1)
    expect(said.filter((line) => line.startsWith('waiting'))).toHaveLength(2)
  })

  it('makes another entry when a version changes', async () => {
    const first = await fromCache(recipe(simple), progress)
    const second = await fromCache(recipe(simple, { key: ['1.1'] }), progress)
    expect(second).not.toBe(first)
  })

  it('keeps nothing of a failed build, nor of its processes', async () => {
    const failing = recipe(async (directory, { signal }) => {
      await simple(directory)
      await command(['bash', '-c', 'sleep 300 & exit 3'], { site: directory, signal })
    })
    await expect(fromCache(failing, progress)).rejects.toMatchObject({ code: 'command-failed' })
    expect(readdirSync(cache)).toEqual([])
    expect(processesOf(cache)).toEqual([])
  })

  it('keeps nothing of an interrupted build, nor of its processes', async () => {
    const interrupt = new AbortController()
    const endless = recipe(async (directory, { signal }) => {
      setTimeout(() => interrupt.abort(new Error('stop')), 100)
      await command(['bash', '-c', 'sleep 300 & sleep 300'], { site: directory, signal })
    })
    await expect(fromCache(endless, { ...progress, signal: interrupt.signal })).rejects.toThrow('stop')
    expect(readdirSync(cache).filter((name) => !name.endsWith('.log'))).toEqual([])
    expect(processesOf(cache)).toEqual([])
  })

  it('sees a half written entry and makes it anew', async () => {
    const entry = await fromCache(recipe(simple), progress)
    truncateSync(join(entry, 'bin', 'tool'), 3)
    expect(await isCached(recipe(simple))).toBe(false)
    await fromCache(recipe(simple), progress)
    expect(said).toContain('removing a half written thing')
    expect(await isCached(recipe(simple))).toBe(true)
    rmSync(join(entry, '.complete.json'))
    await fromCache(recipe(simple), progress)
    expect(await isCached(recipe(simple))).toBe(true)
  })

  it('clears away what a killed build left, processes included, and builds', async () => {
    const script = `
      import { fromCache } from ${JSON.stringify(join(import.meta.dirname, 'cache.ts'))}
      import { command } from ${JSON.stringify(join(import.meta.dirname, 'command.ts'))}
      const build = (directory, { signal }) => command(['sleep', '300'], { site: directory, signal })
      await fromCache({ name: 'thing', key: ['1.0'], takes: '', diskBytes: 1, build }, { say: () => {}, signal: new AbortController().signal })`
    const child = spawn(process.execPath, ['--input-type=module-typescript', '--eval', script], { stdio: 'ignore' })
    await until('a build in another process', async () => processesOf(cache).length > 0, { timeoutMs: 10_000 })
    const waiting = fromCache(recipe(simple), progress)
    await until('the wait for it', async () => said.length > 0, { timeoutMs: 10_000 })
    expect(said).toEqual(['waiting for another run that makes thing'])
    child.kill('SIGKILL')
    expect(await waiting).toBe(entryPath(recipe(simple)))
    expect(processesOf(cache)).toEqual([])
    expect(readdirSync(cache)).toHaveLength(1)
  })

  it('says in a sentence that the disk is too small, before it begins', async () => {
    const huge = recipe(simple, { diskBytes: 2 ** 60 })
    await expect(fromCache(huge, progress)).rejects.toMatchObject({
      kind: 'exhausted',
      code: 'disk-full',
      message: expect.stringMatching(/too full to make thing: \d+ MB are needed, \d+ MB are free/),
      hint: expect.stringContaining('SUPERCARGO_TEST_CACHE'),
    })
    expect(readdirSync(cache)).toEqual([])
  })

  it('says in a sentence that the disk became full meanwhile', async () => {
    const filling = recipe(async () => {
      writeFileSync('/dev/full', 'x')
    })
    await expect(fromCache(filling, progress)).rejects.toMatchObject({ kind: 'exhausted', code: 'disk-full' })
    const tool = recipe(async (directory, { signal }) => {
      await command(['bash', '-c', 'echo x > /dev/full'], { site: directory, signal })
    })
    await expect(fromCache(tool, progress)).rejects.toMatchObject({ kind: 'exhausted', code: 'disk-full' })
    expect(readdirSync(cache).filter((name) => !name.endsWith('.log'))).toEqual([])
  })
})
