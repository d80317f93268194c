/** The checksum that HDFS states of a file: compared with every byte however it came, and said where it cannot be. */
import { open, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { BlockSum, sumOfBlocks } from '../../hadoop/file-checksum.ts'
import { json, type ScriptedHdfs, scriptedHdfs } from '../../testing/scripted-hdfs.ts'
import { trickle } from '../../testing/scripted-server.ts'
import { bytesOf, sha256, type Workbench, workbench } from '../../testing/workbench.ts'

const bytes = bytesOf(300_000)
const uri = 'hdfs://cargo/a.jar'
const megabyte = 1 << 20

function checksumOf(data: Buffer, blockBytes = megabyte): Record<string, unknown> {
  const blocks: Buffer[] = []
  for (let at = 0; at < data.length; at += blockBytes) {
    const sum = new BlockSum('crc32c', 512)
    sum.update(data.subarray(at, at + blockBytes))
    blocks.push(sum.digest())
  }
  const perBlock = blocks.length > 1 ? blockBytes / 512 : 0
  const head = '000002000000000000000000'
  return {
    algorithm: `MD5-of-${perBlock}MD5-of-512CRC32C`,
    bytes: `${head}${sumOfBlocks(blocks).toString('hex')}00000000`,
    length: 28,
  }
}

async function fetched(bench: Workbench, hdfs: ScriptedHdfs, options: object = {}): Promise<string> {
  const hadoop = { user: 'alice', webhdfs: { cargo: [hdfs.nameNode.origin] } }
  await bench.run([{ uri, to: 'a' }], { hadoop, limits: { attemptsMax: 1 } }, options)
  return sha256(Buffer.from(await bench.read('a'), 'latin1'))
}

function damaged(data: Buffer, at: number): Buffer {
  const copy = Buffer.from(data)
  copy[at]! ^= 1
  return copy
}

const mismatch = { kind: 'corrupt', code: 'checksum-mismatch' }

describe('a file of HDFS', () => {
  it('is compared with its checksum, and damaged bytes are never the file', async () => {
    await using bench = await workbench()
    const checksum = checksumOf(bytes)
    await using hdfs = await scriptedHdfs({ '/a.jar': { bytes, checksum } })
    expect(await fetched(bench, hdfs)).toBe(sha256(bytes))
    await using other = await workbench()
    hdfs.files.set('/a.jar', { bytes: damaged(bytes, 123_456), checksum })
    await expect(fetched(other, hdfs)).rejects.toMatchObject(mismatch)
    expect(await other.files()).toEqual({})
  })

  it('whose digest the plan knows is asked for no checksum', async () => {
    await using bench = await workbench()
    await using hdfs = await scriptedHdfs({ '/a.jar': { bytes, checksum: checksumOf(bytes) } })
    const hadoop = { user: 'alice', webhdfs: { cargo: [hdfs.nameNode.origin] } }
    await bench.run([{ uri, to: 'a', digest: sha256(bytes) }], { hadoop })
    expect(hdfs.asked).not.toContain('GETFILECHECKSUM /a.jar')
  })

  it.each([
    ['no such operation', {}, undefined, /Invalid value/],
    ['another kind of checksum', {}, { algorithm: 'MD5-of-0MD5-of-512MIXED', bytes: '', length: 0 }, /MIXED/],
    ['an encryption zone', { encBit: true }, undefined, /encryption zone/],
    ['erasure coding', { ecBit: true }, undefined, /striped/],
  ])('that cannot be compared is read all the same, and it is said (%s)', async (_, status, checksum, reason) => {
    await using bench = await workbench()
    const file = { bytes, status, ...(checksum === undefined ? {} : { checksum }) }
    await using hdfs = await scriptedHdfs({ '/a.jar': file })
    const said: string[] = []
    expect(await fetched(bench, hdfs, { log: (line: string) => said.push(line) })).toBe(sha256(bytes))
    expect(said).toEqual([expect.stringMatching(reason)])
  })

  it('made of blocks of several sizes has a checksum that depends on them, and is not refused for it', async () => {
    await using bench = await workbench()
    const checksum = { algorithm: 'MD5-of-256MD5-of-512CRC32C', bytes: '0'.repeat(56), length: 28 }
    await using hdfs = await scriptedHdfs({ '/a.jar': { bytes, checksum, status: { blockSize: 131_072 } } })
    const lengths = [100_000, 131_072, 68_928]
    hdfs.onNameNode = (operation, response) => {
      if (operation !== 'GETFILEBLOCKLOCATIONS') return
      const blocks = lengths.map((length) => ({ hosts: [], names: [], length }))
      json(response, { BlockLocations: { BlockLocation: blocks } })
    }
    const said: string[] = []
    expect(await fetched(bench, hdfs, { log: (line: string) => said.push(line) })).toBe(sha256(bytes))
    expect(said).toEqual([expect.stringContaining('several sizes')])
  })
})

describe('a large file of HDFS that comes by several connections', () => {
  const content = bytesOf(40 * megabyte, 5)
  const blockBytes = 8 * megabyte
  const status = { blockSize: blockBytes }
  const checksum = checksumOf(content, blockBytes)

  /** Each connection is so slow that it is the limit. */
  async function slowHdfs(data: Buffer): Promise<ScriptedHdfs> {
    const hdfs = await scriptedHdfs({ '/a.jar': { bytes: data, checksum, status } })
    hdfs.onNameNode = (operation, response) => {
      if (operation === 'GETFILEBLOCKLOCATIONS') json(response, { BlockLocations: { BlockLocation: [] } })
    }
    hdfs.onDataNode = (operation, response, query) => {
      if (operation !== 'OPEN') return
      const [offset, length] = [Number(query.get('offset')), Number(query.get('length'))]
      const body = hdfs.files.get('/a.jar')!.bytes.subarray(offset, offset + length)
      response.writeHead(200, { 'content-length': body.length, connection: 'close' })
      trickle(response, body, 12 * megabyte)
    }
    return hdfs
  }
  const opens = (hdfs: ScriptedHdfs) => hdfs.asked.filter((asked) => asked.startsWith('OPEN')).length

  it.each([3, 20 * megabyte, 40 * megabyte - 1])('is compared as a whole: byte %d is missed by nobody', async (at) => {
    await using bench = await workbench()
    await using hdfs = await slowHdfs(damaged(content, at))
    await expect(fetched(bench, hdfs)).rejects.toMatchObject(mismatch)
    expect(opens(hdfs)).toBeGreaterThan(2)
    expect(await bench.files()).toEqual({})
  })

  it('is compared also with what an earlier run had brought, once for all of them', async () => {
    await using bench = await workbench()
    await using hdfs = await slowHdfs(content)
    const stop = new AbortController()
    let seenBytes = 0
    const onProgress = (state: { bytes: number }): void => {
      seenBytes = state.bytes
      if (seenBytes > 20 * megabyte) stop.abort(new Error('SIGTERM'))
    }
    await expect(fetched(bench, hdfs, { signal: stop.signal, onProgress })).rejects.toMatchObject({
      kind: 'interrupted',
    })
    hdfs.asked.length = 0
    const incoming = join(bench.root, '.supercargo', 'incoming')
    const [name] = (await readdir(incoming)).filter((each) => !each.endsWith('.etag'))
    const file = await open(join(incoming, name!), 'r+')
    const held = Buffer.alloc(1)
    await file.read(held, 0, 1, 1000)
    await file.write(Buffer.from([held[0]! ^ 1]), 0, 1, 1000)
    await file.close()
    expect(await fetched(bench, hdfs)).toBe(sha256(content))
    // The damage was found, and the file begun anew.
    expect(hdfs.asked.filter((asked) => asked.startsWith('GETFILECHECKSUM')).length).toBe(1)
    expect(opens(hdfs)).toBeGreaterThan(2)
  })
})
