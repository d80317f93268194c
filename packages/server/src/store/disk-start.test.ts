/** What a store finds when it starts: leftovers, foreign files, other formats, another server. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ManualClock } from '@supercargo/transfer'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { descriptors, memoryDirectory } from '../testing/disk-harness.ts'
import {
  content,
  digest,
  fileOf,
  isFetchable,
  noLimits,
  podOwner,
  sendBlob,
  stage,
  writeAll,
} from '../testing/staging.ts'
import { createDiskStore, type DiskStore } from './disk-store.ts'

let parent: string
let directory: string
const clock = new ManualClock()

beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), 'supercargo-start-'))
  directory = join(parent, 'some', 'where')
})

afterEach(async () => {
  expect(await descriptors(parent)).toEqual([])
  await rm(parent, { recursive: true, force: true })
})

function open(limits = noLimits): Promise<DiskStore> {
  return createDiskStore({ directory, limits, clock })
}

async function mode(...path: string[]): Promise<number> {
  return (await stat(join(directory, ...path))).mode & 0o777
}

describe('the layout', () => {
  it('is the one that the documentation shows, open to nobody else', async () => {
    const store = await open()
    const bytes = content(10)
    const record = await stage(store, { a: bytes })
    const hex = digest(bytes).slice(7)
    await store.close()
    expect((await readdir(directory)).sort()).toEqual([
      'FORMAT',
      'LOCK',
      'blobs',
      'incoming',
      'resources',
      'usage.json',
    ])
    expect(JSON.parse(await readFile(join(directory, 'FORMAT'), 'utf8'))).toEqual({ version: 1, clusterUid: null })
    expect(JSON.parse(await readFile(join(directory, 'resources', `${record.id}.json`), 'utf8'))).toEqual(record)
    expect(await mode('blobs', 'spark', hex.slice(0, 2), hex)).toBe(0o440)
    for (const path of [
      [],
      ['blobs'],
      ['incoming'],
      ['resources'],
      ['blobs', 'spark'],
      ['blobs', 'spark', hex.slice(0, 2)],
    ])
      expect(await mode(...path)).toBe(0o700)
  })

  it('of a newer version is refused, naming both versions, and left alone', async () => {
    await (await open()).close()
    await writeFile(join(directory, 'FORMAT'), '{"version":2,"shards":16}')
    await expect(open()).rejects.toMatchObject({
      kind: 'invalid',
      code: 'store-newer',
      message: expect.stringMatching(/version 2; .* version 1/),
    })
    expect(await readFile(join(directory, 'FORMAT'), 'utf8')).toBe('{"version":2,"shards":16}')
  })

  it.each([
    ['a directory of something else', async () => writeFile(join(directory, 'thesis.tex'), 'x'), 'store-foreign'],
    ['a damaged FORMAT', async () => writeFile(join(directory, 'FORMAT'), '{"ver'), 'store-format'],
    ['a FORMAT of another shape', async () => writeFile(join(directory, 'FORMAT'), '{"version":1}'), 'store-format'],
    [
      'records without a FORMAT',
      async () => {
        await mkdir(join(directory, 'resources'))
        await writeFile(join(directory, 'resources', 'x.json'), '{}')
      },
      'store-format',
    ],
  ])('of %s is refused and nothing in it is touched', async (_, prepare, code) => {
    await mkdir(directory, { recursive: true })
    await prepare()
    const before = await readdir(directory, { recursive: true })
    await expect(open()).rejects.toMatchObject({ code })
    expect(await readdir(directory, { recursive: true })).toEqual(before)
  })

  it('may be made in a fresh volume with lost+found, and not in a file', async () => {
    await mkdir(join(directory, 'lost+found'), { recursive: true })
    await (await open()).close()
    directory = join(directory, 'FORMAT')
    await expect(open()).rejects.toMatchObject({ code: 'store-not-a-directory' })
  })

  it('is bound to the first cluster for good', async () => {
    let store = await open()
    expect(await store.maintenance.bindCluster('c1')).toBe('c1')
    await store.close()
    store = await open()
    expect(await store.maintenance.bindCluster('c2')).toBe('c1')
    await store.close()
  })
})

describe('the lock', () => {
  it('refuses a second store in the same process, until the first is closed', async () => {
    const first = await open()
    await expect(open()).rejects.toMatchObject({
      kind: 'conflict',
      code: 'store-locked',
      message: expect.stringContaining(directory),
    })
    await stage(first, { a: content(10) })
    await first.close()
    await (await open()).close()
  })

  it('refuses a second process, and is gone with the first, killed while it wrote', async () => {
    for (let round = 0; round < 4; round++) {
      const { child, said } = await writer(directory)
      await expect(open()).rejects.toMatchObject({ code: 'store-locked' })
      await until(() => said.length > 3 + round * 5)
      child.kill('SIGKILL')
      await new Promise((resolve) => child.once('exit', resolve))
      const store = await open()
      const acknowledged = said.filter((line) => line.startsWith('committed ')).map((line) => line.slice(10).trim())
      expect(acknowledged.length).toBeGreaterThan(0)
      for (const id of acknowledged) expect(await isFetchable(store, (await store.read(id))!)).toBe(true)
      for (const name of await readdir(join(directory, 'resources'))) {
        const record = await store.read(name.slice(0, -5))
        expect(await isFetchable(store, record!)).toBe(true)
      }
      for (const { id } of store.maintenance.uploads()) await store.abort(id)
      expect(await readdir(join(directory, 'incoming'))).toEqual([])
      await store.close()
    }
  })
})

describe('a start', () => {
  it('deletes what a crash left, keeps what can go on, and never touches foreign files', async () => {
    let store = await open()
    const bytes = content(50_000)
    const upload = await store.create({ owners: [podOwner()], files: [fileOf('a', bytes)] })
    const first = await store.writeBlob(upload.id, digest(bytes))
    await writeAll(first, bytes.subarray(0, 20_000))
    await first.suspend()
    const broken = await store.create({ owners: [podOwner()], files: [fileOf('b', content(9, 2))] })
    await store.close()
    const incoming = join(directory, 'incoming')
    await writeFile(join(incoming, broken.id, 'upload.json'), '{"version":1,')
    await mkdir(join(incoming, 'i'.repeat(26)))
    await writeFile(join(incoming, 'i'.repeat(26), '0.part'), 'half')
    await writeFile(join(incoming, `record-${'r'.repeat(26)}`), '{')
    await writeFile(join(incoming, 'notes.txt'), 'foreign')
    await mkdir(join(incoming, 'f'.repeat(26)))
    await writeFile(join(incoming, 'f'.repeat(26), 'foreign.bin'), 'foreign')
    await symlink('/etc/passwd', join(incoming, 's'.repeat(26)))
    store = await open()
    expect((await readdir(incoming)).sort()).toEqual([upload.id, 'f'.repeat(26), 's'.repeat(26), 'notes.txt'].sort())
    expect(store.usage()).toMatchObject({ openUploads: 1, reservedBytes: 50_000 })
    expect(await store.blobProgress(upload.id, digest(bytes))).toMatchObject({ offset: 20_000 })
    await sendBlob(store, upload.id, bytes)
    await store.commit(upload.id)
    await store.maintenance.sweepLeftovers()
    expect((await readdir(incoming)).sort()).toEqual(['f'.repeat(26), 's'.repeat(26), 'notes.txt'].sort())
    await store.close()
  })

  it('a part whose bytes a power cut spoiled is refused by its digest, and a retry begins at 0', async () => {
    let store = await open()
    const bytes = content(50_000)
    const upload = await store.create({ owners: [podOwner()], files: [fileOf('a', bytes)] })
    await store.close()
    await writeFile(join(directory, 'incoming', upload.id, `${digest(bytes).slice(7)}.part`), Buffer.alloc(20_000))
    store = await open()
    const writer = await store.writeBlob(upload.id, digest(bytes))
    expect(writer.offset).toBe(20_000)
    await writeAll(writer, bytes.subarray(20_000))
    await expect(writer.commit()).rejects.toMatchObject({ code: 'digest-mismatch' })
    await sendBlob(store, upload.id, bytes)
    await store.commit(upload.id)
    await store.close()
  })

  it('reads no record: ready at once however many there are', async () => {
    directory = await mkdtemp(join(memoryDirectory, 'supercargo-many-'))
    try {
      await (await open()).close()
      const text = JSON.stringify({ not: 'a record' })
      for (let start = 0; start < 3000; start += 100) {
        await Promise.all(
          Array.from({ length: 100 }, (_, index) =>
            writeFile(join(directory, 'resources', `${String(start + index).padStart(26, '0')}.json`), text),
          ),
        )
      }
      const began = performance.now()
      const store = await open()
      expect(performance.now() - began).toBeLessThan(500)
      // Had it read them, it would know that they are damaged.
      await expect(store.read('0'.repeat(26))).rejects.toMatchObject({ code: 'damaged-record' })
      await store.close()
    } finally {
      await rm(directory, { recursive: true })
    }
  })
})

/** A process of its own that stages resources and says so, until it is killed. */
async function writer(storeDirectory: string): Promise<{ child: ChildProcess; said: string[] }> {
  const program = `
    import { createDiskStore } from ${JSON.stringify(new URL('./disk-store.ts', import.meta.url).href)}
    import { content, noLimits, stage } from ${JSON.stringify(new URL('../testing/staging.ts', import.meta.url).href)}
    import { systemClock } from '@supercargo/transfer'
    const store = await createDiskStore({ directory: ${JSON.stringify(storeDirectory)}, limits: noLimits, clock: systemClock })
    process.stdout.write('open\\n')
    for (let round = Date.now(); ; round++) {
      const record = await stage(store, { a: content(1_200_000, round), b: content(500, round + 1), c: content(3, 7) })
      process.stdout.write('committed ' + record.id + '\\n')
    }`
  const child = spawn(process.execPath, ['--input-type=module-typescript', '--eval', program], {
    cwd: import.meta.dirname,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const said: string[] = []
  child.stdout.on('data', (chunk: Buffer) =>
    said.push(
      ...chunk
        .toString()
        .split('\n')
        .filter((line) => line.length > 0),
    ),
  )
  await until(() => said.includes('open'))
  return { child, said }
}

async function until(holds: () => boolean): Promise<void> {
  const deadline = performance.now() + 20_000
  while (!holds()) {
    if (performance.now() > deadline) throw new Error('it did not come to pass')
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
