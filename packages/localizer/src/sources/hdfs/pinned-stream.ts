/** The bytes of one version of a file: exactly as many as were asked for, and an end only when the version is still the one that was pinned. */
import { Readable } from 'node:stream'
import { SupercargoError } from '@supercargo/protocol'
import { fromConnectionError } from '@supercargo/transfer'

export interface Pinned {
  /** How the file is called in messages. */
  readonly name: string
  readonly bytesExpected: number
  /** After the last byte: rejects when they must not be taken for the file. */
  confirm(): Promise<void>
  /** The sender failed in the middle. */
  failed?(): void
}

export class PinnedStream extends Readable {
  readonly #inner: Readable
  readonly #pinned: Pinned
  #bytes = 0
  #begun = false

  constructor(inner: Readable, pinned: Pinned) {
    super({ highWaterMark: 1 << 20 })
    this.#inner = inner
    this.#pinned = pinned
    inner.once('error', (error) => this.#fail(error))
    inner.once('close', () => {
      if (!inner.readableEnded) this.#fail(Object.assign(new Error('closed'), { code: 'ECONNRESET' }))
    })
  }

  override _read(): void {
    if (this.#begun) return void this.#inner.resume()
    this.#begun = true
    this.#inner.on('data', (chunk: Buffer) => this.#take(chunk))
    this.#inner.once('end', () => this.#end())
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    this.#inner.destroy()
    callback(error)
  }

  #take(chunk: Buffer): void {
    const { name, bytesExpected } = this.#pinned
    this.#bytes += chunk.length
    if (this.#bytes > bytesExpected) {
      const text = `${name}: more than the ${bytesExpected} bytes that were announced`
      return void this.destroy(new SupercargoError('corrupt', 'too-many-bytes', text))
    }
    if (!this.push(chunk)) this.#inner.pause()
  }

  #end(): void {
    const { name, bytesExpected } = this.#pinned
    if (this.#bytes < bytesExpected) {
      const text = `${name}: ${this.#bytes} of ${bytesExpected} bytes arrived`
      return this.#fail(new SupercargoError('interrupted', 'cut-short', text))
    }
    this.#pinned.confirm().then(
      () => this.push(null),
      (error: Error) => this.destroy(error),
    )
  }

  #fail(error: Error): void {
    if (this.destroyed) return
    this.#pinned.failed?.()
    this.destroy(fromConnectionError(error, this.#pinned.name))
  }
}
