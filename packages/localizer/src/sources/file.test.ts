/** The file source: the contract, files that change, and URIs that are none. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { describeSource, read } from '../testing/source-contract.ts'
import { bytesOf, workbench } from '../testing/workbench.ts'
import { createFileSource } from './file.ts'

describeSource(
  'file',
  async () => {
    const directory = await mkdtemp(join(tmpdir(), 'supercargo-source-'))
    const uri = (name: string) => ({ kind: 'uri', uri: `file://${directory}/${encodeURIComponent(name)}` }) as const
    return {
      source: createFileSource(),
      put: async (name, bytes) => {
        await writeFile(join(directory, name), bytes)
        return uri(name)
      },
      missing: () => uri('missing'),
      [Symbol.asyncDispose]: () => rm(directory, { recursive: true }),
    }
  },
  { replaceable: true },
)

describe('a file: URI', () => {
  it('of a file that changes while it is read is never stitched', async () => {
    await using bench = await workbench()
    const path = join(bench.directory, 'growing')
    await writeFile(path, bytesOf(5 << 20))
    const opened = await createFileSource().open({ kind: 'uri', uri: `file://${path}` }, { offset: 0 })
    opened.stream.once('data', () => void writeFile(path, bytesOf(5 << 20, 2)))
    await expect(read(opened.stream)).rejects.toMatchObject({ kind: 'corrupt', code: 'source-changed' })
  })

  it('is decoded once', async () => {
    await using bench = await workbench()
    await writeFile(join(bench.directory, 'a b%20,c#d?.jar'), 'x')
    const name = encodeURIComponent('a b%20,c#d?.jar')
    await bench.run([{ uri: `file://${bench.directory}/${name}`, to: 'out' }])
    expect(await bench.files()).toEqual({ out: 'x' })
  })

  it.each([
    ['file://host/etc/hostname', 'bad-uri'],
    ['file:///etc', 'not-a-file'],
    ['file:///dev/null', 'not-a-file'],
    ['file:///no/such/file', 'no-such-file'],
    ['local:///no/such/file', 'local-missing'],
    ['/etc/hostname', 'bad-uri'],
    ['etc', 'bad-uri'],
  ])('%s is refused as %s', async (uri, code) => {
    await using bench = await workbench()
    await expect(bench.run([{ uri, to: 'a' }])).rejects.toMatchObject({ code })
  })

  it.each(['FILE', 'file'])('is taken with the scheme %s', async (scheme) => {
    await using bench = await workbench()
    await writeFile(join(bench.directory, 'x'), 'text')
    await bench.run([{ uri: `${scheme}:${bench.directory}/x`, to: 'a' }])
    expect(await bench.files()).toEqual({ a: 'text' })
  })

  it('with local: is looked at and left alone', async () => {
    await using bench = await workbench()
    await writeFile(join(bench.directory, 'x'), 'text')
    const report = await bench.run([{ uri: `local://${bench.directory}/x`, to: 'a' }])
    expect(await bench.files()).toEqual({})
    expect(report.totals.files).toBe(0)
  })
})
