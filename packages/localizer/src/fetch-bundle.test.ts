/** Files by bundle: what counts as done is on the disk byte for byte, and of all else nothing is left. */
import { mkdir, readdir, readFile, readlink, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { type Digest, mediaTypes, SupercargoError } from '@supercargo/protocol'
import { type BundleEntry, packBundle, systemClock } from '@supercargo/transfer'
import { describe, expect, it } from 'vitest'
import { ConnectionBudget } from './connection-budget.ts'
import { type Disk, realDisk } from './disk.ts'
import { DiskSpace } from './disk-space.ts'
import { fetchBundle } from './fetch-bundle.ts'
import type { Fetch, FetchContext } from './fetch-context.ts'
import { Progress } from './progress.ts'
import { Redactor } from './sources/secret-text.ts'
import type { Source, SourceItem } from './sources/source.ts'
import { createStagedSource } from './sources/staged.ts'
import { SyncQueue } from './sync-queue.ts'
import { failingDisk } from './testing/faulty-disk.ts'
import { cut, type Script, scriptedServer } from './testing/scripted-server.ts'
import { bytesOf, sha256, type Workbench, workbench } from './testing/workbench.ts'

const entries: readonly BundleEntry[] = [
  { name: 'a.jar', bytes: bytesOf(3000, 1) },
  { name: 'empty', bytes: Buffer.alloc(0) },
  { name: `ä/${'long-'.repeat(30)}`, bytes: bytesOf(700, 2) },
  { name: 'block', bytes: bytesOf(512, 3) },
  { name: 'last', bytes: bytesOf(1, 4) },
]

async function packed(list: readonly BundleEntry[]): Promise<Buffer> {
  async function* each(): AsyncGenerator<BundleEntry> {
    yield* list
  }
  return await buffer(packBundle(each()))
}

interface Bundling {
  readonly context: FetchContext
  readonly fetches: ReadonlyMap<string, Fetch>
  readonly lines: string[]
  /** The wanted names that count as done. */
  run(signal?: AbortSignal): Promise<string[]>
  /** What lies in the directory, by wanted name. */
  found(): Promise<Record<string, Buffer>>
}

const item: SourceItem = { kind: 'staged', resource: 'r'.repeat(26), secretFile: 'unknown', path: 'a' }

async function bundling(
  bench: Workbench,
  source: Source,
  more: { disk?: Disk; idleTimeoutMs?: number; wanted?: readonly BundleEntry[] } = {},
): Promise<Bundling> {
  const directory = join(bench.directory, 'incoming')
  await mkdir(directory, { recursive: true })
  const disk = more.disk ?? realDisk
  const lines: string[] = []
  const context: FetchContext = {
    limits: { ...bench.plan([]).limits, idleTimeoutMs: more.idleTimeoutMs ?? 60_000 },
    deadlineAtMs: Number.POSITIVE_INFINITY,
    clock: systemClock,
    disk,
    space: new DiskSpace(disk),
    hasher: undefined,
    budget: new ConnectionBudget(1),
    syncs: new SyncQueue(disk),
    sources: {
      of: async () => source,
      staged: () => Promise.reject(new Error('not asked for')),
      openFor: async () => {},
      identity: (of) => source.identity(of),
      shown: (of) => source.shown(of),
      close: () => {},
    },
    progress: new Progress(),
    log: (line) => lines.push(line),
  }
  const wanted = more.wanted ?? entries
  const fetches = new Map(
    wanted.map(({ name, bytes }, index): [string, Fetch] => [
      name,
      {
        item,
        shown: name,
        target: name,
        path: join(directory, `part-${index}`),
        digest: sha256(bytes) as Digest,
        sizeBytes: bytes.length,
        claimed: true,
      },
    ]),
  )
  const names = [...fetches.keys()]
  return {
    context,
    fetches,
    lines,
    run: async (signal = new AbortController().signal) => {
      const done = await fetchBundle(fetches, item, context, signal)
      return names.filter((name) => done.has(fetches.get(name)!))
    },
    found: async () => {
      const found: Record<string, Buffer> = {}
      for (const file of await readdir(directory))
        found[names[Number(file.slice('part-'.length))]!] = await readFile(join(directory, file))
      return found
    },
  }
}

/** The real source, which reads from a server that answers as scripted: chunks are lent. */
async function fromServer(bench: Workbench, script: Script) {
  const server = await scriptedServer(script)
  const secretFile = join(bench.directory, 'secret')
  await writeFile(secretFile, 'a-secret-that-nobody-checks')
  const real = createStagedSource({ url: server.origin, idleTimeoutMs: 5000, redactor: new Redactor() })
  const source: Source = {
    ...real,
    bundle: (of, options) => real.bundle!({ ...of, secretFile } as SourceItem, options),
  }
  return {
    source,
    requests: server.requests,
    [Symbol.asyncDispose]: async () => {
      real.close()
      await server.close()
    },
  }
}

/** A stream of another kind, as it comes through TLS or a proxy: chunks are not lent. */
function fromStream(stream: () => Readable): Source {
  return {
    identity: () => 'stream',
    shown: () => 'stream',
    stat: async () => ({}),
    open: () => Promise.reject(new Error('not asked for')),
    bundle: async () => {
      const opened = stream()
      return { stream: opened, discard: () => opened.destroy() }
    },
    close: () => {},
  }
}

const sending =
  (bytes: Buffer, length = bytes.length): Script =>
  (_, response) => {
    response.writeHead(200, { 'content-type': mediaTypes.tar, 'content-length': bytes.length })
    if (length === bytes.length) response.end(bytes)
    else cut(response, bytes.subarray(0, length))
  }

const contentsOf = (names: readonly string[]): Record<string, Buffer> =>
  Object.fromEntries(
    entries.filter(({ name }) => names.includes(name)).map(({ name, bytes }) => [name, Buffer.from(bytes)]),
  )

/** Of this process, below a directory. */
async function openFiles(directory: string): Promise<string[]> {
  const links = (await readdir('/proc/self/fd')).map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => ''))
  return (await Promise.all(links)).filter((link) => link.startsWith(directory))
}

const names = entries.map(({ name }) => name)

describe('files by bundle', () => {
  it('come with one request, byte for byte, with their mode whatever the umask', async () => {
    await using bench = await workbench()
    await using server = await fromServer(bench, sending(await packed(entries)))
    const { run, found, context, fetches, lines } = await bundling(bench, server.source)
    const umask = process.umask(0o077)
    try {
      expect(await run()).toEqual(names)
    } finally {
      process.umask(umask)
    }
    await context.syncs.drain()
    expect(await found()).toEqual(contentsOf(names))
    for (const { path } of fetches.values()) expect((await stat(path)).mode & 0o7777).toBe(0o644)
    expect(server.requests).toHaveLength(1)
    expect(lines).toEqual([])
    expect(context.progress.state).toMatchObject({ files: entries.length, bytes: 4213 })
  })

  it('that is larger than any buffer come through a stream of either kind', async () => {
    const large = [
      { name: 'one', bytes: bytesOf(3 << 20, 5) },
      { name: 'two', bytes: bytesOf((1 << 20) + 1, 6) },
    ]
    const tar = await packed(large)
    await using bench = await workbench()
    await using server = await fromServer(bench, sending(tar))
    for (const source of [server.source, fromStream(() => Readable.from([tar], { objectMode: false }))]) {
      const { run, found } = await bundling(bench, source, { wanted: large })
      expect(await run()).toEqual(['one', 'two'])
      const files = await found()
      for (const { name, bytes } of large) expect(files[name]!.equals(bytes)).toBe(true)
    }
  })

  it('cut anywhere: those before the cut are done, and nothing is there of the others', async () => {
    const tar = await packed(entries)
    await using bench = await workbench()
    let most = 0
    for (let length = 0; length < tar.length - 1024; length += 41) {
      const source = fromStream(() => {
        const stream = new Readable({ read() {} })
        stream.push(tar.subarray(0, length))
        setImmediate(() => stream.destroy())
        return stream
      })
      const { run, found, lines, fetches, context } = await bundling(bench, source)
      const done = await run()
      expect(done, `cut at ${length}`).toEqual(names.slice(0, done.length))
      expect(await found(), `cut at ${length}`).toEqual(contentsOf(done))
      expect(lines).toEqual([expect.stringContaining(`${names.length - done.length} files are fetched one by one`)])
      await context.syncs.drain()
      expect(await openFiles(bench.directory)).toEqual([])
      for (const { path } of fetches.values()) await realDisk.remove(path)
      most = Math.max(most, done.length)
    }
    expect(most).toBe(names.length)
  })

  it('cut on the connection leave nothing of the one that was coming', async () => {
    const tar = await packed(entries)
    await using bench = await workbench()
    await using server = await fromServer(bench, sending(tar, 6000))
    const { run, found } = await bundling(bench, server.source)
    const done = await run()
    expect(done).toEqual(names.slice(0, done.length))
    expect(done.length).toBeLessThan(names.length)
    expect(await found()).toEqual(contentsOf(done))
  })

  it('of which one has another digest or size leave it out, and those that nobody asked for', async () => {
    const wrong = Buffer.from(entries[0]!.bytes)
    wrong[2999]! ^= 1
    const sent = [
      { name: 'a.jar', bytes: wrong },
      { name: '../escape', bytes: bytesOf(100) },
      ...entries.slice(1, 3),
      { name: 'block', bytes: bytesOf(513, 3) },
      entries[4]!,
      // Once more and different: what is done stays.
      { name: 'last', bytes: bytesOf(1, 9) },
    ]
    await using bench = await workbench()
    await using server = await fromServer(bench, sending(await packed(sent)))
    const { run, found } = await bundling(bench, server.source)
    expect(await run()).toEqual(['empty', names[2], 'last'])
    expect(await found()).toEqual(contentsOf(['empty', names[2]!, 'last']))
    expect(await readdir(bench.directory)).toEqual(['incoming', 'secret'])
  })

  it('replace what an earlier run has left', async () => {
    await using bench = await workbench()
    await using server = await fromServer(bench, sending(await packed(entries)))
    const { run, found, fetches } = await bundling(bench, server.source)
    for (const { path } of fetches.values()) await writeFile(path, bytesOf(5000, 7))
    expect(await run()).toEqual(names)
    expect(await found()).toEqual(contentsOf(names))
  })

  it('of a server that sends something else are left to be fetched one by one', async () => {
    await using bench = await workbench()
    await using server = await fromServer(bench, sending(Buffer.from('<html>'.repeat(500))))
    const { run, found, lines } = await bundling(bench, server.source)
    expect(await run()).toEqual([])
    expect(await found()).toEqual({})
    expect(lines).toEqual([expect.stringContaining('not as the server writes one')])
  })

  it('that come to a halt are given up after the idle time', async () => {
    const tar = await packed(entries)
    await using bench = await workbench()
    await using server = await fromServer(bench, (_, response) => {
      response.writeHead(200, { 'content-type': mediaTypes.tar, 'content-length': tar.length })
      response.write(tar.subarray(0, 5000))
    })
    const { run, found, lines } = await bundling(bench, server.source, { idleTimeoutMs: 300 })
    const done = await run()
    expect(await found()).toEqual(contentsOf(done))
    expect(done.length).toBeLessThan(names.length)
    expect(lines).toEqual([expect.stringMatching(/bytes in 300 ms|no byte for/)])
  })

  it('that nobody wants any more stop at once, and nothing is left of the one that was coming', async () => {
    const tar = await packed(entries)
    await using bench = await workbench()
    const stop = new AbortController()
    await using server = await fromServer(bench, (_, response) => {
      response.writeHead(200, { 'content-type': mediaTypes.tar, 'content-length': tar.length })
      response.write(tar.subarray(0, 2000))
    })
    const { run, found } = await bundling(bench, server.source, {
      disk: {
        ...realDisk,
        writeAt: (...parameters) => {
          realDisk.writeAt(...parameters)
          stop.abort(new SupercargoError('interrupted', 'stopped', 'no more'))
        },
      },
    })
    await expect(run(stop.signal)).rejects.toMatchObject({ code: 'stopped' })
    expect(await found()).toEqual({})
    expect(await openFiles(bench.directory)).toEqual([])
  })

  it('on a disk that fails at any call: the failure is told, and what is done is whole', async () => {
    const wrong = { name: 'block', bytes: bytesOf(512, 8) }
    const tar = await packed(entries.map((entry) => (entry.name === 'block' ? wrong : entry)))
    const failure = new SupercargoError('exhausted', 'disk-full', 'no space left on the device')
    for (let nth = 1; ; nth++) {
      await using bench = await workbench()
      await using server = await fromServer(bench, sending(tar))
      const faulty = failingDisk(nth, () => failure)
      const { run, found, context } = await bundling(bench, server.source, { disk: faulty.disk })
      const outcome = await run().catch((error: unknown) => error)
      const synced = await context.syncs.drain().catch((error: unknown) => error)
      const where = `call ${nth}: ${faulty.failed}`
      expect(await openFiles(bench.directory), where).toEqual([])
      const files = await found()
      if (faulty.failed === undefined) {
        expect(outcome).toEqual(names.filter((name) => name !== 'block'))
        expect(nth).toBeGreaterThan(18)
        return
      }
      expect([outcome, synced], where).toContain(failure)
      // Only what could not be removed may be there and wrong.
      if (!faulty.failed.startsWith('removeFile')) expect(files, where).toEqual(contentsOf(Object.keys(files)))
      if (Array.isArray(outcome)) expect(files).toEqual(contentsOf(outcome))
    }
  })
})
