/** What stands behind an archive escapes no rule: it is no archive and is nothing, or it is one and is judged like the first. */
import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { tar, zip } from '../testing/hostile-archives.ts'
import { refused, unpack } from '../testing/unpacking.ts'
import { workbench } from '../testing/workbench.ts'

const whole = tar([{ name: 'a', body: 'text' }])
const more = tar([{ name: 'b', body: 'more' }])
const evil = tar([{ name: '../evil', body: 'evil' }])

describe('bytes behind an archive (case 96)', () => {
  it('that are no archive are not unpacked', async () => {
    for (const bytes of [
      Buffer.concat([gzipSync(whole), Buffer.from('garbage')]),
      Buffer.concat([whole, zip([{ name: 'evil', body: 'evil' }])]),
    ]) {
      await using bench = await workbench()
      const outcome = await unpack(bench, bytes).catch((failure: unknown) => failure)
      if (outcome instanceof Error) expect(outcome).toMatchObject({ kind: 'corrupt' })
      expect(await bench.files()).toEqual(outcome instanceof Error ? {} : { 'out/a': 'text' })
    }
  })

  it.each([
    ['tar', (bytes: Buffer) => bytes],
    ['gzip', (bytes: Buffer) => gzipSync(bytes)],
  ])('that are a further %s belong to it, under the same rules', async (_, pack) => {
    await using bench = await workbench()
    await unpack(bench, Buffer.concat([pack(whole), pack(more)]))
    expect(await bench.files()).toEqual({ 'out/a': 'text', 'out/b': 'more' })
    await refused(Buffer.concat([pack(whole), pack(evil)]), { kind: 'unsafe', code: 'unsafe-entry' })
    await refused(Buffer.concat([pack(whole), pack(whole)]), { kind: 'unsafe', code: 'unsafe-entry' })
  })

  it('(a comment that holds a directory of its own) refuse a zip', async () => {
    const outer = zip([{ name: 'a', body: 'text' }])
    const inner = zip([{ name: 'evil', body: 'evil' }])
    const bytes = Buffer.concat([outer, inner])
    bytes.writeUInt16LE(inner.length, outer.length - 2)
    await refused(bytes, { kind: 'corrupt', code: 'bad-archive' })
  })
})
