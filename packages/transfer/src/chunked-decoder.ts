/** The chunked transfer coding (RFC 9112 section 7.1): bytes in as they come, the body's bytes out, without a copy. */
import { notHttp } from './response-head.ts'

/** Of a size line with its extensions, and of all trailers together. */
const lineBytesMax = 4096

export class ChunkedDecoder {
  readonly #target: string
  #line = ''
  /** Bytes of the current chunk that are to come; undefined while a line is read. */
  #left: number | undefined
  #state: 'size' | 'after-chunk' | 'trailer' | 'done' = 'size'

  /** `target` names the other side in errors. */
  constructor(target: string) {
    this.#target = target
  }

  get done(): boolean {
    return this.#state === 'done'
  }

  /** Calls `take` with what of the body is in `bytes`. Gives the number of bytes used: fewer than there are when the body has ended. */
  feed(bytes: Buffer, take: (body: Buffer) => void): number {
    let position = 0
    while (position < bytes.length && this.#state !== 'done') {
      if (this.#left !== undefined) {
        const body = bytes.subarray(position, position + this.#left)
        position += body.length
        this.#left -= body.length
        if (this.#left === 0) this.#left = undefined
        if (this.#left === undefined) this.#state = 'after-chunk'
        take(body)
        continue
      }
      const end = bytes.indexOf(10, position)
      const until = end < 0 ? bytes.length : end + 1
      this.#line += bytes.toString('latin1', position, until)
      position = until
      if (this.#line.length > lineBytesMax) throw notHttp(this.#target, 'a chunk line')
      if (end >= 0) this.#endLine()
    }
    return position
  }

  #endLine(): void {
    if (!this.#line.endsWith('\r\n')) throw notHttp(this.#target, 'a chunk line')
    const line = this.#line.slice(0, -2)
    this.#line = ''
    if (this.#state === 'after-chunk') {
      if (line !== '') throw notHttp(this.#target, 'the end of a chunk')
      this.#state = 'size'
    } else if (this.#state === 'size') {
      const size = /^([0-9A-Fa-f]{1,12})[ \t]*(?:;|$)/.exec(line)
      if (size === null) throw notHttp(this.#target, 'a chunk size')
      const bytes = Number.parseInt(size[1]!, 16)
      if (bytes === 0) this.#state = 'trailer'
      else this.#left = bytes
    } else if (line === '') this.#state = 'done'
  }
}
