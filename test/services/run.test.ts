/** An instance leaves nothing, whichever way it ends: a stop, a failed start, a killed owner, a second run beside it. */
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, inject, it, vi } from 'vitest'
import { command, tryCommand } from './command.ts'
import { requirePort } from './loopback.ts'
import { instancesOf, leftovers, runsDirectory, startInstance, stopOrphans, stopRun } from './run.ts'
import { describeWith, ownInstance, running } from './running.ts'
import { openSite, type Site, siteAlive, stopSite } from './site.ts'
import { until } from './until.ts'

let root = ''
const progress = { say: () => undefined, signal: new AbortController().signal }

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'supercargo-run-'))
})

afterEach(() => {
  vi.unstubAllEnvs()
  rmSync(root, { recursive: true, force: true })
})

function site(name = 'thing'): Site {
  return openSite(join(root, name), progress)
}

describe('an instance', () => {
  it('is stopped with everything that its processes started, also what ignores SIGTERM and left its group', async () => {
    const made = site()
    const script = `trap '' TERM; setsid bash -c 'trap "" TERM; while :; do sleep 300; done' & echo up; while :; do sleep 300; done`
    const started = await made.spawn({ name: 'stubborn', argv: ['bash', '-c', script], graceMs: 100 })
    await started.ready(async () => leftovers(root).length >= 4, 5000)
    expect(siteAlive(made.directory)).toBe(true)
    await stopSite(made.directory)
    expect(leftovers(root)).toEqual([])
    expect(existsSync(made.directory)).toBe(false)
  })

  it('undoes in the reverse order of doing, and goes on after a failure', async () => {
    const made = site()
    const trace = join(root, 'trace')
    for (const each of ['first', 'second']) made.undo(['bash', '-c', `echo ${each} >> ${trace}`])
    made.undo(['bash', '-c', 'exit 1'])
    made.undo(['no-such-program'])
    await stopSite(made.directory)
    await stopSite(made.directory)
    expect(readFileSync(trace, 'utf8')).toBe('second\nfirst\n')
  })

  it('says what a process said that ended while it started', async () => {
    const started = await site().spawn({ name: 'broken', argv: ['bash', '-c', 'echo cannot read the map; exit 1'] })
    await expect(started.ready(async () => false, 5000)).rejects.toMatchObject({
      code: 'process-ended',
      message: expect.stringContaining('cannot read the map'),
    })
  })

  it('says what a process said that is not ready in time', async () => {
    const made = site()
    const started = await made.spawn({ name: 'slow', argv: ['bash', '-c', 'echo still thinking; sleep 300'] })
    await expect(started.ready(async () => false, 300)).rejects.toMatchObject({
      code: 'not-ready',
      message: expect.stringContaining('still thinking'),
    })
    await stopSite(made.directory)
  })

  it('names a port that is taken', async () => {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as { port: number }
    await expect(requirePort(port)).rejects.toMatchObject({
      kind: 'conflict',
      code: 'port-taken',
      message: expect.stringContaining(`${port}`),
    })
    await new Promise((resolve) => server.close(resolve))
  })

  it('is stopped by the reaper when its owner is killed', async () => {
    const run = join(root, 'run')
    const script = `
      import { spawn } from 'node:child_process'
      import { openSite } from ${JSON.stringify(join(import.meta.dirname, 'site.ts'))}
      spawn(process.execPath, [${JSON.stringify(join(import.meta.dirname, 'reaper.ts'))}, ${JSON.stringify(run)}], { detached: true, stdio: ['pipe', 'ignore', 'ignore'] })
      const site = openSite(${JSON.stringify(join(run, 'thing'))}, { say: () => {}, signal: new AbortController().signal })
      await site.spawn({ name: 'sleeper', argv: ['sleep', '300'] })
      setInterval(() => {}, 1000)`
    const owner = spawn(process.execPath, ['--input-type=module-typescript', '--eval', script], {
      stdio: 'ignore',
      detached: true,
    })
    await until('the instance', async () => leftovers(run).length > 0, { timeoutMs: 10_000 })
    process.kill(-owner.pid!, 'SIGKILL')
    await until('the reaper', async () => leftovers(run).length === 0 && !existsSync(run), { timeoutMs: 10_000 })
  })

  it('of a run whose owner and reaper are gone is stopped by the next run, those of living runs are not', async () => {
    vi.stubEnv('SUPERCARGO_TEST_CACHE', root)
    const orphan = openSite(join(runsDirectory(), 'test-orphan', 'thing'), progress)
    await orphan.spawn({ name: 'sleeper', argv: ['sleep', '300'] })
    await stopOrphans(() => undefined)
    expect(leftovers(root)).toEqual([])
    vi.unstubAllEnvs()
    await stopOrphans(() => undefined)
    expect(existsSync(inject('servicesRun'))).toBe(true)
  })

  it('stops with its run', async () => {
    const first = site('first')
    const second = site('second')
    for (const each of [first, second]) await each.spawn({ name: 'sleeper', argv: ['sleep', '300'] })
    expect(leftovers(root)).toHaveLength(2)
    await stopRun(root)
    expect(leftovers(root)).toEqual([])
  })
})

describeWith(['nginx'], 'a shared instance', () => {
  it('names a wanted port that is taken, and leaves nothing', async () => {
    const { url } = await running('nginx')
    const directory = join(root, 'second')
    const start = startInstance('nginx', directory, progress, { http: Number(new URL(url).port) })
    await expect(start).rejects.toMatchObject({ kind: 'conflict', code: 'port-taken' })
    expect(leftovers(root)).toEqual([])
    expect(existsSync(directory)).toBe(false)
  })

  it('says in a sentence that the disk is full, and leaves nothing', async (context) => {
    const disk = join(root, 'disk')
    mkdirSync(disk)
    const mounted = await tryCommand(['mount', '-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', disk])
    if (mounted.exitCode !== 0) return context.skip('a disk of its own cannot be mounted here')
    try {
      writeFileSync(join(disk, 'other'), Buffer.alloc(60 * 1024))
      await expect(startInstance('nginx', join(disk, 'nginx'), progress)).rejects.toMatchObject({
        kind: 'exhausted',
        code: 'disk-full',
        message: `the disk of ${join(disk, 'nginx')} is too full to start nginx`,
        hint: expect.stringContaining('SUPERCARGO_TEST_CACHE'),
      })
      expect(leftovers(join(disk, 'nginx'))).toEqual([])
      expect(existsSync(join(disk, 'nginx'))).toBe(false)
    } finally {
      await command(['umount', disk])
    }
  })

  it('is one for all who ask, beside instances of their own', async () => {
    const [one, two, own] = await Promise.all([running('nginx'), running('nginx'), ownInstance('nginx')])
    expect(one).toEqual(two)
    expect(own.details.url).not.toBe(one.url)
    expect(instancesOf(inject('servicesRun')).map((each) => each.name)).toContain('nginx')
    await own.stop()
    expect((await fetch(`${one.url}/ready`)).status).toBe(204)
  })
})
