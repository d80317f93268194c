/** Checksums that a store states: every algorithm, whole and in parts, in order, out of order and only in the end. */
import { createHash } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import type { Checksum, ChecksumAlgorithm } from './checksum.ts'
import { Crc64Nvme, crc32c } from './crc.ts'
import { BlockSum, sumOfBlocks } from './hadoop/file-checksum.ts'
import { RunningChecksum } from './running-checksum.ts'
import { bytesOf, sha256, workbench } from './testing/workbench.ts'

const bytes = bytesOf(10_000)
const algorithms: readonly ChecksumAlgorithm[] = ['sha256', 'sha1', 'crc32', 'crc32c', 'crc64nvme']

function plain(algorithm: ChecksumAlgorithm, data: Uint8Array): Buffer {
  if (algorithm === 'sha1' || algorithm === 'sha256') return createHash(algorithm).update(data).digest()
  if (algorithm === 'crc64nvme') {
    const sum = new Crc64Nvme()
    sum.update(data)
    return sum.digest()
  }
  const value = Buffer.alloc(4)
  value.writeUInt32BE(algorithm === 'crc32' ? crc32(data) : crc32c(data))
  return value
}

function whole(algorithm: ChecksumAlgorithm): Checksum {
  return { algorithm, value: plain(algorithm, bytes).toString('base64') }
}

function composite(algorithm: ChecksumAlgorithm, partBytes: number): Checksum {
  const parts: Buffer[] = []
  for (let at = 0; at < bytes.length; at += partBytes) parts.push(plain(algorithm, bytes.subarray(at, at + partBytes)))
  return { algorithm, value: plain(algorithm, Buffer.concat(parts)).toString('base64'), partBytes }
}

describe.each(algorithms)('the %s of a file', (algorithm) => {
  it.each([
    ['whole', whole(algorithm)],
    ['of parts', composite(algorithm, 3000)],
    ['of parts that fit evenly', composite(algorithm, 2500)],
    ['of one part', composite(algorithm, bytes.length)],
  ])('(%s) fits whichever way the bytes came, and not when one differs', async (_, stated) => {
    await using bench = await workbench()
    const path = join(bench.directory, 'file')
    const verify = async (file: Buffer, feed: (sum: RunningChecksum) => void): Promise<void> => {
      await writeFile(path, file)
      const sum = new RunningChecksum(stated)
      feed(sum)
      await sum.verify(path, file.length, sha256(file), 's3a://b/k')
    }
    const inOrder = (sum: RunningChecksum, file = bytes): void => {
      for (let at = 0; at < file.length; at += 777) sum.update(file.subarray(at, at + 777), at)
    }
    await verify(bytes, inOrder)
    await verify(bytes, () => undefined)
    await verify(bytes, (sum) => {
      sum.update(bytes.subarray(0, 100), 0)
      sum.update(bytes.subarray(5000), 5000)
    })
    for (const at of [0, 4999, 9999]) {
      const wrong = Buffer.from(bytes)
      wrong[at]! ^= 1
      const refused = expect.objectContaining({ kind: 'corrupt', code: 'checksum-mismatch' })
      await expect(verify(wrong, (sum) => inOrder(sum, wrong))).rejects.toEqual(refused)
      await expect(verify(wrong, () => undefined)).rejects.toEqual(refused)
    }
  })
})

describe('a file in pieces', () => {
  const large = bytesOf(34 << 20, 3)
  const nowhere = '/no/such/file'
  const stated: [string, Checksum][] = [
    ['crc32', { algorithm: 'crc32', value: plain('crc32', large).toString('base64') }],
    ['crc32c', { algorithm: 'crc32c', value: plain('crc32c', large).toString('base64') }],
    ['crc64nvme', { algorithm: 'crc64nvme', value: plain('crc64nvme', large).toString('base64') }],
    ['blocks of HDFS', hadoopChecksum(large, 10 << 20)],
  ]

  it.each(stated)('(%s) that come in any order, each from its beginning, is not read again', async (_, checksum) => {
    const sum = new RunningChecksum(checksum)
    const step = 1 << 20
    const from = Array.from({ length: Math.ceil(large.length / sum.pieceBytes) }, (_, index) => index * sum.pieceBytes)
    // One chunk of each piece in turn, the last piece first.
    for (let at = 0; at < sum.pieceBytes; at += step)
      for (const begin of from.toReversed())
        if (begin + at < large.length) sum.update(large.subarray(begin + at, begin + at + step), begin + at)
    await sum.verify(nowhere, large.length, sha256(large), 'x')
  })

  it.each(stated)('(%s) is read where two connections met in the middle of a piece', async (_, checksum) => {
    await using bench = await workbench()
    const path = join(bench.directory, 'file')
    const border = 12_345_678
    for (const wrong of [undefined, border]) {
      const file = Buffer.from(large)
      if (wrong !== undefined) file[wrong]! ^= 1
      await writeFile(path, file)
      const sum = new RunningChecksum(checksum)
      sum.update(file.subarray(border), border)
      sum.update(file.subarray(0, border), 0)
      const verified = sum.verify(path, file.length, sha256(file), 'x')
      if (wrong === undefined) await verified
      else await expect(verified).rejects.toMatchObject({ code: 'checksum-mismatch' })
    }
  })

  it('that is read again stops when the run does', async () => {
    await using bench = await workbench()
    const path = join(bench.directory, 'file')
    await writeFile(path, large)
    const sum = new RunningChecksum(stated[0]![1])
    const signal = AbortSignal.abort(new Error('SIGTERM'))
    await expect(sum.verify(path, large.length, sha256(large), 'x', signal)).rejects.toThrow('SIGTERM')
  })
})

function hadoopChecksum(data: Buffer, partBytes: number): Checksum {
  const blocks: Buffer[] = []
  for (let at = 0; at < data.length; at += partBytes) {
    const sum = new BlockSum('crc32c', 512)
    sum.update(data.subarray(at, at + partBytes))
    blocks.push(sum.digest())
  }
  return { algorithm: 'crc32c', value: sumOfBlocks(blocks).toString('base64'), partBytes, crcBytes: 512 }
}
