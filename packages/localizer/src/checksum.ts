/** A checksum that a store states for a whole file: computed beside the digest while the bytes come, compared at the end. */
import { createHash, type Hash } from 'node:crypto'
import { closeSync, openSync, readSync } from 'node:fs'
import { crc32 } from 'node:zlib'
import { type Digest, digestHex, SupercargoError } from '@supercargo/protocol'
import { fromFileSystemError } from '@supercargo/transfer'
import { Crc64Nvme, crc32c } from './crc.ts'

export type ChecksumAlgorithm = 'sha256' | 'sha1' | 'crc32' | 'crc32c' | 'crc64nvme'

export interface Checksum {
  readonly algorithm: ChecksumAlgorithm
  /** Base64. */
  readonly value: string
  /** The checksum is of the checksums of parts of this size; only the last may be shorter. */
  readonly partBytes?: number | undefined
}

const blockBytes = 1 << 20

export class RunningChecksum {
  readonly #stated: Checksum
  readonly #parts: Buffer[] = []
  #sum: Sum
  #inPart = 0
  #position = 0

  constructor(stated: Checksum) {
    this.#stated = stated
    this.#sum = begin(stated.algorithm)
  }

  /** Chunks in their order, from the first byte. One that is not next is passed over: the file is then read in the end. */
  update(chunk: Uint8Array, position: number): void {
    if (position !== this.#position || this.#isDigest) return
    this.#position += chunk.length
    const { partBytes } = this.#stated
    if (partBytes === undefined) return this.#sum.update(chunk)
    for (let rest = chunk; rest.length > 0; ) {
      const part = rest.subarray(0, partBytes - this.#inPart)
      this.#sum.update(part)
      this.#inPart += part.length
      if (this.#inPart === partBytes) this.#endPart()
      rest = rest.subarray(part.length)
    }
  }

  /** The file is complete and has this digest. Throws kind `corrupt` when it is not what the store says. */
  verify(path: string, sizeBytes: number, digest: Digest, shown: string): void {
    const { algorithm, value, partBytes } = this.#stated
    if (!this.#isDigest && this.#position < sizeBytes) this.#readFrom(path, sizeBytes)
    const computed = this.#isDigest ? Buffer.from(digestHex(digest), 'hex').toString('base64') : this.#result()
    if (computed === value) return
    const kind = partBytes === undefined ? algorithm : `${algorithm} of its parts`
    const text = `the bytes of ${shown} have the ${kind} ${computed}, and the store says ${value}`
    throw new SupercargoError('corrupt', 'checksum-mismatch', text, {
      hint: 'the bytes were damaged on their way or in the store; if it stays so, put the object there again',
    })
  }

  /** The SHA-256 of the whole is computed in any case. */
  get #isDigest(): boolean {
    return this.#stated.algorithm === 'sha256' && this.#stated.partBytes === undefined
  }

  #endPart(): void {
    this.#parts.push(this.#sum.digest())
    this.#sum = begin(this.#stated.algorithm)
    this.#inPart = 0
  }

  #result(): string {
    if (this.#stated.partBytes === undefined) return this.#sum.digest().toString('base64')
    if (this.#inPart > 0 || this.#parts.length === 0) this.#endPart()
    const sum = begin(this.#stated.algorithm)
    sum.update(Buffer.concat(this.#parts))
    return sum.digest().toString('base64')
  }

  #readFrom(path: string, sizeBytes: number): void {
    try {
      const fd = openSync(path, 'r')
      try {
        const buffer = Buffer.allocUnsafe(Math.min(blockBytes, sizeBytes))
        while (this.#position < sizeBytes) {
          const read = readSync(fd, buffer, 0, Math.min(buffer.length, sizeBytes - this.#position), this.#position)
          if (read === 0) throw Object.assign(new Error('it is shorter than it was'), { code: 'ESHORT' })
          this.update(buffer.subarray(0, read), this.#position)
        }
      } finally {
        closeSync(fd)
      }
    } catch (error) {
      throw fromFileSystemError(error, `cannot read ${path}`)
    }
  }
}

interface Sum {
  update(chunk: Uint8Array): void
  digest(): Buffer
}

function begin(algorithm: ChecksumAlgorithm): Sum {
  if (algorithm === 'sha1' || algorithm === 'sha256') return hashSum(createHash(algorithm))
  if (algorithm === 'crc64nvme') return new Crc64Nvme()
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

function hashSum(hash: Hash): Sum {
  return { update: (chunk) => void hash.update(chunk), digest: () => hash.digest() }
}
