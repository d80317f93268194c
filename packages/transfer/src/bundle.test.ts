/** Bundles: what goes in comes out, wherever the stream is split, and a cut one is never taken for a whole one. */
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { SupercargoError } from '@supercargo/protocol'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type BundleEntry, bundleBytes, type EntryHeader, packBundle, readBundle } from './bundle.ts'

async function* entriesOf(entries: readonly BundleEntry[]): AsyncGenerator<BundleEntry> {
  yield* entries
}

const packed = (entries: readonly BundleEntry[]): Promise<Buffer> => buffer(packBundle(entriesOf(entries)))

/** Complete entries in the order of their ends. */
async function unpacked(source: Readable): Promise<{ entries: BundleEntry[]; failure: SupercargoError | undefined }> {
  const entries: BundleEntry[] = []
  const failure = await readBundle(source, (header) => collect(header, entries)).then(
    () => undefined,
    (error: SupercargoError) => error,
  )
  return { entries, failure }
}

function collect({ name }: EntryHeader, into: BundleEntry[]) {
  const chunks: Buffer[] = []
  return {
    write: (chunk: Uint8Array) => {
      chunks.push(Buffer.from(chunk))
      return undefined
    },
    end: () => {
      into.push({ name, bytes: Buffer.concat(chunks) })
      return undefined
    },
  }
}

const small: readonly BundleEntry[] = [
  { name: 'a.jar', bytes: Buffer.from('hello') },
  { name: 'empty', bytes: Buffer.alloc(0) },
  { name: 'block', bytes: Buffer.alloc(512, 1) },
  { name: `ä/${'long-'.repeat(30)}`, bytes: Buffer.alloc(700, 2) },
]

describe('a bundle', () => {
  it('gives back names and bytes, whatever they are', async () => {
    const name = fc
      .string({ unit: 'grapheme', minLength: 1, maxLength: 120 })
      .map((text) => `n${text.replaceAll('\0', '')}`)
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ name, bytes: fc.uint8Array({ maxLength: 3000 }) }), { maxLength: 8 }),
        async (entries) => {
          const { entries: back, failure } = await unpacked(Readable.from([await packed(entries)]))
          expect(failure).toBeUndefined()
          expect(back.map((entry) => [entry.name, Buffer.from(entry.bytes).toString('hex')])).toEqual(
            entries.map((entry) => [entry.name, Buffer.from(entry.bytes).toString('hex')]),
          )
        },
      ),
      { numRuns: 100 },
    )
  })

  it('has the length that was announced', async () => {
    for (const sizes of [[], [0], [1], [512], [513, 0, 1024, 4 << 20]]) {
      const entries = sizes.map((size, index) => ({ name: `sha256:${index}`, bytes: Buffer.alloc(size) }))
      expect((await packed(entries)).length).toBe(bundleBytes(sizes))
    }
  })

  it('is read the same wherever the stream is split', async () => {
    const whole = await packed(small)
    const expected = small.map(({ name, bytes }) => ({ name, bytes: Buffer.from(bytes) }))
    for (let split = 1; split < whole.length; split++) {
      const { entries, failure } = await unpacked(Readable.from([whole.subarray(0, split), whole.subarray(split)]))
      expect(failure).toBeUndefined()
      expect(entries).toEqual(expected)
    }
  })

  it('that is cut at any byte is interrupted, and an entry that was cut is not complete', async () => {
    const whole = await packed(small)
    for (let length = 0; length < whole.length; length++) {
      const source = new Readable({ read() {} })
      source.push(whole.subarray(0, length))
      setImmediate(() => source.destroy())
      const { entries, failure } = await unpacked(source)
      expect(failure).toMatchObject({ kind: 'interrupted' })
      for (const [index, entry] of entries.entries()) expect(Buffer.compare(entry.bytes, small[index]!.bytes)).toBe(0)
    }
  })

  it('that ends early but cleanly has whole entries only', async () => {
    const whole = await packed(small)
    for (let length = 0; length < whole.length; length++) {
      const { entries, failure } = await unpacked(Readable.from([whole.subarray(0, length)]))
      if (length % 512 !== 0) expect(failure).toMatchObject({ kind: 'interrupted', code: 'cut-short' })
      for (const [index, entry] of entries.entries()) expect(Buffer.compare(entry.bytes, small[index]!.bytes)).toBe(0)
    }
  })

  it('that is no tar is corrupt', async () => {
    const { failure } = await unpacked(Readable.from([Buffer.from('<html>'.repeat(200))]))
    expect(failure).toMatchObject({ kind: 'corrupt', code: 'bad-bundle' })
  })

  it('is read only as fast as it is taken', async () => {
    const bytes = Buffer.alloc(8 << 20, 7)
    let waiting = 0
    let most = 0
    let taken = 0
    await readBundle(packBundle(entriesOf([{ name: 'big', bytes }])), () => ({
      write: (chunk) => {
        most = Math.max(most, ++waiting)
        taken += chunk.length
        return new Promise((resolve) =>
          setImmediate(() => {
            waiting--
            resolve()
          }),
        )
      },
      end: () => undefined,
    }))
    expect(most).toBe(1)
    expect(taken).toBe(bytes.length)
  })

  it.each(['open', 'write', 'a later write', 'end'])('stops with the failure of its taker: %s', async (where) => {
    const failure = new SupercargoError('exhausted', 'disk-full', 'no space')
    const source = Readable.from([await packed([{ name: 'a', bytes: Buffer.alloc(5000) }, ...small])])
    const reading = readBundle(source, () => {
      if (where === 'open') throw failure
      return {
        write: () => {
          if (where === 'write') throw failure
          return where === 'a later write' ? Promise.reject(failure) : undefined
        },
        end: () => (where === 'end' ? Promise.reject(failure) : undefined),
      }
    })
    await expect(reading).rejects.toBe(failure)
    expect(source.destroyed).toBe(true)
  })

  it('fails with the failure of its maker', async () => {
    const failure = new SupercargoError('corrupt', 'file-changed', 'it changed')
    async function* broken(): AsyncGenerator<BundleEntry> {
      yield small[0]!
      throw failure
    }
    await expect(buffer(packBundle(broken()))).rejects.toBe(failure)
  })

  it('lets go of its maker when nobody wants the rest', async () => {
    let closed = false
    async function* endless(): AsyncGenerator<BundleEntry> {
      try {
        for (let number = 0; ; number++) yield { name: String(number), bytes: Buffer.alloc(100_000) }
      } finally {
        closed = true
      }
    }
    const stream = packBundle(endless())
    await new Promise((resolve) => stream.once('data', resolve))
    stream.destroy()
    for (let turns = 0; !closed && turns < 1000; turns++) await new Promise((resolve) => setImmediate(resolve))
    expect(closed).toBe(true)
  })
})
