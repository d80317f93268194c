/** Interrupted publications: finished, or given up and told; no journal holds up a root for ever. */
import { mkdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { SupercargoError } from '@supercargo/protocol'
import { describe, expect, it } from 'vitest'
import { realDisk } from './disk.ts'
import { readJournal, writeJournal } from './journal.ts'
import { sources, type Workbench, workbench } from './testing/workbench.ts'
import { workDirectory } from './work-directory.ts'

const oldSet = { 'a.jar': 'old a', 'lib/b.jar': 'old b', 'lib/gone/c.jar': 'old c' }
const newSet = { 'a.jar': 'new a', 'lib/b.jar': 'new b', 'more/d.jar': 'new d', 'lib/gone.jar': 'new e' }

describe('a set', () => {
  it('that was decided is finished by the next run, whatever that run wants', async () => {
    await using bench = await workbench()
    await bench.run(await sources(bench, oldSet))
    // A kill between the renames: the journal is there, some of the renames are done, and nothing more happens.
    let renames = 0
    const killed = new Proxy(realDisk, {
      get: (target, name: keyof typeof realDisk) => {
        const call = target[name] as (...parameters: unknown[]) => unknown
        if (name === 'stat') return call
        return (...parameters: unknown[]) =>
          name === 'rename' && ++renames === 1
            ? call(...parameters)
            : renames === 0
              ? call(...parameters)
              : Promise.reject(new SupercargoError('internal', 'disk-error', 'killed'))
      },
    })
    await expect(bench.run(await sources(bench, newSet), {}, { disk: killed })).rejects.toMatchObject({
      code: 'disk-error',
    })
    const mixed = await bench.files()
    expect([oldSet, newSet]).not.toContainEqual(mixed)
    const items = await sources(bench, newSet)
    const lines: string[] = []
    const report = await bench.run(items, {}, { log: (line) => lines.push(line) })
    expect(await bench.files()).toEqual(newSet)
    expect(lines.join()).toContain('finished the publication')
    expect(report.totals.fetchedItems).toBe(0)
  })

  it('whose journal cannot be carried out is fetched anew', async () => {
    await using bench = await workbench()
    await bench.run(await sources(bench, oldSet))
    const work = workDirectory(bench.root)
    const report = JSON.parse(await readFile(work.report, 'utf8'))
    await writeJournal(
      {
        version: 1,
        removals: [],
        emptied: [],
        directories: [],
        renames: [{ from: 'lost', to: 'a.jar', inode: 1, sizeBytes: 1 }],
        report,
      },
      work,
      realDisk,
    )
    const items = await sources(bench, newSet)
    await bench.run(items)
    expect(await bench.files()).toEqual(newSet)
    expect(await readJournal(work, realDisk, () => {})).toBeUndefined()
  })

  it.each([
    '',
    '{',
    '{"version":2}',
    '{"version":1,"renames":[{"from":"../x","to":"y"}]}',
    '{"version":1,"removals":[],"emptied":[],"directories":[],"renames":[],"report":{}}',
  ])('with the damaged journal %j is fetched anew, and the journal is kept and named', async (text) => {
    await using bench = await workbench()
    await bench.run(await sources(bench, oldSet))
    const work = workDirectory(bench.root)
    await writeFile(work.journal, text)
    const lines: string[] = []
    await bench.run(await sources(bench, newSet), {}, { log: (line) => lines.push(line) })
    expect(await bench.files()).toEqual(newSet)
    expect(lines.join('\n')).toContain(work.damagedJournal)
    expect(await readFile(work.damagedJournal, 'utf8')).toBe(text)
    await expect(stat(work.journal)).rejects.toMatchObject({ code: 'ENOENT' })
  })

  it('with a directory in the place of its journal is fetched anew, also the second time', async () => {
    await using bench = await workbench()
    const work = workDirectory(bench.root)
    for (const set of [oldSet, newSet]) {
      await mkdir(join(work.journal, 'below'), { recursive: true })
      await bench.run(await sources(bench, set))
      expect(await bench.files()).toEqual(set)
    }
  })

  describe('that was half published and cannot be finished', () => {
    /** All renames but the first fail, and with them the run. */
    async function halfPublished(bench: Workbench): Promise<string> {
      await bench.run(await sources(bench, oldSet))
      let first: string | undefined
      const disk = new Proxy(realDisk, {
        get: (target, name: keyof typeof realDisk) =>
          name !== 'rename'
            ? target[name]
            : (from: string, to: string) => {
                first ??= to
                if (to === first) return target.rename(from, to)
                return Promise.reject(new SupercargoError('internal', 'disk-error', 'the device reports an error'))
              },
      })
      await expect(bench.run(await sources(bench, newSet), {}, { disk })).rejects.toMatchObject({ code: 'disk-error' })
      return first!
    }

    it('says what stands in the way, and is finished once that is gone', async () => {
      await using bench = await workbench()
      await halfPublished(bench)
      await mkdir(join(bench.root, 'more', 'd.jar'), { recursive: true })
      const lines: string[] = []
      const items = await sources(bench, newSet)
      const again = () => bench.run(items, {}, { log: (line) => lines.push(line) })
      await expect(again()).rejects.toMatchObject({
        code: 'target-taken',
        message: expect.stringContaining('more/d.jar'),
      })
      expect(lines.join('\n')).toContain('gave up the publication')
      await rm(join(bench.root, 'more', 'd.jar'), { recursive: true })
      await again()
      expect(await bench.files()).toEqual(newSet)
    })

    it('does not block another set, and leaves nothing of itself behind', async () => {
      await using bench = await workbench()
      const published = await halfPublished(bench)
      expect(await readFile(published, 'utf8')).toContain('new')
      await mkdir(join(bench.root, 'more', 'd.jar'), { recursive: true })
      await writeFile(join(bench.root, 'more', 'd.jar', 'foreign'), 'not ours')
      await bench.run(await sources(bench, { other: 'text' }))
      expect(await bench.files()).toEqual({ other: 'text', 'more/d.jar/foreign': 'not ours' })
    })

    it('keeps what is in place already', async () => {
      await using bench = await workbench()
      await halfPublished(bench)
      await rm(join(bench.root, '.supercargo', 'incoming'), { recursive: true })
      const report = await bench.run(await sources(bench, newSet))
      expect(await bench.files()).toEqual(newSet)
      expect(report.totals.files).toBe(Object.keys(newSet).length)
    })

    it('removes nothing behind a link that came to stand above it', async () => {
      await using bench = await workbench()
      await halfPublished(bench)
      const outside = join(bench.directory, 'outside')
      await mkdir(join(outside, 'gone'), { recursive: true })
      await writeFile(join(outside, 'gone', 'c.jar'), 'not ours')
      await rm(join(bench.root, 'lib'), { recursive: true })
      await symlink(outside, join(bench.root, 'lib'))
      await bench.run(await sources(bench, { other: 'text' }))
      expect(await readFile(join(outside, 'gone', 'c.jar'), 'utf8')).toBe('not ours')
      expect(await bench.read('other')).toBe('text')
    })
  })
})
