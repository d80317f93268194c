/** The store in a bucket on real servers: the laws of every store, and what only a real one answers. */
import { randomBytes } from 'node:crypto'
import { systemClock } from '@supercargo/transfer'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type OpenBucket, openBucket } from '../../../packages/server/src/store/s3/s3-address.ts'
import { bucketHarness } from '../../../packages/server/src/testing/bucket-harness.ts'
import { storeContract } from '../../../packages/server/src/testing/store-contract.ts'
import { describeWith, provisionTimeoutMs } from '../running.ts'
import { type S3ServiceName, TestBucket } from '../s3-source/bucket.ts'

const services: readonly S3ServiceName[] = ['s3', 's3-ceph']

for (const service of services) {
  describeWith([service], `a store on ${service}`, () => {
    let bucket: TestBucket
    let open: OpenBucket

    beforeAll(async () => {
      bucket = await TestBucket.on(service)
      open = openBucket(storeAddress(bucket), { environment: credentials(bucket), clock: systemClock })
    }, provisionTimeoutMs)
    afterAll(() => open?.close())

    storeContract(`a store on ${service}`, async () =>
      bucketHarness(open.objects, `contract/${randomBytes(4).toString('hex')}`),
    )

    describe('objects', () => {
      it('are written in parts, counted, listed, and read by an address alone', async () => {
        const { objects } = open
        const part = Buffer.alloc(5 * 2 ** 20, 'part')
        const attempt = await objects.beginParts('bytes/parts')
        const etags = [await objects.writePart('bytes/parts', attempt, 1, part)]
        expect(await objects.countParts('bytes/parts', attempt)).toBe(1)
        const listed = []
        for await (const each of objects.listParts('bytes/')) listed.push(each.attempt)
        expect(listed).toEqual([attempt])
        etags.push(await objects.writePart('bytes/parts', attempt, 2, Buffer.from('end')))
        await objects.completeParts('bytes/parts', attempt, etags)
        const url = await objects.presignedUrl('bytes/parts', 60)
        const answer = await fetch(url, { headers: { range: `bytes=${part.length - 2}-` } })
        expect([answer.status, await answer.text()]).toEqual([206, 'rtend'])
        url.searchParams.set('X-Amz-Expires', '61')
        expect((await fetch(url)).status).toBe(403)
        const other = await objects.beginParts('bytes/other')
        await objects.abortParts('bytes/other', other)
        expect(await objects.countParts('bytes/other', other)).toBeUndefined()
      })

      it('are written under a condition by one of many', async () => {
        const { objects } = open
        const attempts = Array.from({ length: 8 }, (_, n) => objects.write('raced', `${n}`, { absent: true }))
        const written = (await Promise.all(attempts)).filter((etag) => etag !== undefined)
        expect(written.length).toBe(1)
        const changes = Array.from({ length: 8 }, (_, n) => objects.write('raced', `again ${n}`, { etag: written[0]! }))
        expect((await Promise.all(changes)).filter((etag) => etag !== undefined).length).toBe(1)
      })
    })
  })
}

function storeAddress(bucket: TestBucket) {
  const { endpoint, region } = bucket.details
  return { bucket: bucket.name, prefix: '', endpoint, region, pathStyle: true, caFile: undefined }
}

function credentials({ details }: TestBucket) {
  return { AWS_ACCESS_KEY_ID: details.accessKeyId, AWS_SECRET_ACCESS_KEY: details.secretAccessKey }
}
