/** The body of an answer that is read into one buffer: an ordinary stream, or chunks that are lent to whoever is quick. */
import { Readable } from 'node:stream'
import { ChunkedDecoder } from './chunked-decoder.ts'
import { notHttp, type ResponseHead } from './response-head.ts'

/** What a body does to its connection. */
export interface BodySource {
  pause(): void
  resume(): void
  /** The body is not wanted any more, or broken: the connection cannot be used again. */
  drop(): void
}

/** Taken from a stream by `receive`: see `lend`. */
export class SocketBody extends Readable {
  readonly #source: BodySource
  readonly #chunked: ChunkedDecoder | undefined
  readonly #target: string
  #left: number
  #complete = false
  /** Whoever takes lent chunks wants no more until it says so. */
  #waiting = false
  #take: ((chunk: Buffer) => void) | undefined

  constructor(framing: ResponseHead['framing'], source: BodySource, target: string) {
    super({ highWaterMark: 256 << 10 })
    this.#source = source
    this.#target = target
    this.#chunked = framing === 'chunked' ? new ChunkedDecoder(target) : undefined
    this.#left = typeof framing === 'number' ? framing : Number.POSITIVE_INFINITY
    // A failure may come before the reader: it is found in `errored`.
    this.on('error', () => undefined)
    if (this.#left === 0) this.#end()
  }

  /** All bytes have arrived, whether they are read yet or not. */
  get complete(): boolean {
    return this.#complete
  }

  /** From now on every chunk is given to `take`, which may use it during the call only. The stream's other events stay. */
  lend(take: (chunk: Buffer) => void): void {
    this.#take = take
    for (let chunk: Buffer | null = this.read(); chunk !== null; chunk = this.read()) take(chunk)
    if (!this.#waiting) this.#source.resume()
  }

  /** Bytes from the connection, gone after the call. More than the body's are no HTTP: what they belong to cannot be known. */
  feed(bytes: Buffer): void {
    if (this.#chunked !== undefined) {
      const used = this.#chunked.feed(bytes, (body) => this.#deliver(body))
      if (used < bytes.length) throw notHttp(this.#target, 'bytes behind its body')
      if (this.#chunked.done) this.#end()
      return
    }
    if (bytes.length > this.#left) throw notHttp(this.#target, 'more bytes than its length')
    this.#left -= bytes.length
    this.#deliver(bytes)
    if (this.#left === 0) this.#end()
  }

  /** The connection has ended: the body too, if that is how it ends. */
  connectionEnded(): void {
    if (this.#complete) return
    if (this.#chunked === undefined && this.#left === Number.POSITIVE_INFINITY) this.#end()
    else this.destroy(Object.assign(new Error('the connection was closed in the body'), { code: 'ECONNRESET' }))
  }

  override pause(): this {
    if (this.#take === undefined) return super.pause()
    this.#waiting = true
    this.#source.pause()
    return this
  }

  override resume(): this {
    if (this.#take === undefined) return super.resume()
    this.#waiting = false
    this.#source.resume()
    return this
  }

  override _read(): void {
    if (this.#take === undefined) this.#source.resume()
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    if (!this.#complete) this.#source.drop()
    callback(error)
  }

  #deliver(body: Buffer): void {
    if (body.length === 0 || this.destroyed) return
    if (this.#take !== undefined) this.#take(body)
    else if (!this.push(Buffer.from(body))) this.#source.pause()
  }

  #end(): void {
    if (this.#complete) return
    this.#complete = true
    this.push(null)
    // Lent chunks leave nothing to read, and only a read notices the end.
    if (this.#take !== undefined) this.read(0)
  }
}
