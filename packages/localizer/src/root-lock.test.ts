/** Two localizers in one root: the second waits, finds everything in place, and is not held up by one that was killed. */
import { type ChildProcess, spawn } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ManualClock, systemClock } from '@supercargo/transfer'
import { describe, expect, it } from 'vitest'
import { realDisk } from './disk.ts'
import { lockRoots } from './root-lock.ts'
import { scriptedServer, serve } from './testing/scripted-server.ts'
import { bytesOf, type Workbench, workbench } from './testing/workbench.ts'
import { openWorkDirectory, type WorkDirectory } from './work-directory.ts'

const program = fileURLToPath(new URL('./testing/run-localizer.ts', import.meta.url))

interface Child {
  readonly process: ChildProcess
  stderr: string
  readonly ended: Promise<number | string | null>
}

async function start(bench: Workbench, name: string, items: readonly object[]): Promise<Child> {
  const plan = join(bench.directory, `${name}.json`)
  await writeFile(plan, JSON.stringify({ version: 1, root: bench.root, items }))
  const process_ = spawn(process.execPath, [program, plan, '--termination-log', `${plan}.log`], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const child: Child = {
    process: process_,
    stderr: '',
    ended: new Promise((resolve) => process_.once('close', (code, signal) => resolve(signal ?? code))),
  }
  process_.stderr!.on('data', (chunk: Buffer) => {
    child.stderr += chunk.toString()
  })
  return child
}

const contents = Object.fromEntries(
  Array.from({ length: 12 }, (_, index) => [`/lib/${index}.jar`, bytesOf(200_000, index + 1)]),
)
const textOf = (path: string): string => contents[path]!.toString('latin1')
const wanted = Object.fromEntries(Object.keys(contents).map((path) => [path.slice(1), textOf(path)]))

describe('two localizers in one root', () => {
  it('at the same time both end with 0, and every file is fetched once', async () => {
    await using bench = await workbench()
    await using server = await scriptedServer((request, response) => serve(request, response, contents[request.url!]!))
    const items = Object.keys(contents).map((path) => ({ uri: server.url(path), to: path.slice(1) }))
    const children = await Promise.all(['a', 'b', 'c'].map((name) => start(bench, name, items)))
    expect(await Promise.all(children.map((child) => child.ended))).toEqual([0, 0, 0])
    expect(await bench.files()).toEqual(wanted)
    expect(server.requests.length).toBe(items.length)
  })

  it('that want different sets leave one of the two, whole', async () => {
    await using bench = await workbench()
    await using server = await scriptedServer((request, response) => serve(request, response, contents[request.url!]!))
    const sets = [0, 3].map((shift) =>
      Object.fromEntries(
        Array.from({ length: 8 }, (_, index) => [`lib/${index + shift}.jar`, `/lib/${(index + 2 * shift) % 12}.jar`]),
      ),
    )
    const itemsOf = (set: Record<string, string>) =>
      Object.entries(set).map(([to, path]) => ({ uri: server.url(path), to }))
    const children = await Promise.all(sets.map((set, index) => start(bench, `set-${index}`, itemsOf(set))))
    expect(await Promise.all(children.map((child) => child.ended))).toEqual([0, 0])
    const texts = sets.map((set) => Object.fromEntries(Object.entries(set).map(([to, path]) => [to, textOf(path)])))
    expect(texts).toContainEqual(await bench.files())
  })

  it('of which the first is killed: the second says that it waits, goes on at once, and finishes', async () => {
    await using bench = await workbench()
    let asked = 0
    await using server = await scriptedServer((request, response) => {
      if (asked++ > 0) return serve(request, response, contents[request.url!]!)
      response.writeHead(200, { 'content-length': 200_000 })
      response.write('x')
    })
    const items = [{ uri: server.url('/lib/0.jar'), to: 'lib/0.jar' }]
    const first = await start(bench, 'first', items)
    await expect.poll(() => asked, { timeout: 10_000 }).toBe(1)
    const second = await start(bench, 'second', items)
    await expect.poll(() => second.stderr, { timeout: 10_000 }).toContain('waits for another localizer')
    expect(asked).toBe(1)
    first.process.kill('SIGKILL')
    expect(await first.ended).toBe('SIGKILL')
    expect(await second.ended).toBe(0)
    expect(second.stderr.match(/waits for another/g)).toHaveLength(1)
    expect(await bench.files()).toEqual({ 'lib/0.jar': textOf('/lib/0.jar') })
  })
})

describe('a root that is locked', () => {
  const quiet = { signal: new AbortController().signal, log: () => {} }
  const opened = (bench: Workbench): Promise<WorkDirectory> => openWorkDirectory(bench.root, realDisk)

  it('ends the waiting at the deadline as root-busy', async () => {
    await using bench = await workbench()
    const held = await lockRoots([await opened(bench)], { ...quiet, clock: systemClock, deadlineAtMs: Infinity })
    const items = [{ uri: `file://${process.execPath}`, to: 'node' }]
    await expect(bench.run(items, { limits: { deadlineMs: 500 } })).rejects.toMatchObject({
      kind: 'unavailable',
      code: 'root-busy',
      hint: expect.stringContaining('deadlineMs'),
    })
    held.release()
  })

  it('needs no lock when everything is in place', async () => {
    await using bench = await workbench()
    const source = join(bench.directory, 'source')
    await writeFile(source, 'text')
    const items = [{ uri: `file://${source}`, to: 'a' }]
    await bench.run(items)
    const held = await lockRoots([await opened(bench)], { ...quiet, clock: systemClock, deadlineAtMs: Infinity })
    expect((await bench.run(items, { limits: { deadlineMs: 500 } })).totals).toMatchObject({
      files: 1,
      fetchedItems: 0,
    })
    held.release()
  })

  it('is taken as soon as it is free, and given back when another root cannot be had', async () => {
    await using bench = await workbench()
    const free = await openWorkDirectory(join(bench.directory, 'a'), realDisk)
    const taken = await openWorkDirectory(join(bench.directory, 'b'), realDisk)
    const clock = new ManualClock()
    const options = { ...quiet, clock, deadlineAtMs: 1000 }
    const held = await lockRoots([taken], options)
    const both = lockRoots([taken, free, free], options)
    await expect.poll(() => clock.sleeping).toBe(1)
    held.release()
    clock.advance(200)
    const again = await both
    const late = expect(lockRoots([free, taken], options)).rejects.toMatchObject({ code: 'root-busy' })
    for (let step = 0; step < 3; step++) {
      await expect.poll(() => clock.sleeping).toBe(1)
      clock.advance(200)
    }
    await late
    again.release()
    const afterwards = await lockRoots([free], { ...options, deadlineAtMs: 0 })
    afterwards.release()
  })

  it('is waited for no longer than the signal allows', async () => {
    await using bench = await workbench()
    const held = await lockRoots([await opened(bench)], { ...quiet, clock: systemClock, deadlineAtMs: Infinity })
    const stop = new AbortController()
    const waiting = lockRoots([await opened(bench)], {
      clock: systemClock,
      deadlineAtMs: Infinity,
      signal: stop.signal,
      log: () => stop.abort(new Error('stopped')),
    })
    await expect(waiting).rejects.toThrow('stopped')
    held.release()
  })
})
