/** A checksum that a store states for a whole file: computed piece by piece while the bytes come, in whatever order, compared at the end. */
import { closeSync, openSync, readSync } from 'node:fs'
import { setImmediate } from 'node:timers/promises'
import { type Digest, digestHex, SupercargoError } from '@supercargo/protocol'
import { fromFileSystemError } from '@supercargo/transfer'
import type { Checksum } from './checksum.ts'
import { type PieceSum, sumRuleOf } from './sum-rule.ts'

const readBytes = 1 << 20
/** What is read without letting others have their turn: about 10 ms of work. */
const turnBytes = 8 << 20

/** One stretch of the file: its sum so far, and at its end the digest alone. */
interface Piece {
  sum: PieceSum | undefined
  digest: Buffer | undefined
  bytes: number
}

export class RunningChecksum {
  readonly #stated: Checksum
  readonly #rule
  readonly #pieces: (Piece | undefined)[] = []

  constructor(stated: Checksum) {
    this.#stated = stated
    this.#rule = sumRuleOf(stated)
  }

  /** Bytes that come in order from where a piece begins need not be read again. */
  get pieceBytes(): number {
    return this.#rule.pieceBytes
  }

  /** What was written at `position`. In each piece the chunks count in their order; what is not next in its piece is read in the end. */
  update(chunk: Uint8Array, position: number): void {
    if (this.#isDigest) return
    const { pieceBytes } = this.#rule
    for (let used = 0; used < chunk.length; ) {
      const index = Math.floor((position + used) / pieceBytes)
      const inPiece = position + used - index * pieceBytes
      const count = Math.min(chunk.length - used, pieceBytes - inPiece)
      const piece = this.#piece(index)
      if (piece.bytes === inPiece) {
        piece.sum!.update(count === chunk.length ? chunk : chunk.subarray(used, used + count))
        piece.bytes += count
        if (piece.bytes === pieceBytes) end(piece)
      }
      used += count
    }
  }

  /** The file is complete and has this digest. Rejects with kind `corrupt` when it is not what the store says. */
  async verify(path: string, sizeBytes: number, digest: Digest, shown: string, signal?: AbortSignal): Promise<void> {
    const { algorithm, value, partBytes } = this.#stated
    if (!this.#isDigest) await this.#readRest(path, sizeBytes, signal)
    const computed = this.#isDigest ? Buffer.from(digestHex(digest), 'hex').toString('base64') : this.#result(sizeBytes)
    if (computed === value) return
    const kind = partBytes === undefined ? algorithm : `${algorithm} of its parts`
    const text = `the bytes of ${shown} have the ${kind} ${computed}, and the store says ${value}`
    throw new SupercargoError('corrupt', 'checksum-mismatch', text, {
      hint: 'the bytes were damaged on their way or in the store; if it stays so, put the file there again',
    })
  }

  /** The SHA-256 of the whole is computed in any case. */
  get #isDigest(): boolean {
    return this.#stated.algorithm === 'sha256' && this.#stated.partBytes === undefined
  }

  #piece(index: number): Piece {
    this.#pieces[index] ??= { sum: this.#rule.begin(), digest: undefined, bytes: 0 }
    return this.#pieces[index]
  }

  #result(sizeBytes: number): string {
    const { pieceBytes, whole } = this.#rule
    const count = Math.max(1, Math.ceil(sizeBytes / pieceBytes))
    const digests = Array.from({ length: count }, (_, index) => end(this.#piece(index)))
    return whole(digests, sizeBytes - (count - 1) * pieceBytes).toString('base64')
  }

  async #readRest(path: string, sizeBytes: number, signal: AbortSignal | undefined): Promise<void> {
    const { pieceBytes } = this.#rule
    let fd: number | undefined
    let unyielded = 0
    try {
      const buffer = Buffer.allocUnsafe(Math.min(readBytes, sizeBytes))
      for (let begin = 0, index = 0; begin < sizeBytes; begin += pieceBytes, index++) {
        const to = Math.min(begin + pieceBytes, sizeBytes)
        for (let at = begin + this.#piece(index).bytes; at < to; ) {
          fd ??= openSync(path, 'r')
          const read = readSync(fd, buffer, 0, Math.min(buffer.length, to - at), at)
          if (read === 0) throw Object.assign(new Error('it is shorter than it was'), { code: 'ESHORT' })
          this.update(buffer.subarray(0, read), at)
          at += read
          unyielded += read
          if (unyielded < turnBytes) continue
          unyielded = 0
          await setImmediate()
          signal?.throwIfAborted()
        }
      }
    } catch (error) {
      if (signal?.aborted) throw error
      throw fromFileSystemError(error, `cannot read ${path}`)
    } finally {
      if (fd !== undefined) closeSync(fd)
    }
  }
}

function end(piece: Piece): Buffer {
  piece.digest ??= piece.sum!.digest()
  piece.sum = undefined
  return piece.digest
}
