/** The collector as the main thread sees it: a real worker thread over a real store. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { ManualClock, systemClock } from '@supercargo/transfer'
import { build } from 'esbuild'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { DiskStore } from '../store/disk-store.ts'
import { type DiskHarness, diskHarness } from '../testing/disk-harness.ts'
import { content, fileOf, isFetchable, noLimits, podOwner, stage } from '../testing/staging.ts'
import { settings } from '../testing/sweeper-bench.ts'
import { type Collector, type CollectorOptions, startCollector } from './collector.ts'

let harness: DiskHarness
let store: DiskStore
let collector: Collector | undefined
let log: string[]
let scratch: string

beforeEach(async () => {
  harness = await diskHarness()
  log = []
  scratch = await mkdtemp(join(tmpdir(), 'supercargo-collector-'))
  store = await harness.openDisk({ limits: noLimits, clock: systemClock, onEvent: (event) => collector?.notify(event) })
})

afterEach(async () => {
  await collector?.close()
  collector = undefined
  await store.close()
  await harness.remove()
  await rm(scratch, { recursive: true })
})

function start(options: Partial<CollectorOptions> = {}): Collector {
  collector = startCollector({
    place: { kind: 'disk', directory: harness.directory },
    store,
    lookup: { kind: 'none' },
    settings: { ...settings, intervalMs: 3_600_000, firstUseTimeoutMs: 1 },
    log: (level, message, fields) => log.push(`${level} ${message} ${JSON.stringify(fields)}`),
    ...options,
  })
  return collector
}

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 10_000
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`it did not come to pass; log: ${log.join('\n')}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

describe('the collector in its thread', () => {
  it('knows what was there before it and what happens after, and keeps everything without a cluster', async () => {
    const before = await stage(store, { a: content(1000) })
    const upload = await store.create({ owners: [podOwner()], files: [fileOf('u', content(70, 3))] })
    const { list, explain, status, sweepNow } = methods(start())
    const after = await stage(store, { b: content(500, 2) })
    expect((await list({ limit: 10 })).resources.map(({ resourceId, state }) => [resourceId, state]).sort()).toEqual(
      [
        [before.id, 'unused'],
        [after.id, 'unused'],
        [upload.id, 'uploading'],
      ].sort(),
    )
    expect(await sweepNow()).toMatchObject({ examined: 2, kept: 2, collected: 0, errors: [] })
    expect(await explain(before.id)).toMatchObject({
      verdict: 'keep',
      reason: `kept: no cluster is configured, so nobody can say that its owner is gone; "supercargo resources release ${before.id}" deletes it`,
    })
    expect(await explain('0'.repeat(26))).toBeUndefined()
    expect(await status()).toMatchObject({
      cluster: null,
      paused: null,
      lastSweep: { examined: 2 },
      usage: { resources: 2, blobs: 2, bytes: 1500, reservedBytes: 70, namespaces: { spark: 1500 } },
    })
    expect(await isFetchable(store, before)).toBe(true)
    await store.abort(upload.id)
  })

  it('frees the blobs of a released resource right away', async () => {
    start()
    const kept = await stage(store, { a: content(1000), b: content(10, 2) })
    const released = await stage(store, { a: content(1000), c: content(5000, 3) })
    await store.release(released.id)
    await until(() => store.usage().bytes === 1010)
    expect(await isFetchable(store, kept)).toBe(true)
  })

  it('a commit of a blob that is being freed is never left without it', async () => {
    start()
    const bytes = content(20_000)
    for (let round = 0; round < 30; round++) {
      const first = await stage(store, { a: bytes })
      const [, second] = await Promise.all([store.release(first.id), stage(store, { b: bytes })])
      expect(await isFetchable(store, second)).toBe(true)
      await store.release(second.id)
    }
    await until(() => store.usage().bytes === 0)
    // A sweep that is under way writes its memory.
    await collector!.sweepNow()
    expect(await harness.leftovers(store)).toEqual([])
  })

  it('starts anew when its thread dies, and knows everything again', async () => {
    const clock = new ManualClock()
    const record = await stage(store, { a: content(1000) })
    const program = join(scratch, 'dying.mjs')
    await writeFile(
      program,
      "import { parentPort } from 'node:worker_threads'; parentPort.on('message', () => process.exit(9))",
    )
    const started = start({ clock, workerUrl: pathToFileURL(program) })
    await expect(started.status()).rejects.toMatchObject({ kind: 'unavailable', code: 'collector-down' })
    await until(() => clock.sleeping === 1)
    await writeFile(program, `import ${JSON.stringify(new URL('./worker.ts', import.meta.url).href)}`)
    clock.advance(1000)
    await until(() =>
      started.explain(record.id).then(
        (found) => found !== undefined,
        () => false,
      ),
    )
  })

  it('can be closed while its thread is down', async () => {
    const clock = new ManualClock()
    const program = join(scratch, 'dead.mjs')
    await writeFile(program, 'process.exit(9)')
    const started = start({ clock, workerUrl: pathToFileURL(program) })
    await until(() => clock.sleeping === 1)
    await started.close()
    expect(clock.sleeping).toBe(0)
  })

  it('runs from a bundle', async () => {
    const outfile = join(scratch, 'worker.mjs')
    await build({
      entryPoints: [fileURLToPath(new URL('./worker.ts', import.meta.url))],
      bundle: true,
      platform: 'node',
      format: 'esm',
      outfile,
      banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url)" },
      external: ['@kubernetes/client-node'],
      logLevel: 'silent',
    })
    await stage(store, { a: content(1000) })
    expect((await start({ workerUrl: pathToFileURL(outfile) }).status()).usage.resources).toBe(1)
  })

  it('closed, answers nothing more and lets the process end', async () => {
    const closing = start()
    await closing.status()
    await closing.close()
    await closing.close()
    await expect(closing.status()).rejects.toMatchObject({ code: 'collector-closed' })
    await stage(store, { a: content(10) })
  })
})

function methods(of: Collector): Pick<Collector, 'list' | 'explain' | 'status' | 'sweepNow'> {
  return {
    list: (query) => of.list(query),
    explain: (id) => of.explain(id),
    status: () => of.status(),
    sweepNow: () => of.sweepNow(),
  }
}
