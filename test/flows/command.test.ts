/** The command as a process: signals, pipes that close, and a server of its own. */
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { FaultyProxy } from '../faults/faulty-proxy.ts'
import { command, ended, type ServerProcess, startStagingServer } from '../process/staging-server.ts'

let work: string
let server: ServerProcess

beforeAll(async () => {
  work = mkdtempSync(join(tmpdir(), 'supercargo-command-'))
  server = await startStagingServer({ arguments: ['--store', join(work, 'store')] })
  writeFileSync(join(work, 'large'), randomBytes(30_000_000))
})
afterAll(async () => {
  await server.kill()
  rmSync(work, { recursive: true, force: true })
})

function started(...argv: string[]) {
  const child = spawn(process.execPath, [command, ...argv], { stdio: ['ignore', 'pipe', 'pipe'] })
  const said = { out: '', err: '' }
  child.stdout.on('data', (text) => {
    said.out += text
  })
  child.stderr.on('data', (text) => {
    said.err += text
  })
  return { child, said, end: ended(child) }
}

const incoming = (): string[] => readdirSync(join(work, 'store', 'incoming'))

describe('ctrl-c', () => {
  it('once drops the unfinished upload and ends with 130', async () => {
    const proxy = await FaultyProxy.listen(server.url, () => ({ bytesPerSecond: 2_000_000 }))
    const { child, said, end } = started('stage', join(work, 'large'), '--server', proxy.url)
    await expect.poll(() => proxy.bytesUp, { timeout: 20_000 }).toBeGreaterThan(500_000)
    expect(incoming().length).toBe(1)
    child.kill('SIGINT')
    expect(await end).toBe(130)
    expect(said.err).toContain('dropping the unfinished upload')
    expect(said.out).toBe('')
    await expect.poll(incoming).toEqual([])
    await proxy.close()
  })

  it('twice ends at once', async () => {
    const proxy = await FaultyProxy.listen(server.url, (connection) =>
      connection === 1 ? { up: { afterBytes: 500_000, kind: 'stall' } } : { up: { afterBytes: 0, kind: 'stall' } },
    )
    const { child, said, end } = started('stage', join(work, 'large'), '--server', proxy.url)
    await expect.poll(() => proxy.bytesUp, { timeout: 20_000 }).toBeGreaterThan(1000)
    child.kill('SIGINT')
    await expect.poll(() => said.err).toContain('stopping')
    const start = performance.now()
    child.kill('SIGINT')
    expect(await end).toBe(130)
    expect(performance.now() - start).toBeLessThan(1500)
    await proxy.close()
  })
})

describe('a pipe that is closed by its reader', () => {
  it('ends the command quietly', async () => {
    const { child, said, end } = started('manual')
    child.stdout.destroy()
    expect(await end).toBe(0)
    expect(said.err).toBe('')
  })
})

describe('the command', () => {
  it('keeps what it has compiled for the next run, and runs where it can keep nothing', async () => {
    const caches = join(work, 'caches')
    const run = async (directory: string): Promise<number | null> => {
      const env = { ...process.env, XDG_CACHE_HOME: directory }
      return await ended(spawn(process.execPath, [command, '--version'], { env, stdio: 'ignore' }))
    }
    expect(await run(caches)).toBe(0)
    expect(readdirSync(join(caches, 'supercargo', 'compiled'))).toHaveLength(1)
    writeFileSync(join(work, 'no-folder'), '')
    expect(await run(join(work, 'no-folder'))).toBe(0)
  })

  it('stages a hundred files, fetches them, and localizes them, with no secret on any argument or stream', async () => {
    const from = join(work, 'from')
    mkdirSync(from)
    for (let index = 0; index < 100; index++) writeFileSync(join(from, `${index}.jar`), randomBytes(20_000))
    const secretFile = join(work, 'secret')
    const stage = started('stage', from, '--server', server.url, '--secret-file', secretFile, '--json')
    expect(await stage.end).toBe(0)
    const { resourceId } = JSON.parse(stage.said.out) as { resourceId: string }
    const access = ['--server', server.url, '--secret-file', secretFile]
    const fetched = started('fetch', resourceId, '--to', join(work, 'to'), ...access)
    expect(await fetched.end).toBe(0)
    const plan = join(work, 'plan.json')
    const root = join(work, 'root')
    mkdirSync(root)
    writeFileSync(
      plan,
      JSON.stringify({
        version: 1,
        root,
        staging: { url: server.url },
        items: [{ resource: resourceId, secretFile, to: 'spark-jars' }],
      }),
    )
    const localized = started('localize', plan, '--termination-log', join(work, 'log'))
    expect([await localized.end, localized.said.err]).toEqual([0, expect.stringContaining('localized')])
    for (const name of readdirSync(from)) {
      const bytes = readFileSync(join(from, name))
      expect(readFileSync(join(work, 'to', name)).equals(bytes)).toBe(true)
      expect(readFileSync(join(root, 'spark-jars', name)).equals(bytes)).toBe(true)
    }
    const secret = readFileSync(secretFile, 'utf8').trim()
    for (const { said } of [stage, fetched, localized]) expect(said.out + said.err).not.toContain(secret)
  })

  it('refuses wrong arguments with 64, and reports a plan that is not there in the termination log', async () => {
    const wrong = started('stage', '--frob')
    expect([await wrong.end, wrong.said.err]).toEqual([64, expect.stringContaining('has no option --frob')])
    const log = join(work, 'termination')
    writeFileSync(log, '')
    const missing = started('localize', join(work, 'no-plan.json'), '--termination-log', log)
    expect(await missing.end).not.toBe(0)
    expect(readFileSync(log, 'utf8')).toContain('no-plan.json')
  })

  it('drains a server on SIGTERM and ends with 0', async () => {
    const other = await startStagingServer({ arguments: ['--store', join(work, 'other')] })
    const busy = started('stage', join(work, 'large'), '--server', other.url, '-q')
    await once(busy.child, 'spawn')
    expect(await busy.end).toBe(0)
    expect(await other.stop()).toBe(0)
  })
})
