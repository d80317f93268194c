/** A bucket in memory: the port of objects as its comment has it, for loops that open hundreds of stores. Real stores run the same contract. */
import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { SupercargoError } from '@supercargo/protocol'
import type { BucketObjects } from '@supercargo/transfer/s3'

interface StoredObject {
  readonly bytes: Buffer
  readonly etag: string
  readonly modifiedMs: number
}

interface Attempt {
  readonly key: string
  readonly begunMs: number
  readonly parts: Map<number, Buffer>
}

export class MemoryBucket implements BucketObjects {
  readonly objects = new Map<string, StoredObject>()
  readonly attempts = new Map<string, Attempt>()
  readonly #partBytesMin: number
  #count = 0

  constructor(partBytesMin = 5 * 2 ** 20) {
    this.#partBytesMin = partBytesMin
  }

  async readText(key: string) {
    const found = this.objects.get(key)
    return found === undefined ? undefined : { text: found.bytes.toString(), etag: found.etag }
  }

  async read(key: string, start: number, end: number, etag?: string) {
    const found = this.objects.get(key)
    if (found === undefined) return undefined
    if (etag !== undefined && etag !== found.etag)
      throw new SupercargoError('corrupt', 'source-changed', `${key} is another version`)
    const { bytes } = found
    return { stream: Readable.from([bytes.subarray(start, end)]), sizeBytes: bytes.length, etag: found.etag }
  }

  async size(key: string) {
    return this.objects.get(key)?.bytes.length
  }

  async write(key: string, body: Uint8Array | string, condition?: { absent: true } | { etag: string }) {
    const found = this.objects.get(key)
    if (condition !== undefined && 'absent' in condition && found !== undefined) return undefined
    if (condition !== undefined && 'etag' in condition && found?.etag !== condition.etag) return undefined
    return this.#put(key, Buffer.from(body))
  }

  async remove(key: string, etag?: string) {
    if (etag === undefined || this.objects.get(key)?.etag === etag) this.objects.delete(key)
  }

  async *list(prefix: string) {
    for (const key of [...this.objects.keys()].filter((each) => each.startsWith(prefix)).sort()) {
      const found = this.objects.get(key)
      if (found === undefined) continue
      const { bytes, etag, modifiedMs } = found
      yield { key, sizeBytes: bytes.length, modifiedMs, etag: etag.replaceAll('"', '') }
    }
  }

  async beginParts(key: string) {
    const attempt = `attempt-${++this.#count}`
    this.attempts.set(attempt, { key, begunMs: Date.now(), parts: new Map() })
    return attempt
  }

  async writePart(_key: string, attempt: string, number: number, body: Uint8Array) {
    this.#attempt(attempt).parts.set(number, Buffer.from(body))
    return etagOf(body)
  }

  async completeParts(key: string, attempt: string, etags: readonly string[]) {
    const { parts } = this.#attempt(attempt)
    const bodies = etags.map((etag, index) => {
      const body = parts.get(index + 1)
      const isSmall = body !== undefined && body.length < this.#partBytesMin && index < etags.length - 1
      if (body === undefined || etagOf(body) !== etag || isSmall)
        throw new SupercargoError('invalid', 's3-bad-request', 'InvalidPart')
      return body
    })
    this.attempts.delete(attempt)
    this.#put(key, Buffer.concat(bodies))
  }

  async abortParts(_key: string, attempt: string) {
    this.attempts.delete(attempt)
  }

  async countParts(_key: string, attempt: string) {
    return this.attempts.get(attempt)?.parts.size
  }

  async *listParts(prefix: string) {
    for (const [attempt, { key, begunMs }] of [...this.attempts])
      if (key.startsWith(prefix)) yield { key, attempt, begunMs }
  }

  async presignedUrl(key: string, seconds: number) {
    return new URL(`http://bucket.invalid/${key}?seconds=${seconds}`)
  }

  #attempt(attempt: string): Attempt {
    const found = this.attempts.get(attempt)
    if (found !== undefined) return found
    throw new SupercargoError('notFound', 'not-found', 'NoSuchUpload', { context: { s3Code: 'NoSuchUpload' } })
  }

  #put(key: string, bytes: Buffer): string {
    // Two writes of the same bytes are two versions, as with stores whose tags are not digests.
    const etag = `"${createHash('md5').update(bytes).digest('hex')}-${++this.#count}"`
    this.objects.set(key, { bytes, etag, modifiedMs: Date.now() })
    return etag
  }
}

function etagOf(body: Uint8Array): string {
  return `"${createHash('md5').update(body).digest('hex')}"`
}
