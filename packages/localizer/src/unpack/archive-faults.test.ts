/** Archives that are too much, damaged, cut, or not what they say: refused as a whole. */
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { tar, type ZipEntry, zip } from '../testing/hostile-archives.ts'
import { refused, unpack } from '../testing/unpacking.ts'
import { bytesOf, workbench } from '../testing/workbench.ts'

const small = [{ name: 'a.txt', body: 'text' }]

describe('an archive that is too much', () => {
  const zeros = Buffer.alloc(24 << 20)
  it.each([
    ['by ratio, gzip', gzipSync(tar([{ name: 'z', body: zeros }])), 'archive-bomb'],
    ['by ratio, zstd', zstdCompressSync(tar([{ name: 'z', body: zeros }])), 'archive-bomb'],
    ['by ratio, zip', zip([{ name: 'z', body: zeros }]), 'archive-bomb'],
    [
      'by ratio, in nothing but padding',
      gzipSync(Buffer.concat([tar([{ name: 'z', body: 'x' }]), zeros])),
      'archive-bomb',
    ],
  ])('%s is stopped', async (_, bytes, code) => {
    await refused(bytes, { kind: 'tooLarge', code })
  })

  it('by bytes is stopped, whatever it declares', async () => {
    await refused(
      tar([{ name: 'a', size: 2 ** 33 - 1, body: 'x' }]),
      { kind: 'tooLarge', code: 'too-many-bytes' },
      { unpackedBytesMax: 1000 },
    )
    await refused(
      tar([
        { name: 'a', body: bytesOf(600) },
        { name: 'b', body: bytesOf(600) },
      ]),
      { kind: 'tooLarge', code: 'too-many-bytes' },
      { unpackedBytesMax: 1000 },
    )
    await refused(
      zip([
        { name: 'a', body: bytesOf(600) },
        { name: 'b', body: bytesOf(600) },
      ]),
      { kind: 'tooLarge', code: 'too-many-bytes' },
      { unpackedBytesMax: 1000 },
    )
  })

  it('by entries is stopped', async () => {
    const entries = Array.from({ length: 11 }, (_, index) => ({ name: `${index}` }))
    await refused(tar(entries), { kind: 'tooLarge', code: 'too-many-entries' }, { unpackedEntriesMax: 10 })
    await refused(zip(entries), { kind: 'tooLarge', code: 'too-many-entries' }, { unpackedEntriesMax: 10 })
  })

  it('by ratio but small is no bomb', async () => {
    await using bench = await workbench()
    await unpack(bench, gzipSync(tar([{ name: 'z', body: Buffer.alloc(4 << 20) }])))
    expect(Object.keys(await bench.files())).toEqual(['out/z'])
  })
})

describe('a damaged archive', () => {
  const whole = gzipSync(
    tar([
      { name: 'a', body: bytesOf(5000) },
      { name: 'b', body: bytesOf(5000, 2) },
    ]),
  )
  it.each([11, 100, 6000, whole.length - 9, whole.length - 1])('(gzip cut to %d bytes) is corrupt', async (length) => {
    await refused(whole.subarray(0, length), { kind: 'corrupt', code: 'bad-archive' })
  })

  const packed = zstdCompressSync(tar([{ name: 'a', body: bytesOf(5000) }]))
  it.each([20, 2000, packed.length - 1])('(zstd cut to %d bytes) is corrupt', async (length) => {
    await refused(packed.subarray(0, length), { kind: 'corrupt', code: 'bad-archive' })
  })

  it.each([600, 4000, 6000])('(tar cut to %d bytes) is corrupt', async (length) => {
    await refused(
      tar([
        { name: 'a', body: bytesOf(5000) },
        { name: 'b', body: 'b' },
      ]).subarray(0, length),
      { kind: 'corrupt', code: 'bad-archive' },
    )
  })

  it('with a flipped bit is corrupt', async () => {
    const flipped = Buffer.from(whole)
    flipped[5000]! ^= 1
    await refused(flipped, { kind: 'corrupt', code: 'bad-archive' })
  })

  it('with a header that does not add up is corrupt', async () => {
    const broken = tar([{ name: 'a', body: 'x' }])
    broken[150]! ^= 1
    await refused(broken, { kind: 'corrupt', code: 'bad-archive' })
  })

  it.each([
    ['wrong checksum', [{ name: 'a', body: 'text', crc: 1 }]],
    ['two headers that disagree in the name', [{ name: 'a', localName: '../b', body: 'text' }]],
    [
      'overlapping entries',
      [
        { name: 'a', body: 'text' },
        { name: 'b', body: 'text', offset: 0 },
      ],
    ],
    ['another size than told', [{ name: 'a', body: 'text', uncompressedSize: 3 }]],
  ] as [string, ZipEntry[]][])('(zip with %s) is corrupt', async (_, entries) => {
    await refused(zip(entries), { kind: 'corrupt', code: 'bad-archive' })
  })

  it('(zip cut short) is corrupt', async () => {
    const bytes = zip([{ name: 'a', body: bytesOf(1000) }])
    for (const length of [40, 500, bytes.length - 1])
      await refused(bytes.subarray(0, length), { kind: 'corrupt', code: 'bad-archive' })
  })
})

describe('a format', () => {
  it.each([
    ['xz', Buffer.from('fd377a585a000004', 'hex')],
    ['bzip2', Buffer.from('BZh91AY&SY')],
  ])('(%s) that is not supported is named', async (format, bytes) => {
    await refused(bytes, { kind: 'invalid', code: 'unsupported-archive', message: expect.stringContaining(format) })
  })

  it.each([
    ['encrypted', { name: 'a', body: 'x', flags: 1 }, 'encrypted-archive'],
    ['packed by another method', { name: 'a', body: 'x', method: 14 }, 'unsupported-archive'],
  ])('(zip, %s) is named', async (_, entry, code) => {
    await refused(zip([entry]), { kind: 'invalid', code })
  })

  it.each([Buffer.alloc(0), Buffer.from('hello'), bytesOf(2000)])('that is none is corrupt', async (bytes) => {
    await refused(bytes, { kind: 'corrupt', code: 'not-an-archive' })
  })

  it('that its name contradicts is corrupt', async () => {
    await using bench = await workbench()
    await expect(unpack(bench, gzipSync(tar(small)), { name: 'a.zip' })).rejects.toMatchObject({
      kind: 'corrupt',
      code: 'wrong-format',
    })
    await expect(unpack(bench, tar(small), { name: 'a.tgz' })).rejects.toMatchObject({
      kind: 'corrupt',
      code: 'wrong-format',
    })
  })

  it('of gzip that holds no tar is corrupt', async () => {
    await refused(gzipSync('just text, but long enough to be a block'.repeat(50)), {
      kind: 'corrupt',
      code: 'bad-archive',
    })
  })
})
