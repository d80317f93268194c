/** The checksum that HDFS states of a whole file: CRCs of 512 bytes, their MD5 for each block, and the MD5 of these. No I/O. */
import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { crc32c } from '../crc.ts'

/** How a checksum of HDFS is made, as its name and its file say it. */
export interface FileChecksumShape {
  readonly crc: 'CRC32' | 'CRC32C'
  /** Bytes of one CRC; undefined for one CRC of the whole file, which does not depend on blocks. */
  readonly crcBytes: number | undefined
  readonly blockBytes: number
}

/** The buffer of which Hadoop takes the last MD5 begins with this size and doubles; its unused rest is part of what is hashed. */
const bufferBytesMin = 32
const md5Bytes = 16

/** Undefined for a checksum that cannot be computed from the bytes of the file alone. */
export function fileChecksumShape(algorithm: string, blockBytes: number): FileChecksumShape | undefined {
  const composite = /^COMPOSITE-(CRC32C?)$/.exec(algorithm)
  if (composite !== null) return { crc: composite[1] as 'CRC32', crcBytes: undefined, blockBytes }
  const [, perBlock, crcBytes, crc] = /^MD5-of-(\d+)MD5-of-(\d+)(CRC32C?)$/.exec(algorithm) ?? []
  if (crc === undefined || blockBytes % Number(crcBytes) !== 0) return undefined
  // A file of one block says 0.
  if (Number(perBlock) !== 0 && Number(perBlock) * Number(crcBytes) !== blockBytes) return undefined
  return { crc: crc as 'CRC32', crcBytes: Number(crcBytes), blockBytes }
}

/** Computes it from chunks in their order. */
export class FileChecksum {
  readonly #shape: FileChecksumShape
  readonly #next: (data: Uint8Array, value: number, from: number, end: number) => number
  readonly #blocks: Buffer[] = []
  /** CRCs that wait for their MD5. */
  readonly #crcs = Buffer.alloc(16_384)
  #crcsLength = 0
  #block = createHash('md5')
  #inBlock = 0
  #inCrc = 0
  #crc = 0

  constructor(shape: FileChecksumShape) {
    this.#shape = shape
    this.#next = shape.crc === 'CRC32C' ? crc32c : (data, value, from, end) => crc32(data.subarray(from, end), value)
  }

  update(chunk: Uint8Array): void {
    const { crcBytes, blockBytes } = this.#shape
    if (crcBytes === undefined) {
      this.#crc = this.#next(chunk, this.#crc, 0, chunk.length)
      return
    }
    for (let at = 0; at < chunk.length; ) {
      const end = Math.min(chunk.length, at + crcBytes - this.#inCrc)
      this.#crc = this.#next(chunk, this.#crc, at, end)
      this.#inCrc += end - at
      this.#inBlock += end - at
      at = end
      if (this.#inCrc === crcBytes) this.#endCrc()
      if (this.#inBlock === blockBytes) this.#endBlock()
    }
  }

  /** As `bytes` of the answer ends: 16 bytes, or 4 for one CRC. */
  digest(): Buffer {
    if (this.#shape.crcBytes === undefined) {
      const bytes = Buffer.alloc(4)
      bytes.writeUInt32BE(this.#crc)
      return bytes
    }
    if (this.#inCrc > 0) this.#endCrc()
    if (this.#inBlock > 0) this.#endBlock()
    let size = bufferBytesMin
    while (size < this.#blocks.length * md5Bytes) size *= 2
    const buffer = Buffer.alloc(size)
    Buffer.concat(this.#blocks).copy(buffer)
    return createHash('md5').update(buffer).digest()
  }

  #endCrc(): void {
    this.#crcs.writeUInt32BE(this.#crc, this.#crcsLength)
    this.#crcsLength += 4
    if (this.#crcsLength === this.#crcs.length) this.#flush()
    this.#crc = 0
    this.#inCrc = 0
  }

  #endBlock(): void {
    this.#flush()
    this.#blocks.push(this.#block.digest())
    this.#block = createHash('md5')
    this.#inBlock = 0
  }

  #flush(): void {
    this.#block.update(this.#crcs.subarray(0, this.#crcsLength))
    this.#crcsLength = 0
  }
}
