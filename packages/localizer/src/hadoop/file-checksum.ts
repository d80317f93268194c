/** The checksum that HDFS states of a whole file: CRCs of 512 bytes, their MD5 for each block, and the MD5 of these. No I/O. */
import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import type { Checksum } from '../checksum.ts'
import { crc32c } from '../crc.ts'

/** The buffer of which Hadoop takes the last MD5 begins with this size and doubles; its unused rest is part of what is hashed. */
const bufferBytesMin = 32
const md5Bytes = 16
const crcSize = 4

/**
 * What HDFS says of a file, as the checksum that is compared. Undefined for one that cannot be computed from the bytes of the
 * file alone. `bytes` are in hex: `length` of them count, and the sum stands at their end.
 */
export function statedByHdfs(
  stated: { readonly algorithm: string; readonly bytes: string; readonly length: number },
  blockBytes: number,
): Checksum | undefined {
  const sum = Buffer.from(stated.bytes.slice(0, 2 * stated.length), 'hex')
  const composite = /^COMPOSITE-(CRC32C?)$/.exec(stated.algorithm)?.[1]
  // One CRC of the whole file does not depend on blocks.
  if (composite !== undefined) return { algorithm: named(composite), value: sum.subarray(-crcSize).toString('base64') }
  const [, perBlock, crcSpan, crc] = /^MD5-of-(\d+)MD5-of-(\d+)(CRC32C?)$/.exec(stated.algorithm) ?? []
  const crcBytes = Number(crcSpan)
  if (crc === undefined || crcBytes === 0 || blockBytes % crcBytes !== 0) return undefined
  // A file of one block says 0.
  if (Number(perBlock) !== 0 && Number(perBlock) * crcBytes !== blockBytes) return undefined
  return { algorithm: named(crc), value: sum.subarray(-md5Bytes).toString('base64'), partBytes: blockBytes, crcBytes }
}

function named(crc: string): 'crc32' | 'crc32c' {
  return crc === 'CRC32C' ? 'crc32c' : 'crc32'
}

/** The MD5 of the CRCs of one block, from its bytes in their order. */
export class BlockSum {
  readonly #crcBytes: number
  readonly #next: (data: Uint8Array, value: number, from: number, end: number) => number
  readonly #md5 = createHash('md5')
  /** CRCs that wait for their MD5. */
  readonly #crcs = Buffer.alloc(16_384)
  #crcsLength = 0
  #inCrc = 0
  #crc = 0

  constructor(crc: 'crc32' | 'crc32c', crcBytes: number) {
    this.#crcBytes = crcBytes
    this.#next = crc === 'crc32c' ? crc32c : (data, value, from, end) => crc32(data.subarray(from, end), value)
  }

  update(chunk: Uint8Array): void {
    for (let at = 0; at < chunk.length; ) {
      const end = Math.min(chunk.length, at + this.#crcBytes - this.#inCrc)
      this.#crc = this.#next(chunk, this.#crc, at, end)
      this.#inCrc += end - at
      at = end
      if (this.#inCrc === this.#crcBytes) this.#endCrc()
    }
  }

  digest(): Buffer {
    if (this.#inCrc > 0) this.#endCrc()
    this.#flush()
    return this.#md5.digest()
  }

  #endCrc(): void {
    this.#crcs.writeUInt32BE(this.#crc, this.#crcsLength)
    this.#crcsLength += 4
    if (this.#crcsLength === this.#crcs.length) this.#flush()
    this.#crc = 0
    this.#inCrc = 0
  }

  #flush(): void {
    this.#md5.update(this.#crcs.subarray(0, this.#crcsLength))
    this.#crcsLength = 0
  }
}

/** The MD5 of those of the blocks, in the buffer that Hadoop puts them into. */
export function sumOfBlocks(blocks: readonly Buffer[]): Buffer {
  let size = bufferBytesMin
  while (size < blocks.length * md5Bytes) size *= 2
  const buffer = Buffer.alloc(size)
  Buffer.concat(blocks).copy(buffer)
  return createHash('md5').update(buffer).digest()
}
