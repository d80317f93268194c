/** A bucket of one test's own on a real S3 server: what is put there, and the properties that read it. */
import { createHash, randomBytes } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { SupercargoError } from '@supercargo/protocol'
import { Crc64Nvme, crc32c } from '../../../packages/localizer/src/crc.ts'
import { s3Uri } from '../../../packages/localizer/src/sources/s3/s3-uri.ts'
import { running } from '../running.ts'
import { type S3Request, signedFetch } from '../s3/signed-request.ts'
import type { S3Details } from '../s3/start.ts'

export type S3ServiceName = 's3' | 's3-ceph'

export class TestBucket {
  readonly details: S3Details
  readonly name: string

  private constructor(details: S3Details, name: string) {
    this.details = details
    this.name = name
  }

  static async on(service: S3ServiceName | S3Details, headers: Record<string, string> = {}): Promise<TestBucket> {
    const details = typeof service === 'string' ? await running(service) : service
    const bucket = new TestBucket(details, `cargo-${randomBytes(6).toString('hex')}`)
    await bucket.ask({ method: 'PUT', path: `/${bucket.name}`, headers })
    return bucket
  }

  /** As a user of Spark would write it. */
  properties(more: Record<string, string> = {}): Record<string, string> {
    return {
      'fs.s3a.endpoint': this.details.endpoint,
      'fs.s3a.endpoint.region': this.details.region,
      'fs.s3a.path.style.access': 'true',
      'fs.s3a.access.key': this.details.accessKeyId,
      'fs.s3a.secret.key': this.details.secretAccessKey,
      ...more,
    }
  }

  uri(key: string): string {
    return s3Uri(this.name, key)
  }

  async put(key: string, body: Buffer | string, headers: Record<string, string> = {}): Promise<Response> {
    return await this.ask({ method: 'PUT', path: `/${this.name}/${key}`, body: Buffer.from(body), headers })
  }

  /** With a checksum that the store verifies and keeps. */
  async putVerified(key: string, body: Buffer, algorithm: Algorithm): Promise<void> {
    await this.put(key, body, { [`x-amz-checksum-${algorithm.toLowerCase()}`]: checksumOf(algorithm, body) })
  }

  /** In parts, whose checksums the store combines. */
  async putInParts(key: string, parts: readonly Buffer[], algorithm: Algorithm): Promise<void> {
    const path = `/${this.name}/${key}`
    const headers = { 'x-amz-checksum-algorithm': algorithm }
    const begun = await this.ask({ method: 'POST', path, query: { uploads: '' }, headers })
    const uploadId = /<UploadId>([^<]+)/.exec(await begun.text())![1]!
    let list = ''
    for (const [index, body] of parts.entries()) {
      const partNumber = String(index + 1)
      const sum = checksumOf(algorithm, body)
      const field = `x-amz-checksum-${algorithm.toLowerCase()}`
      const answer = await this.ask({
        method: 'PUT',
        path,
        query: { partNumber, uploadId },
        body,
        headers: { [field]: sum },
      })
      const tag = answer.headers.get('etag')!
      list += `<Part><ETag>${tag}</ETag><PartNumber>${partNumber}</PartNumber><Checksum${algorithm}>${sum}</Checksum${algorithm}></Part>`
    }
    const body = Buffer.from(`<CompleteMultipartUpload>${list}</CompleteMultipartUpload>`)
    await this.ask({ method: 'POST', path, query: { uploadId }, body })
  }

  async ask(request: S3Request): Promise<Response> {
    const answer = await signedFetch(this.details, request)
    if (answer.ok) return answer
    const text = `${request.method} ${request.path}: ${answer.status} ${await answer.text()}`
    throw new SupercargoError('internal', 'test-bucket', text)
  }
}

export type Algorithm = 'CRC32' | 'CRC32C' | 'CRC64NVME' | 'SHA1' | 'SHA256'

function checksumOf(algorithm: Algorithm, body: Buffer): string {
  const bytes = Buffer.alloc(4)
  if (algorithm === 'SHA256' || algorithm === 'SHA1') return createHash(algorithm).update(body).digest('base64')
  if (algorithm === 'CRC64NVME') {
    const sum = new Crc64Nvme()
    sum.update(body)
    return sum.digest().toString('base64')
  }
  bytes.writeUInt32BE(algorithm === 'CRC32' ? crc32(body) : crc32c(body))
  return bytes.toString('base64')
}
