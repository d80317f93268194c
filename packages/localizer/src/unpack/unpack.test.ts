/** Unpacking: good archives of every format, and the names and kinds of entries that refuse a whole archive. */
import { readdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { pax, type TarEntry, tar, type ZipEntry, zip } from '../testing/hostile-archives.ts'
import { refused, unpack } from '../testing/unpacking.ts'
import { bytesOf, workbench } from '../testing/workbench.ts'

const small: TarEntry[] = [
  { name: './', type: '5' },
  { name: './bin/', type: '5', mode: 0o777 },
  { name: './bin/run', body: '#!/bin/sh', mode: 0o4777 },
  { name: './conf/a.txt', body: 'text', mode: 0o600 },
  { name: 'empty/', type: '5' },
  { name: 'zero', body: '' },
]
const smallFiles = { 'out/bin/run': '#!/bin/sh', 'out/conf/a.txt': 'text', 'out/zero': '' }

describe('an archive', () => {
  it.each([
    ['tar', tar(small)],
    ['tar.gz', gzipSync(tar(small))],
    [
      'tar.gz of two members',
      Buffer.concat([gzipSync(tar(small).subarray(0, 700)), gzipSync(tar(small).subarray(700))]),
    ],
    ['tar.zst', zstdCompressSync(tar(small))],
    [
      'zip',
      zip([
        { name: 'bin/', mode: 0o040755 },
        { name: 'bin/run', body: '#!/bin/sh', mode: 0o104777 },
        { name: 'conf/a.txt', body: 'text', store: true },
        { name: 'empty/' },
        { name: 'zero' },
      ]),
    ],
    [
      'zip64',
      zip([
        { name: 'bin/run', body: '#!/bin/sh', mode: 0o100755, zip64: true },
        { name: 'conf/a.txt', body: 'text', zip64: true },
        { name: 'empty/' },
        { name: 'zero' },
      ]),
    ],
  ])('(%s) is unpacked with modes of our own', async (_, bytes) => {
    await using bench = await workbench()
    const report = await unpack(bench, bytes)
    expect(await bench.files()).toEqual(smallFiles)
    const mode = async (path: string) => ((await stat(join(bench.root, 'out', path))).mode & 0o7777).toString(8)
    expect([await mode('bin/run'), await mode('conf/a.txt'), await mode('bin'), await mode('empty')]).toEqual([
      '755',
      '644',
      '755',
      '755',
    ])
    expect(report.roots[0]!.items[0]).toMatchObject({ unpacked: true, sizeBytes: bytes.length })
  })

  it('is not unpacked when that is not asked for', async () => {
    await using bench = await workbench()
    const path = join(bench.directory, 'a.jar')
    await writeFile(path, zip([{ name: 'x', body: 'y' }]))
    await bench.run([{ uri: `file://${path}`, to: 'a.jar' }])
    expect(Object.keys(await bench.files())).toEqual(['a.jar'])
  })

  it.each([
    ['tar', tar([])],
    ['tar.gz', gzipSync(tar([]))],
    ['zip', zip([])],
  ])('(%s) without entries is an empty directory', async (_, bytes) => {
    await using bench = await workbench()
    await unpack(bench, bytes)
    expect(await readdir(join(bench.root, 'out'))).toEqual([])
  })

  it('keeps large files whole, and long and foreign names', async () => {
    await using bench = await workbench()
    const large = bytesOf(3 << 20)
    const long = `${'d'.repeat(90)}/${'ü'.repeat(80)}.txt`
    await unpack(
      bench,
      gzipSync(tar([{ name: 'large', body: large }, pax({ path: long }), { name: 'short', body: 'long' }])),
    )
    const files = await bench.files()
    expect(files[`out/${long}`]).toBe('long')
    expect(Buffer.from(files['out/large']!, 'latin1').equals(large)).toBe(true)
  })

  it('that is unpacked into the root shares it with other items', async () => {
    await using bench = await workbench()
    await writeFile(join(bench.directory, 'x'), 'x')
    await writeFile(join(bench.directory, 'a.tar'), tar([{ name: 'lib/a', body: 'a' }]))
    const items = [
      { uri: `file://${bench.directory}/a.tar`, to: '.', unpack: true },
      { uri: `file://${bench.directory}/x`, to: 'lib/x' },
    ]
    await bench.run(items)
    expect(await bench.files()).toEqual({ 'lib/a': 'a', 'lib/x': 'x' })
    await bench.run(items.slice(1))
    expect(await bench.files()).toEqual({ 'lib/x': 'x' })
  })

  it.each([
    ['one file', [{ name: 'lib/x', body: 'a' }]],
    ['a file where the other has a directory', [{ name: 'lib', body: 'a' }]],
    ['a directory where the other has a file', [{ name: 'lib/x/y', body: 'a' }]],
  ])('that meets another item in %s is refused, and nothing is published', async (_, entries) => {
    await using bench = await workbench()
    await writeFile(join(bench.directory, 'x'), 'x')
    await writeFile(join(bench.directory, 'a.tar'), tar(entries))
    const items = [
      { uri: `file://${bench.directory}/a.tar`, to: '.', unpack: true },
      { uri: `file://${bench.directory}/x`, to: 'lib/x' },
    ]
    await expect(bench.run(items)).rejects.toMatchObject({ kind: 'conflict', code: 'same-target' })
    expect(await bench.files()).toEqual({})
  })
})

const names: [string, RegExp][] = [
  ['../evil', /"\.\.\/evil".*"\.\." part/],
  ['a/../../evil', /"\.\." part/],
  ['a/./b', /"\." part/],
  ['/etc/evil', /absolute/],
  ['..\\evil', /backslash/],
  ['C:\\evil', /backslash/],
  ['a//b', /empty part/],
  ['new\nline', /control character/],
  ['.supercargo/report.json', /reserved/],
  [`${'d/'.repeat(70)}deep`, /longer|deeper/],
]

describe('an entry name', () => {
  it.each(names)('%j refuses the whole tar and is named', async (name, says) => {
    const entries = name.length > 99 ? [pax({ path: name }), { name: 'x', body: 'evil' }] : [{ name, body: 'evil' }]
    await refused(gzipSync(tar([{ name: 'good', body: 'good' }, ...entries])), {
      kind: 'unsafe',
      code: 'unsafe-entry',
      message: expect.stringMatching(says),
    })
  })

  it.each(names)('%j refuses the whole zip and is named', async (name, says) => {
    await refused(
      zip([
        { name: 'good', body: 'good' },
        { name, body: 'evil' },
      ]),
      { kind: 'unsafe', code: 'unsafe-entry', message: expect.stringMatching(says) },
    )
  })

  it('with a NUL refuses the zip', async () => {
    await refused(zip([{ name: 'a\0b', body: 'evil' }]), { kind: 'unsafe' })
  })
})

describe('an entry that is', () => {
  it.each([
    ['a symlink', { name: 'l', type: '2', link: '/etc' }],
    ['a hard link', { name: 'l', type: '1', link: '../../x' }],
    ['a character device', { name: 'l', type: '3' }],
    ['a block device', { name: 'l', type: '4' }],
    ['a fifo', { name: 'l', type: '6' }],
    ['sparse (GNU)', { name: 'l', type: 'S' }],
    ['of no known type', { name: 'l', type: 'Z' }],
  ] as [string, TarEntry][])('%s refuses the tar', async (_, entry) => {
    await refused(tar([{ name: 'good', body: 'x' }, entry, { name: 'l/evil', body: 'x' }]), {
      kind: 'unsafe',
      code: 'unsafe-entry',
      message: expect.stringContaining('"l"'),
    })
  })

  it('sparse (pax) refuses the tar', async () => {
    await refused(tar([pax({ 'GNU.sparse.major': '1', 'GNU.sparse.minor': '0' }), { name: 'sparse', body: 'x' }]), {
      kind: 'unsafe',
    })
  })

  it.each([
    ['a symlink', 0o120777],
    ['a device', 0o060644],
    ['a socket', 0o140644],
  ])('%s refuses the zip', async (_, mode) => {
    await refused(zip([{ name: 'l', mode, body: '/etc' }]), { kind: 'unsafe', code: 'unsafe-entry' })
  })

  it.each([
    [
      'there twice',
      [
        { name: 'a', body: '1' },
        { name: 'a', body: '2' },
      ],
    ],
    [
      'there twice in two spellings',
      [
        { name: './a', body: '1' },
        { name: 'a', body: '2' },
      ],
    ],
    [
      'there twice after normalisation',
      [
        { name: 'e\u0301', body: '1' },
        { name: '\u00e9', body: '2' },
      ],
    ],
    [
      'a file and then a directory',
      [
        { name: 'a', body: '1' },
        { name: 'a/b', body: '2' },
      ],
    ],
    [
      'a directory and then a file',
      [
        { name: 'a/b', body: '1' },
        { name: 'a', body: '2' },
      ],
    ],
    [
      'a file and then named a directory',
      [
        { name: 'a', body: '1' },
        { name: 'a/', type: '5' },
      ],
    ],
  ] as [string, TarEntry[]][])('%s refuses the archive', async (_, entries) => {
    await refused(tar(entries), { kind: 'unsafe', code: 'unsafe-entry' })
    await refused(zip(entries as ZipEntry[]), { kind: 'unsafe', code: 'unsafe-entry' })
  })
})
