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
  /** An item that is there and may not be read, where there can be one. */
  denied?(): Promise<SourceItem>
  [Symbol.asyncDispose](): Promise<void>
}

/** What a source can do by its nature. */
export interface SourceTraits {
  /** Content under one name can be replaced. */
  readonly replaceable: boolean
}

/** What names may hold, and what URLs, keys and paths each mean by it. */
const oddNames = [
  'with space.jar',
  'a+b.jar',
  'hundred%25.jar',
  '100%.jar',
  'a&b=c;d,e.jar',
  'schiff 🚢 ü.jar',
  '~!@$()*.jar',
]

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

    if (traits.replaceable)
      it('never goes on in another content than the ETag names', async () => {
        await using under = await create()
        const first = await under.source.open(await under.put('a.jar', content), { offset: 0 })
        first.discard()
        const other = bytesOf(content.length, 2)
        const item = await under.put('a.jar', other)
        const opened = await under.source.open(item, { offset: 1000, etag: first.etag }).catch((error: unknown) => {
          expect(error).toMatchObject({ kind: 'corrupt', code: 'source-changed' })
        })
        if (opened === undefined) return
        expect(opened.start).toBe(0)
        expect(opened.etag).not.toBe(first.etag)
        expect((await read(opened.stream)).equals(other)).toBe(true)
      })

    it('classifies what is not there as notFound or denied, for good', async () => {
      await using under = await create()
      const error = await under.source.open(under.missing(), { offset: 0 }).catch((failure: unknown) => failure)
      expect(error).toMatchObject({ kind: expect.stringMatching(/^(notFound|denied)$/), retry: false })
    })

    it('classifies what may not be read as denied, for good', async () => {
      await using under = await create()
      const item = await under.denied?.()
      if (item === undefined) return
      const error = await under.source.open(item, { offset: 0 }).catch((failure: unknown) => failure)
      expect(error).toMatchObject({ kind: 'denied', retry: false })
    })

    it.each(oddNames)('reads an item called %j, and no other', async (oddName) => {
      await using under = await create()
      const other = await under.put('other.jar', bytesOf(300, 9))
      const item = await under.put(oddName, content)
      const opened = await under.source.open(item, { offset: 0 })
      expect((await read(opened.stream)).equals(content)).toBe(true)
      expect(under.source.identity(item)).not.toBe(under.source.identity(other))
    })

    it('holds back what nobody reads', async () => {
      await using under = await create()
      const large = bytesOf(32 << 20)
      const opened = await under.source.open(await under.put('large', large), { offset: 0 })
      await new Promise((resolve) => setTimeout(resolve, 200))
      expect(opened.stream.readableLength).toBeLessThan(4 << 20)
      expect((await read(opened.stream)).equals(large)).toBe(true)
    })

    if (traits.replaceable)
      it('gives one version or fails, when the content changes while it is read', async () => {
        await using under = await create()
        const [first, second] = [bytesOf(16 << 20, 3), bytesOf(16 << 20, 4)]
        const opened = await under.source.open(await under.put('a.jar', first), { offset: 0 })
        const chunks: Buffer[] = []
        try {
          for await (const chunk of opened.stream as AsyncIterable<Buffer>) {
            if (chunks.push(chunk) === 1) await under.put('a.jar', second)
          }
        } catch (error) {
          expect(error).toBeInstanceOf(Error)
          return
        }
        expect(Buffer.concat(chunks).equals(first)).toBe(true)
      })

    it('gives exactly the part that is asked for, and how large the whole is', async () => {
      await using under = await create()
      if (under.source.ranges !== true) return
      const item = await under.put('a.jar', content)
      const { etag, discard } = await under.source.open(item, { offset: 0 })
      discard()
      const last = content.length - 1
      for (const [offset, end] of [
        [0, 1],
        [1000, 2000],
        [70_000, 200_000],
        [last, content.length],
      ] as const) {
        const opened = await under.source.open(item, { offset, end, etag })
        expect(opened).toMatchObject({ start: offset, sizeBytes: content.length })
        expect((await read(opened.stream)).equals(content.subarray(offset, end))).toBe(true)
      }
    })

    if (traits.replaceable)
      it('gives no part of another version', async () => {
        await using under = await create()
        if (under.source.ranges !== true) return
        const { etag, discard } = await under.source.open(await under.put('a.jar', content), { offset: 0 })
        discard()
        for (const other of [bytesOf(content.length, 2), bytesOf(1500, 3)]) {
          const item = await under.put('a.jar', other)
          const asked = under.source.open(item, { offset: 1000, end: 2000, etag })
          await expect(asked).rejects.toMatchObject({ code: 'source-changed' })
        }
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

    it('leaves no connection behind after an abort, a discard and a close', async () => {
      const before = openSockets()
      {
        await using under = await create()
        const item = await under.put('large', bytesOf(8 << 20))
        const stop = new AbortController()
        const opened = await under.source.open(item, { offset: 0, signal: stop.signal })
        opened.stream.once('data', () => stop.abort(new Error('enough')))
        await expect(read(opened.stream)).rejects.toThrow()
        const unread = await under.source.open(item, { offset: 0 })
        unread.discard()
        const whole = await under.source.open(item, { offset: 0 })
        await read(whole.stream)
      }
      await expect.poll(openSockets, { timeout: 5000 }).toBeLessThanOrEqual(before)
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

/** Connections that keep this process alive. */
function openSockets(): number {
  return process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap').length
}

export async function read(stream: Readable): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}
