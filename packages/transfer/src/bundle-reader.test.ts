/** Bundles read from lent chunks: what goes in comes out wherever the stream is split or cut, and nothing else is taken. */
import { buffer } from 'node:stream/consumers'
import { SupercargoError } from '@supercargo/protocol'
import fc from 'fast-check'
import { pack } from 'tar-stream'
import { describe, expect, it } from 'vitest'
import { type BundleEntry, packBundle } from './bundle.ts'
import { BundleReader } from './bundle-reader.ts'

const small: readonly BundleEntry[] = [
  { name: 'a.jar', bytes: Buffer.from('hello') },
  { name: 'empty', bytes: Buffer.alloc(0) },
  { name: 'block', bytes: Buffer.alloc(512, 1) },
  { name: `ä/${'long-'.repeat(30)}`, bytes: Buffer.alloc(700, 2) },
  { name: `${'folder/'.repeat(18)}in-two-fields`, bytes: Buffer.alloc(1, 3) },
  { name: 'last', bytes: Buffer.alloc(1023, 4) },
]

async function packed(entries: readonly BundleEntry[]): Promise<Buffer> {
  async function* each(): AsyncGenerator<BundleEntry> {
    yield* entries
  }
  return await buffer(packBundle(each()))
}

/** Names and bytes, as text that is compared quickly. */
const texts = (entries: readonly BundleEntry[]): string[][] =>
  entries.map(({ name, bytes }) => [name, Buffer.from(bytes).toString('latin1')])

interface Taken {
  readonly entries: string[][]
  failure: SupercargoError | undefined
}

/** Gives the pieces one after the other in one buffer, as a connection does: what a sink kept would be overwritten. */
function taken(pieces: Iterable<Buffer>, failing?: { at: string; error: unknown }): Taken {
  const result: Taken = { entries: [], failure: undefined }
  const reader = new BundleReader((name, sizeBytes) => {
    if (failing?.at === 'open') throw failing.error
    const bytes = Buffer.alloc(sizeBytes)
    let position = 0
    return {
      write: (chunk) => {
        if (failing?.at === 'write') throw failing.error
        bytes.set(chunk, position)
        position += chunk.length
      },
      end: () => {
        if (failing?.at === 'end') throw failing.error
        expect(position).toBe(sizeBytes)
        result.entries.push(...texts([{ name, bytes }]))
      },
    }
  })
  try {
    for (const piece of pieces) {
      const lent = Buffer.from(piece)
      reader.write(lent)
      lent.fill(0xee)
    }
    reader.end()
  } catch (error) {
    result.failure = error as SupercargoError
  }
  return result
}

/** Makes the header's sum right again after a change. */
function summed(block: Buffer): Buffer {
  block.fill(' ', 148, 156)
  const sum = block.subarray(0, 512).reduce((total, byte) => total + byte, 0)
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
  return block
}

async function changed(change: (block: Buffer) => void): Promise<Taken> {
  const whole = await packed([{ name: 'a', bytes: Buffer.from('hello') }])
  change(whole)
  return taken([summed(whole)])
}

describe('a bundle in lent chunks', () => {
  it('gives back names and bytes, whatever they are and however they are split', async () => {
    const name = fc
      .string({ unit: 'grapheme', minLength: 1, maxLength: 160 })
      .map((text) => `n${text.replaceAll('\0', '')}`)
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ name, bytes: fc.uint8Array({ maxLength: 3000 }) }), { maxLength: 8 }),
        fc.array(fc.integer({ min: 1, max: 2000 }), { minLength: 1, maxLength: 10 }),
        async (entries, sizes) => {
          const whole = await packed(entries)
          const pieces: Buffer[] = []
          for (let at = 0; at < whole.length; at += pieces.at(-1)!.length)
            pieces.push(whole.subarray(at, at + sizes[pieces.length % sizes.length]!))
          const { entries: back, failure } = taken(pieces)
          expect(failure).toBeUndefined()
          expect(back).toEqual(texts(entries))
        },
      ),
      { numRuns: 100 },
    )
  })

  it('is read the same wherever it is split', async () => {
    const whole = await packed(small)
    for (let split = 0; split <= whole.length; split++)
      expect(taken([whole.subarray(0, split), whole.subarray(split)]), `split at ${split}`).toEqual({
        entries: texts(small),
        failure: undefined,
      })
    const bytes = Array.from(whole, (_, at) => whole.subarray(at, at + 1))
    expect(taken(bytes)).toEqual({ entries: texts(small), failure: undefined })
  })

  it('that is cut at any byte is interrupted, and has the whole entries before the cut', async () => {
    const whole = await packed(small)
    const endsAt = whole.length - 512
    let before = 0
    for (let length = 0; length < whole.length; length++) {
      const { entries, failure } = taken([whole.subarray(0, length)])
      if (length < endsAt) expect(failure).toMatchObject({ kind: 'interrupted', code: 'cut-short' })
      expect(entries).toEqual(texts(small).slice(0, entries.length))
      expect(entries.length).toBeGreaterThanOrEqual(before)
      before = entries.length
    }
    expect(before).toBe(small.length)
  })

  it('of which any byte of a header was changed is corrupt', async () => {
    const whole = await packed(small.slice(0, 1))
    for (let at = 0; at < 512; at++) {
      // What follows the digits of the sum is not summed.
      if (at >= 154 && at < 156) continue
      const damaged = Buffer.from(whole)
      damaged[at]! ^= 1
      const { entries, failure } = taken([damaged])
      expect(failure, `byte ${at}`).toMatchObject({ kind: 'corrupt', code: 'bad-bundle' })
      expect(entries).toEqual([])
    }
  })

  it('passes over what nobody wants', async () => {
    const names: string[] = []
    const reader = new BundleReader((name) => {
      names.push(name)
      return undefined
    })
    reader.write(await packed(small))
    reader.end()
    expect(names).toEqual(small.map(({ name }) => name))
  })

  it('gives bytes as they lie in the chunk, and a chunk inside an entry as it is', async () => {
    const whole = await packed([{ name: 'a', bytes: Buffer.alloc(4096, 1) }])
    const given: Uint8Array[] = []
    const reader = new BundleReader(() => ({ write: (chunk) => void given.push(chunk), end: () => undefined }))
    const inside = whole.subarray(1024, 2048)
    for (const chunk of [whole.subarray(0, 1024), inside, whole.subarray(2048)]) reader.write(chunk)
    expect(given[1]).toBe(inside)
    expect(given.map(({ length }) => length)).toEqual([512, 1024, 2560])
    expect(given.every(({ buffer }) => buffer === whole.buffer)).toBe(true)
  })

  it.each(['open', 'write', 'end'])('throws what its taker throws: %s', async (at) => {
    const error = new SupercargoError('exhausted', 'disk-full', 'no space')
    expect(taken([await packed(small)], { at, error })).toEqual({ entries: [], failure: error })
  })

  it.each([
    ['no tar', Buffer.from('<html>'.repeat(200))],
    ['noise', Buffer.alloc(2048, 0xff)],
  ])('that is %s is corrupt', (_, bytes) => {
    expect(taken([bytes]).failure).toMatchObject({ kind: 'corrupt', code: 'bad-bundle' })
  })

  it.each(['symlink', 'link', 'directory', 'character-device', 'fifo'] as const)(
    'with a %s is corrupt',
    async (type) => {
      const tar = pack()
      tar.entry({ name: 'a', type, linkname: 'b' })
      tar.finalize()
      const { failure } = taken([await buffer(tar)])
      expect(failure).toMatchObject({ kind: 'corrupt', message: expect.stringContaining('type') })
    },
  )

  it.each([
    ['a size that is no octal number', (block: Buffer) => block.write('0000000000x', 124)],
    ['a size in base 256', (block: Buffer) => block.writeUInt8(0x80, 124)],
    ['an extended header of no bytes', (block: Buffer) => block.write('x', 156) + block.write('00000000000', 124)],
    ['an extended header without end', (block: Buffer) => block.write('x', 156) + block.write('77777777777', 124)],
    ['an extended header that is none', (block: Buffer) => block.write('x', 156)],
  ])('with %s is corrupt', async (_, change) => {
    expect((await changed(change)).failure).toMatchObject({ kind: 'corrupt', code: 'bad-bundle' })
  })

  it.each([
    '3 path=a\n',
    '9999 path=a\n',
    '0 path=a\n',
    'path=a\n',
    '10 path=ab',
    '7 path\n',
    '-1 a=b\n',
    '2\n1 =\n',
    '14 size=-1e99\n',
  ])('with the extended record %j is corrupt', async (record) => {
    const tar = pack()
    tar.entry({ name: 'x', type: 'file' }, record)
    tar.entry({ name: 'file' }, 'hello')
    tar.finalize()
    const whole = await buffer(tar)
    whole.write('x', 156)
    summed(whole)
    expect(taken([whole])).toMatchObject({ entries: [], failure: { kind: 'corrupt', code: 'bad-bundle' } })
  })

  it('whose extended header stands before nothing, or before another, is corrupt', async () => {
    const header = (await packed(small.slice(3, 4))).subarray(0, 1024)
    expect(header.toString('latin1', 156, 157)).toBe('x')
    for (const rest of [header, Buffer.alloc(1024)])
      expect(taken([header, rest]).failure).toMatchObject({ kind: 'corrupt', code: 'bad-bundle' })
  })
})
