/** Copies of a store from and into a real bucket by the command, and the check of what has arrived. */
import { createHash } from 'node:crypto'
import { mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ManualClock, systemClock } from '@supercargo/transfer'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { run } from '../../../packages/cli/src/run.ts'
import { testIo } from '../../../packages/cli/src/testing/test-io.ts'
import { openStore } from '../../../packages/server/src/store/open-store.ts'
import { contentsOf, fillStore } from '../../../packages/server/src/testing/filled-store.ts'
import { content, noLimits, stage } from '../../../packages/server/src/testing/staging.ts'
import { describeWith, provisionTimeoutMs } from '../running.ts'
import { TestBucket } from '../s3-source/bucket.ts'

/** More than one part. */
const large = content(9 * 2 ** 20, 7)

describeWith(['s3'], 'copies of a store', () => {
  let bucket: TestBucket
  let root: string

  beforeAll(async () => {
    root = mkdtempSync(join(tmpdir(), 'supercargo-copy-'))
    bucket = await TestBucket.on('s3')
  }, provisionTimeoutMs)
  afterAll(() => rm(root, { recursive: true, force: true }))

  async function said(...argv: readonly string[]) {
    const { endpoint, region, accessKeyId, secretAccessKey } = bucket.details
    const env = { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey }
    const io = testIo({ env })
    const place = ['--store-endpoint', endpoint, '--store-region', region, '--store-path-style']
    const code = await run(['store', ...argv, ...place, '--json', '--quiet'], io)
    expect(io.out() + io.err()).not.toContain(secretAccessKey)
    return { code, report: JSON.parse(io.out() || 'null') as Record<string, unknown> }
  }

  async function contents(directory: string): Promise<Record<string, unknown>> {
    const opened = await openStore(directory, { limits: noLimits, clock: systemClock })
    try {
      return await contentsOf(opened)
    } finally {
      await opened.store.close()
    }
  }

  it('have everything after a directory, two prefixes and a directory again; what is damaged there is named', async () => {
    const [from, to, again] = [join(root, 'from'), `s3://${bucket.name}/one`, `s3://${bucket.name}/two`]
    const clock = new ManualClock()
    const opened = await openStore(from, { limits: noLimits, clock })
    await fillStore(opened, clock)
    await stage(opened.store, { 'large.jar': large })
    await opened.store.close()
    const before = await contents(from)

    const copied = { copied: 3, present: 0, names: 1, tokens: 1, faults: [] }
    expect(await said('copy', '--from', from, '--to', to)).toMatchObject({ code: 0, report: copied })
    expect(await said('copy', '--from', from, '--to', to)).toMatchObject({ report: { present: 3, sentBytes: 0 } })
    const whole = { resources: 3, openUploads: 0, blobs: 3, bytes: 5000 + large.length, names: 1, faults: [] }
    expect(await said('verify', '--store', to)).toMatchObject({ code: 0, report: { ...whole, leftovers: [] } })
    expect(await said('copy', '--from', to, '--to', again)).toMatchObject({ code: 0, report: copied })
    const back = join(root, 'back')
    expect(await said('copy', '--from', again, '--to', back)).toMatchObject({ code: 0, report: copied })
    expect(await contents(back)).toEqual(before)

    const hex = createHash('sha256').update(large).digest('hex')
    const link = await bucket.ask({ method: 'GET', path: `/${bucket.name}/one/blobs/spark/${hex.slice(0, 2)}/${hex}` })
    const { at } = (await link.json()) as { at: string }
    await bucket.put(at, Buffer.concat([large.subarray(0, -1), Buffer.from('x')]))
    const damaged = await said('verify', '--store', to)
    expect(damaged).toMatchObject({ code: 65, report: { faults: [{ code: 'corrupt-blob' }] } })
    const left = await said('copy', '--from', to, '--to', join(root, 'rest'))
    expect(left).toMatchObject({ code: 65, report: { copied: 2, faults: [{ code: 'corrupt-blob' }] } })
  })
})
