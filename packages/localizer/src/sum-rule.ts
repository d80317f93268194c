/** How the checksum of a file is made from those of its pieces, which can be computed apart from each other. No I/O. */
import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import type { Checksum, ChecksumAlgorithm } from './checksum.ts'
import { Crc64Nvme, crc32c, joinCrcs } from './crc.ts'
import { BlockSum, sumOfBlocks } from './hadoop/file-checksum.ts'

export interface PieceSum {
  update(chunk: Uint8Array): void
  digest(): Buffer
}

export interface SumRule {
  readonly pieceBytes: number
  begin(): PieceSum
  /** From the digests of all pieces, of which only the last may have another length. */
  whole(digests: readonly Buffer[], lastBytes: number): Buffer
}

/** Of a CRC of the whole, whose pieces may have any size: small enough that little is read again where connections met. */
const crcPieceBytes = 16 << 20

export function sumRuleOf({ algorithm, partBytes, crcBytes }: Checksum): SumRule {
  if (crcBytes !== undefined && (algorithm === 'crc32' || algorithm === 'crc32c')) {
    const begin = (): PieceSum => new BlockSum(algorithm, crcBytes)
    return { pieceBytes: partBytes ?? Number.MAX_SAFE_INTEGER, begin, whole: sumOfBlocks }
  }
  const begin = () => sumOf(algorithm)
  if (partBytes !== undefined) {
    const whole = (digests: readonly Buffer[]): Buffer => {
      const sum = begin()
      for (const digest of digests) sum.update(digest)
      return sum.digest()
    }
    return { pieceBytes: partBytes, begin, whole }
  }
  if (algorithm === 'sha1' || algorithm === 'sha256')
    return { pieceBytes: Number.MAX_SAFE_INTEGER, begin, whole: ([only]) => only! }
  const whole = (digests: readonly Buffer[], lastBytes: number) =>
    joinCrcs(algorithm, digests, crcPieceBytes, lastBytes)
  return { pieceBytes: crcPieceBytes, begin, whole }
}

function sumOf(algorithm: ChecksumAlgorithm): PieceSum {
  if (algorithm === 'crc64nvme') return new Crc64Nvme()
  if (algorithm === 'sha1' || algorithm === 'sha256') {
    const hash = createHash(algorithm)
    return { update: (chunk) => void hash.update(chunk), digest: () => hash.digest() }
  }
  const next = algorithm === 'crc32' ? crc32 : crc32c
  let value = 0
  return {
    update: (chunk) => {
      value = next(chunk, value)
    },
    digest: () => {
      const bytes = Buffer.alloc(4)
      bytes.writeUInt32BE(value >>> 0)
      return bytes
    },
  }
}
