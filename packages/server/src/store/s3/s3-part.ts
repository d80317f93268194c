/** Bytes on their way to a bucket: small ones in one write, others in parts, hashed as they come, kept for later if that is asked. */
import { createHash, type Hash } from 'node:crypto'
import { type Digest, digestHex, digestOf, SupercargoError } from '@supercargo/protocol'
import type { BucketObjects } from '@supercargo/transfer/s3'
import type { Part } from '../part-writer.ts'
import type { PartBudget } from './part-budget.ts'

/** What is durable of an unfinished object: another process can go on from here. */
export interface PartProgress {
  readonly at: string
  /** The attempt to write the object in parts, null before the first. */
  readonly attempt: string | null
  readonly etags: readonly string[]
  /** In those parts. */
  readonly partsBytes: number
  /** An object with what follows them, and its size. */
  readonly tail: { readonly key: string; readonly sizeBytes: number } | null
}

export interface S3PartOptions {
  readonly objects: BucketObjects
  readonly budget: PartBudget
  readonly at: string
  readonly bytesMax: number
  /** Undefined where it is found out on the way. */
  readonly sizeBytes: number | undefined
  readonly tooLarge: () => SupercargoError
  /** Asked before the part grows to `bytes`; a promise means wait for space. */
  readonly cover?: (bytes: number) => Promise<void> | undefined
  /** Where what has come is kept; without it nothing can be continued. */
  readonly keeper?: PartKeeper
}

export interface PartKeeper {
  /** A new name for bytes at the end. */
  tailKey(): string
  save(progress: PartProgress): Promise<void>
  drop(): Promise<void>
  /** Elapsed milliseconds. */
  now(): number
}

/** The store allows 10 000 parts; above 70 GiB they grow. Bytes of unknown number come in larger ones from the beginning: up to 150 GiB. */
const unknownParts = 2
const partsMax = 9000
/** What arrives without a pause is written down this often: it shows that the upload lives, and a crash loses no more. */
const keepIntervalMs = 60_000

export class S3Part implements Part {
  readonly #options: S3PartOptions
  readonly #partBytes: number
  /** Undefined when a part of the bytes came through another process: then they are read once more at the end. */
  readonly #hash: Hash | undefined
  readonly #etags: string[] = []
  #attempt: string | undefined
  #partsBytes = 0
  #accepted = 0
  #buffer: Buffer | undefined
  #filled = 0
  #sending: Promise<void> | undefined
  #failure: SupercargoError | undefined
  #keptAtMs: number
  #kept = false
  /** The object may be there. */
  #written = false

  private constructor(options: S3PartOptions, hash: Hash | undefined) {
    this.#options = options
    this.#hash = hash
    const { sizeBytes, budget } = options
    this.#partBytes =
      sizeBytes === undefined
        ? unknownParts * budget.partBytes
        : Math.max(budget.partBytes, Math.ceil(sizeBytes / partsMax))
    this.#keptAtMs = options.keeper?.now() ?? 0
  }

  static begin(options: S3PartOptions): S3Part {
    return new S3Part(options, createHash('sha256'))
  }

  /** Continues after what was kept. */
  static async resume(options: S3PartOptions, progress: PartProgress): Promise<S3Part> {
    const part = new S3Part({ ...options, at: progress.at }, undefined)
    part.#attempt = progress.attempt ?? undefined
    part.#etags.push(...progress.etags)
    part.#partsBytes = progress.partsBytes
    part.#accepted = progress.partsBytes
    part.#kept = true
    const { tail } = progress
    if (tail === null) return part
    const read = await options.objects.read(tail.key, 0, tail.sizeBytes)
    if (read?.sizeBytes !== tail.sizeBytes) {
      read?.stream.destroy()
      throw new SupercargoError('corrupt', 'store-lost-part', 'bytes of an unfinished upload are gone from the bucket')
    }
    for await (const chunk of read.stream as AsyncIterable<Buffer>) await part.#take(chunk)
    return part
  }

  /** The name of the bytes. */
  get at(): string {
    return this.#options.at
  }

  /** The attempt to write it in parts. */
  get attempt(): string | undefined {
    return this.#attempt
  }

  get sizeBytes(): number {
    return this.#accepted
  }

  /** The finished bytes may be a blob from here on: they are not removed any more. */
  letGo(): void {
    this.#written = false
  }

  write(chunk: Uint8Array): Promise<void> | undefined {
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    const sizeBytes = this.#accepted + chunk.length
    if (sizeBytes > this.#options.bytesMax) return Promise.reject(this.#options.tooLarge())
    const covering = this.#options.cover?.(sizeBytes)
    if (covering === undefined) return this.#take(chunk)
    return covering.then(() => (this.#failure === undefined ? this.#take(chunk) : Promise.reject(this.#failure)))
  }

  async finish(check: (digest: Digest, sizeBytes: number) => void): Promise<Digest> {
    await this.#sending
    this.#assertSound()
    const { at, objects, sizeBytes } = this.#options
    const digest = this.#hash === undefined ? undefined : digestOf(this.#hash.digest('hex'))
    // Whatever the digest is, too few bytes are too few.
    if (digest !== undefined || this.#accepted !== sizeBytes) check(digest ?? digestOf('0'.repeat(64)), this.#accepted)
    this.#written = true
    const rest = this.#buffer?.subarray(0, this.#filled) ?? new Uint8Array(0)
    if (this.#attempt === undefined) {
      await objects.write(at, rest, undefined, digest === undefined ? undefined : digestHex(digest))
    } else {
      if (rest.length > 0) await this.#send(rest)
      await objects.completeParts(at, this.#attempt, this.#etags)
      this.#attempt = undefined
    }
    this.#free()
    if (digest !== undefined) return digest
    const found = await this.#readBack()
    check(found, this.#accepted)
    return found
  }

  async suspend(): Promise<number> {
    await this.#sending
    this.#assertSound()
    const { keeper, objects } = this.#options
    if (keeper === undefined) throw new SupercargoError('internal', 'not-kept', 'these bytes cannot be continued')
    let tail: PartProgress['tail'] = null
    if (this.#filled > 0) {
      tail = { key: keeper.tailKey(), sizeBytes: this.#filled }
      await objects.write(tail.key, this.#buffer!.subarray(0, this.#filled))
    }
    if (this.#accepted > 0) await this.#keep(tail)
    this.#failure ??= new SupercargoError('internal', 'writer-ended', 'this transfer has ended already')
    this.#free()
    return this.#accepted
  }

  async discard(): Promise<void> {
    await this.interrupt(new SupercargoError('interrupted', 'transfer-aborted', 'the transfer was aborted'))
    const { at, objects, keeper } = this.#options
    if (this.#kept) await keeper?.drop()
    this.#kept = false
    if (this.#attempt !== undefined) await objects.abortParts(at, this.#attempt)
    this.#attempt = undefined
    if (this.#written) await objects.remove(at)
    this.#written = false
  }

  async interrupt(error: SupercargoError): Promise<void> {
    this.#failure ??= error
    await this.#sending
    this.#free()
  }

  #take(chunk: Uint8Array): Promise<void> | undefined {
    this.#hash?.update(chunk)
    this.#accepted += chunk.length
    return this.#fill(chunk)
  }

  /** A full buffer is sent when more comes: the last one belongs to the end. */
  #fill(chunk: Uint8Array): Promise<void> | undefined {
    let rest = chunk
    while (rest.length > 0) {
      this.#buffer ??= this.#options.budget.take(this.#bufferBytes())
      if (this.#filled === this.#buffer.length) {
        const waiting = this.#passOn()
        if (waiting !== undefined) return waiting.then(() => this.#fill(rest))
        continue
      }
      const bytes = Math.min(rest.length, this.#buffer.length - this.#filled)
      this.#buffer.set(rest.subarray(0, bytes), this.#filled)
      this.#filled += bytes
      rest = rest.subarray(bytes)
    }
    return undefined
  }

  /** Begins to send the full buffer. A promise means that there is no other one yet. */
  #passOn(): Promise<void> | undefined {
    if (this.#sending !== undefined) return this.#sending.then(() => this.#assertSound())
    const { budget } = this.#options
    const full = this.#buffer!
    this.#partsBytes += full.length
    this.#filled = 0
    this.#buffer = budget.takeMore(full.length)
    const sending = this.#send(full)
      .then(() => this.#keepNowAndThen())
      .catch((error: unknown) => {
        this.#failure ??= error as SupercargoError
      })
      .finally(() => {
        budget.give(full)
        this.#sending = undefined
      })
    this.#sending = sending
    return this.#buffer === undefined ? sending.then(() => this.#assertSound()) : undefined
  }

  async #send(bytes: Uint8Array): Promise<void> {
    const { at, objects } = this.#options
    this.#attempt ??= await objects.beginParts(at)
    this.#etags.push(await objects.writePart(at, this.#attempt, this.#etags.length + 1, bytes))
  }

  async #keepNowAndThen(): Promise<void> {
    const { keeper } = this.#options
    if (keeper !== undefined && keeper.now() - this.#keptAtMs >= keepIntervalMs) await this.#keep(null)
  }

  async #keep(tail: PartProgress['tail']): Promise<void> {
    const { keeper, at } = this.#options
    const partsBytes = this.#partsBytes
    await keeper!.save({ at, attempt: this.#attempt ?? null, etags: [...this.#etags], partsBytes, tail })
    this.#kept = true
    this.#keptAtMs = keeper!.now()
  }

  async #readBack(): Promise<Digest> {
    const { at, objects } = this.#options
    const read = await objects.read(at, 0, this.#accepted)
    const hash = createHash('sha256')
    if (read !== undefined) for await (const chunk of read.stream as AsyncIterable<Buffer>) hash.update(chunk)
    return digestOf(hash.digest('hex'))
  }

  #assertSound(): void {
    if (this.#failure !== undefined) throw this.#failure
  }

  /** No larger than what is to come, where that is known. */
  #bufferBytes(): number {
    const { sizeBytes } = this.#options
    return sizeBytes === undefined ? this.#partBytes : Math.min(this.#partBytes, Math.max(1, sizeBytes))
  }

  #free(): void {
    if (this.#buffer !== undefined) this.#options.budget.give(this.#buffer)
    this.#buffer = undefined
    this.#filled = 0
  }
}
