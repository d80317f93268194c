/** The laws of `Source` as tests: every implementation's own test calls this with a place that it can read from. */
import type { Readable } from 'node:stream'
import { describe, expect, it } from 'vitest'
import type { Source, SourceItem } from '../sources/source.ts'
import { bytesOf } from './workbench.ts'

/** A source with something behind it that the contract can change. */
export interface SourceUnderTest {
  readonly source: Source
  /** Puts content under a name, replacing what was there, and gives the item that reads it. */
  put(name: string, bytes: Buffer): Promise<SourceItem>
  /** An item of nothing. */
  missing(): SourceItem
  [Symbol.asyncDispose](): Promise<void>
}

/** What a source can do by its nature. */
export interface SourceTraits {
  /** Content under one name can be replaced. */
  readonly replaceable: boolean
}

export function describeSource(name: string, create: () => Promise<SourceUnderTest>, traits: SourceTraits): void {
  const content = bytesOf(300_000)

  describe(`the ${name} source`, () => {
    it('gives all bytes from 0, and says how many', async () => {
      await using under = await create()
      const opened = await under.source.open(await under.put('a.jar', content), { offset: 0 })
      expect(opened).toMatchObject({ start: 0, sizeBytes: content.length })
      expect(opened.contentEncoding).toBeUndefined()
      expect((await read(opened.stream)).equals(content)).toBe(true)
    })

    it('gives an empty item', async () => {
      await using under = await create()
      const opened = await under.source.open(await under.put('empty', Buffer.alloc(0)), { offset: 0 })
      expect(opened).toMatchObject({ start: 0, sizeBytes: 0 })
      expect((await read(opened.stream)).length).toBe(0)
    })

    it.each([1, 65_536, 299_999])('goes on at byte %d of the same content', async (offset) => {
      await using under = await create()
      const item = await under.put('a.jar', content)
      const first = await under.source.open(item, { offset: 0 })
      first.discard()
      expect(first.etag).toBeDefined()
      const opened = await under.source.open(item, { offset, etag: first.etag })
      expect([0, offset]).toContain(opened.start)
      expect(opened.sizeBytes).toBe(content.length)
      expect((await read(opened.stream)).equals(content.subarray(opened.start))).toBe(true)
    })

    it.runIf(traits.replaceable)('never goes on in another content than the ETag names', async () => {
      await using under = await create()
      const first = await under.source.open(await under.put('a.jar', content), { offset: 0 })
      first.discard()
      const other = bytesOf(content.length, 2)
      const item = await under.put('a.jar', other)
      const opened = await under.source.open(item, { offset: 1000, etag: first.etag })
      expect(opened.start).toBe(0)
      expect(opened.etag).not.toBe(first.etag)
      expect((await read(opened.stream)).equals(other)).toBe(true)
    })

    it('classifies what is not there as notFound or denied, for good', async () => {
      await using under = await create()
      const error = await under.source.open(under.missing(), { offset: 0 }).catch((failure: unknown) => failure)
      expect(error).toMatchObject({ kind: expect.stringMatching(/^(notFound|denied)$/), retry: false })
    })

    it('stats without content, and never wrongly', async () => {
      await using under = await create()
      const facts = await under.source.stat(await under.put('a.jar', content))
      expect([undefined, content.length]).toContain(facts.sizeBytes)
    })

    it('ends when the signal aborts', async () => {
      await using under = await create()
      const item = await under.put('large', bytesOf(8 << 20))
      const stop = new AbortController()
      const opened = await under.source.open(item, { offset: 0, signal: stop.signal })
      opened.stream.once('data', () => stop.abort(new Error('enough')))
      await expect(read(opened.stream)).rejects.toThrow()
      await expect(under.source.open(item, { offset: 0, signal: stop.signal })).rejects.toThrow()
    })

    it('names equal items equally, and different ones differently', async () => {
      await using under = await create()
      const [a, again, b] = [
        await under.put('a', content),
        await under.put('a', content),
        await under.put('b', content),
      ]
      expect(under.source.identity(a)).toBe(under.source.identity(again))
      expect(under.source.identity(a)).not.toBe(under.source.identity(b))
      expect(under.source.shown(a)).not.toBe('')
    })

    it('can be let go of unread, twice', async () => {
      await using under = await create()
      const opened = await under.source.open(await under.put('a', content), { offset: 0 })
      opened.discard()
      opened.discard()
    })
  })
}

export async function read(stream: Readable): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}
