/** The HDFS source against a real NameNode and DataNode: the contract, the configuration of Hadoop, folders, versions, refusals. */
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { readdir, rm } from 'node:fs/promises'
import { request as httpRequest } from 'node:http'
import { join } from 'node:path'
import { beforeAll, expect, it } from 'vitest'
import { readHadoopConfiguration } from '../../../packages/localizer/src/hadoop/configuration.ts'
import { RunningChecksum } from '../../../packages/localizer/src/running-checksum.ts'
import { createHdfsSource } from '../../../packages/localizer/src/sources/hdfs/hdfs.ts'
import { encodedPath } from '../../../packages/localizer/src/sources/hdfs/uri.ts'
import { Redactor } from '../../../packages/localizer/src/sources/secret-text.ts'
import type { Source } from '../../../packages/localizer/src/sources/source.ts'
import { describeSource, read } from '../../../packages/localizer/src/testing/source-contract.ts'
import { bytesOf, sha256, workbench } from '../../../packages/localizer/src/testing/workbench.ts'
import type { ServiceDetails } from '../catalog.ts'
import { create, request } from '../hdfs/web-hdfs.ts'
import { describeWith, provisionTimeoutMs, running } from '../running.ts'
import { until } from '../until.ts'

type Details = ServiceDetails<'hdfs'>

function sourceOf(
  { configurationDirectory, superuser }: Details,
  settings: object = {},
  log?: (line: string) => void,
): Source {
  return createHdfsSource({
    settings: { confDirectory: configurationDirectory, user: superuser, ...settings },
    origins: {},
    environment: {},
    idleTimeoutMs: 20_000,
    socketsMax: 8,
    redactor: new Redactor(),
    log,
  })
}

const item = (uri: string) => ({ kind: 'uri', uri }) as const

describeWith(['hdfs'], 'the HDFS source and a real HDFS', () => {
  let details: Details
  let folder: string

  beforeAll(async () => {
    details = await running('hdfs')
    folder = `/source-${randomBytes(4).toString('hex')}`
  }, provisionTimeoutMs)

  const put = async (name: string, body: string | Buffer): Promise<string> => {
    expect(await create(details.webUrl, `${folder}/${name}`, details.superuser, body)).toBe(201)
    return `hdfs://${encodedPath(`${folder}/${name}`)}`
  }
  const namenode = (path: string, operation: string, parameters: Record<string, string> = {}) =>
    request(details.webUrl, `${folder}/${path}`, operation, details.superuser, { method: 'PUT', ...parameters })

  describeSource(
    'hdfs',
    async () => {
      const source = sourceOf(await running('hdfs'))
      const own = `contract-${randomBytes(4).toString('hex')}`
      return {
        source,
        put: async (name, bytes) => item(`hdfs://${(await put(`${own}/${name}`, bytes)).slice('hdfs://'.length)}`),
        missing: () => item(`hdfs://${folder}/${own}/missing`),
        [Symbol.asyncDispose]: async () => source.close(),
      }
    },
    { replaceable: true },
  )

  it('reads the same file by every way of naming it', async () => {
    await put('named.jar', 'the same bytes')
    const rpc = new URL(details.url).host
    const http = new URL(details.webUrl).host
    const byMap = { confDirectory: undefined, webhdfs: { elsewhere: [`${details.webUrl}/`] } }
    const cases: [string, object][] = [
      [`hdfs://${folder}/named.jar`, {}],
      [`HDFS://${rpc}${folder}/named.jar`, {}],
      [`hdfs:${folder}//named.jar`, {}],
      [`webhdfs://${http}${folder}/named.jar`, { confDirectory: undefined }],
      [`hdfs://elsewhere${folder}/named.jar`, byMap],
    ]
    for (const [uri, settings] of cases) {
      const source = sourceOf(details, settings)
      expect((await read((await source.open(item(uri), { offset: 0 })).stream)).toString(), uri).toBe('the same bytes')
      source.close()
    }
  })

  it.each(['a b', 'a+b%20c', 'ä€😀', "it's [1] {2}", 'a;b=c&d#e?f', '100%', 'x,y'])(
    'reads the name %s',
    async (name) => {
      const uri = await put(`odd/${name}`, name)
      const source = sourceOf(details)
      expect((await read((await source.open(item(uri), { offset: 0 })).stream)).toString()).toBe(name)
      source.close()
    },
  )

  const mebibyte = 1 << 20
  const blocks = { blocksize: String(mebibyte) }
  const open = async (source: Source, uri: string, options: object = {}) =>
    source.open(item(uri), { offset: 0, ...options })
  const refusedWith = (promise: Promise<unknown>, expected: object) => expect(promise).rejects.toMatchObject(expected)

  it.each([1, 511, 512, 513, mebibyte, mebibyte + 1, 2 * mebibyte, 3 * mebibyte, 5.5 * mebibyte])(
    'computes the checksum that HDFS states of %d bytes',
    async (length) => {
      const bytes = bytesOf(length, length)
      const path = `${folder}/checksums/${length}`
      await create(details.webUrl, path, details.superuser, bytes, blocks)
      const source = sourceOf(details)
      const { checksum, discard } = await open(source, `hdfs://${path}`)
      discard()
      const sum = new RunningChecksum(checksum!)
      // Every second chunk only after the others, so that blocks are computed apart; what is not next would be read from nowhere.
      const chunks = Array.from({ length: Math.ceil(length / mebibyte) }, (_, index) => index * mebibyte)
      for (const at of [
        ...chunks.filter((_, index) => index % 2 === 1),
        ...chunks.filter((_, index) => index % 2 === 0),
      ])
        sum.update(bytes.subarray(at, at + mebibyte), at)
      await sum.verify('/no/such/file', length, sha256(bytes), path)
      source.close()
    },
  )

  it('reads a file of many blocks whole, compared with its checksum, and in ranges side by side', async () => {
    const bytes = bytesOf(5.5 * mebibyte, 3)
    await create(details.webUrl, `${folder}/blocks`, details.superuser, bytes, blocks)
    const said: string[] = []
    const source = sourceOf(details, {}, (line) => said.push(line))
    const uri = `hdfs://${folder}/blocks`
    const whole = await open(source, uri)
    expect((await read(whole.stream)).equals(bytes)).toBe(true)
    expect(said).toEqual([])
    const borders = [0, 1, 2, 3, 4, 5, 5.5].map((part) => part * mebibyte)
    const parts = borders.slice(1).map(async (end, index) => {
      const opened = await open(source, uri, { offset: borders[index]!, end, etag: whole.etag })
      expect([opened.start, opened.sizeBytes]).toEqual([borders[index], bytes.length])
      return await read(opened.stream)
    })
    expect(Buffer.concat(await Promise.all(parts)).equals(bytes)).toBe(true)
    source.close()
  })

  it('never gives a range of another version, and never mixes two', async () => {
    const uri = await put('changing', bytesOf(4 * mebibyte, 1))
    const source = sourceOf(details)
    const first = await open(source, uri)
    first.stream.once('readable', () => undefined)
    await put('changing', bytesOf(4 * mebibyte, 2))
    await refusedWith(read(first.stream), { kind: 'corrupt', code: 'source-changed' })
    const range = { offset: 0, end: mebibyte, etag: first.etag }
    await refusedWith(open(source, uri, range), { kind: 'corrupt', code: 'source-changed' })
    source.close()
  })

  it('waits for a file that is being written, however little of it can be seen', async () => {
    const path = `${folder}/being-written`
    const asked = await request(details.webUrl, path, 'CREATE', details.superuser, { method: 'PUT' })
    const writing = httpRequest(asked.headers.get('location')!, {
      method: 'PUT',
      headers: { 'content-type': 'application/octet-stream' },
    })
    const written = new Promise((resolve, reject) => writing.once('response', resolve).once('error', reject))
    writing.write('the beginning')
    const source = sourceOf(details)
    const uri = `hdfs://${path}`
    await until(
      'the file',
      async () => (await source.stat(item(uri)).catch(() => undefined)) !== undefined || undefined,
      {
        timeoutMs: 30_000,
      },
    )
    await refusedWith(open(source, uri), { kind: 'unavailable', code: 'file-being-written' })
    writing.end(' and the end')
    await written
    expect((await read((await open(source, uri)).stream)).toString()).toBe('the beginning and the end')
    source.close()
  })

  it('says of each refusal what it is', async () => {
    await put('private', 'mine')
    await namenode('private', 'SETPERMISSION', { permission: '600' })
    const mine = sourceOf(details)
    const other = sourceOf(details, { user: 'somebody' })
    await refusedWith(open(other, `hdfs://${folder}/private`), { kind: 'denied', code: 'access-denied' })
    await refusedWith(open(mine, `hdfs://${folder}/none`), { kind: 'notFound', code: 'no-such-file' })
    await refusedWith(open(mine, `hdfs://${folder}`), {
      kind: 'invalid',
      code: 'is-a-directory',
      hint: expect.stringContaining('/ at its end'),
    })
    const dataNode = sourceOf(details, { webhdfs: { x: [new URL('/', `http://localhost:1`).href] } })
    await refusedWith(open(dataNode, `hdfs://x${folder}/private`), { kind: 'unavailable', code: 'no-namenode' })
    for (const source of [mine, other, dataNode]) source.close()
  })

  it('says of a missing block that it is one, and may be tried again', async () => {
    const uri = await put('lost', bytesOf(10_000, 9))
    const hadoop = await readHadoopConfiguration({ confDirectory: details.configurationDirectory })
    const data = hadoop.get('dfs.datanode.data.dir')!.replace('file://', '')
    const found = (await readdir(data, { recursive: true, withFileTypes: true })).filter(({ name }) =>
      /^blk_\d+$/.test(name),
    )
    const paths = found.map(({ parentPath, name }) => join(parentPath, name))
    const lost = paths.find((path) => readFileSync(path).equals(bytesOf(10_000, 9)))!
    await rm(lost)
    const source = sourceOf(details)
    const reading = async () => await read((await open(source, uri)).stream)
    await refusedWith(reading(), { kind: 'interrupted' })
    // The one that failed is left out of the next attempt, and there is no other.
    await refusedWith(reading(), { kind: 'unavailable', code: 'block-missing' })
    await refusedWith(reading(), { retry: true })
    source.close()
  })

  it('takes every file of a folder and of a pattern, and nothing hidden or unfinished', async () => {
    for (const name of [
      'a.jar',
      'b c.jar',
      'c.txt',
      'sub/d.jar',
      'sub/deep/e',
      '.hidden',
      '_temporary/0/part',
      '_SUCCESS',
    ])
      await put(`set/${name}`, name)
    await using bench = await workbench()
    const hadoop = { confDirectory: details.configurationDirectory, user: details.superuser }
    const base = `hdfs://${folder}/set`
    const files = async (uri: string, to: string) => {
      await bench.run([{ uri, to }], { hadoop })
      return Object.keys(await bench.files())
    }
    expect(await files(`${base}/`, 'all')).toEqual([
      'all/_SUCCESS',
      'all/a.jar',
      'all/b c.jar',
      'all/c.txt',
      'all/sub/d.jar',
      'all/sub/deep/e',
    ])
    expect(await files(`${base}/*.jar`, '.')).toEqual(['a.jar', 'b c.jar'])
    expect(await files(`${base}/{[ab]*,sub/d}.jar`, 'x')).toEqual(['x/a.jar', 'x/b c.jar', 'x/d.jar'])
    expect(await files(`hdfs://${folder}/s*/sub/deep/*`, 'y')).toEqual(['y/e'])
    expect(await files(`hdfs://${folder}/set/s*/`, 'z')).toEqual(['z/d.jar', 'z/deep/e'])
    await refusedWith(bench.run([{ uri: `${base}/*.none`, to: 'x' }], { hadoop }), {
      kind: 'notFound',
      code: 'nothing-found',
    })
    await refusedWith(bench.run([{ uri: `hdfs://${folder}/none/`, to: 'x' }], { hadoop }), { code: 'no-such-file' })
    await refusedWith(bench.run([{ uri: `${base}/a.jar/`, to: 'x' }], { hadoop }), { code: 'not-a-directory' })
    const limits = { listedFilesMax: 2 }
    await refusedWith(bench.run([{ uri: `${base}/`, to: 'x' }], { hadoop, limits }), {
      kind: 'tooLarge',
      code: 'too-many-files',
    })
  })

  it('lists a folder of more entries than a page has', async () => {
    const names = Array.from({ length: 1100 }, (_, index) => `many/${String(index).padStart(4, '0')}`)
    for (let at = 0; at < names.length; at += 50)
      await Promise.all(names.slice(at, at + 50).map((name) => namenode(name, 'MKDIRS')))
    await put('many/last', 'x')
    const source = sourceOf(details)
    const listed = await source.list!(item(`hdfs://${folder}/many/*`), { filesMax: 10 })
    expect(listed).toEqual([{ item: item(`hdfs://${folder}/many/last`), path: 'last', sizeBytes: 1 }])
    source.close()
  })

  it('is read by the image’s own Hadoop where that is asked for, also through a mount table', async () => {
    const bytes = bytesOf(300_000, 7)
    await put('by hadoop', bytes)
    await using bench = await workbench()
    const command = [details.hdfsCommand, 'dfs', '-D', `fs.viewfs.mounttable.table.link./m=${details.url}${folder}`]
    const hadoop = { confDirectory: details.configurationDirectory, exec: { schemes: ['hdfs', 'viewfs'], command } }
    const items = [
      { uri: `hdfs://${folder}/by%20hadoop`, to: 'a' },
      { uri: 'viewfs://table/m/by%20hadoop', to: 'b' },
    ]
    await bench.run(items, { hadoop })
    expect(await bench.files()).toEqual({ a: bytes.toString('latin1'), b: bytes.toString('latin1') })
    const missing = bench.run([{ uri: `hdfs://${folder}/none`, to: 'c' }], { hadoop })
    await refusedWith(missing, { kind: 'notFound', code: 'no-such-file' })
    const properties = { 'fs.viewfs.mounttable.table.link./m': `${details.url}${folder}` }
    const without = bench.run([{ uri: 'viewfs://table/m/x', to: 'd' }], { hadoop: { properties } })
    await refusedWith(without, {
      kind: 'invalid',
      code: 'viewfs',
      hint: expect.stringContaining(`${details.url}${folder}/x`),
    })
  })
})
