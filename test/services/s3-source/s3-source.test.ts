/** The S3 source against two real servers that share no code: the contract, keys, folders, identities, checksums. */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { readHadoopConfiguration } from '../../../packages/localizer/src/hadoop/configuration.ts'
import { createS3Source } from '../../../packages/localizer/src/sources/s3/s3-source.ts'
import { Redactor } from '../../../packages/localizer/src/sources/secret-text.ts'
import type { Source } from '../../../packages/localizer/src/sources/source.ts'
import { describeSource, read } from '../../../packages/localizer/src/testing/source-contract.ts'
import { bytesOf, workbench } from '../../../packages/localizer/src/testing/workbench.ts'
import { describeWith } from '../running.ts'
import { type S3ServiceName, TestBucket } from './bucket.ts'

for (const service of ['s3', 's3-ceph'] as const) {
  describeWith([service], `the S3 source and ${service}`, () => {
    describeSource(
      service,
      async () => {
        const bucket = await TestBucket.on(service)
        const source = await sourceOf(bucket)
        const item = (name: string) => ({ kind: 'uri', uri: bucket.uri(name) }) as const
        return {
          source,
          put: async (name, bytes) => {
            await bucket.put(name, bytes)
            return item(name)
          },
          missing: () => item('missing'),
          [Symbol.asyncDispose]: async () => source.close(),
        }
      },
      { replaceable: true },
    )
    cases(service)
  })
}

describeWith(['s3', 's3-ceph'], 'the S3 source', () => {
  it('understands the example of the README', async () => {
    await using bench = await workbench()
    const bucket = await TestBucket.on('s3')
    await bucket.put('libs/a.jar', 'cargo')
    const page = await readFile(join(import.meta.dirname, '../../../packages/localizer/README.md'), 'utf8')
    const example = /## S3\n[\s\S]*?```json\n([\s\S]*?)```/.exec(page)![1]!
    const text = example
      .replace('s3a://cargo/', `s3a://${bucket.name}/`)
      .replace('http://minio:9000', bucket.details.endpoint)
    const { items, hadoop } = JSON.parse(text) as { items: object[]; hadoop: object }
    const environment = { CARGO_KEY: bucket.details.accessKeyId, CARGO_SECRET: bucket.details.secretAccessKey }
    await bench.run(items, { hadoop }, { environment })
    expect(await bench.files()).toEqual({ 'spark-jars/a.jar': 'cargo' })
  })

  it('reads two buckets of two stores with two identities in one plan', async () => {
    await using bench = await workbench()
    const [one, other] = [await TestBucket.on('s3'), await TestBucket.on('s3-ceph')]
    await Promise.all([one.put('a.jar', 'one'), other.put('b.jar', 'other')])
    const own = Object.entries(other.properties()).map(([key, value]) => [
      key.replace('fs.s3a.', `spark.hadoop.fs.s3a.bucket.${other.name}.`),
      value,
    ])
    const properties = { ...one.properties(), ...Object.fromEntries(own) }
    const items = [
      { uri: one.uri('a.jar'), to: 'a.jar' },
      { uri: other.uri('b.jar').replace('s3a:', 's3n:'), to: 'b.jar' },
    ]
    await bench.run(items, { hadoop: { properties } })
    expect(await bench.files()).toEqual({ 'a.jar': 'one', 'b.jar': 'other' })
  })
})

function cases(service: S3ServiceName): void {
  it.each([
    'a b+c%20d%.jar',
    'libs/ünïcode-😀.jar',
    "odd'(name)*[1]{2}!.jar",
    'a?b#c&d=e.jar',
    'trailing space ',
    ...(service === 's3-ceph' ? ['double//slash.jar', '/leading.jar'] : []),
  ])('reads the key %j', async (key) => {
    await using bench = await workbench()
    const bucket = await TestBucket.on(service)
    await put(bucket, key, 'cargo')
    await bench.run([{ uri: bucket.uri(key), to: 'a.jar' }], { hadoop: { properties: bucket.properties() } })
    expect(await bench.files()).toEqual({ 'a.jar': 'cargo' })
  })

  it('fetches a folder with what is below it and nothing beside it, empty files too and markers not', async () => {
    await using bench = await workbench()
    const bucket = await TestBucket.on(service)
    for (const key of ['dir/a.jar', 'dir/deep/b c.jar', 'dir/deep/dir/deep/d', 'dir-other/c.jar', 'dirt'])
      await bucket.put(key, key)
    await bucket.put('dir/_SUCCESS', '')
    await bucket.put('dir/empty/', '')
    await bench.run([{ uri: `s3a://${bucket.name}/dir/`, to: 'x' }], { hadoop: { properties: bucket.properties() } })
    expect(await bench.files()).toEqual({
      'x/_SUCCESS': '',
      'x/a.jar': 'dir/a.jar',
      'x/deep/b c.jar': 'dir/deep/b c.jar',
      'x/deep/dir/deep/d': 'dir/deep/dir/deep/d',
    })
  })

  it('fetches what a pattern matches, by its own names', async () => {
    await using bench = await workbench()
    const bucket = await TestBucket.on(service)
    for (const key of [
      'libs/a-1.jar',
      'libs/b-2.jar',
      'libs/b-x.jar',
      'libs/deep/c-3.jar',
      'more/d-4.jar',
      'libs/a-1.zip',
    ])
      await bucket.put(key, key)
    await bench.run([{ uri: `s3a://${bucket.name}/{libs,more}/*-[0-9].jar`, to: '.' }], {
      hadoop: { properties: bucket.properties() },
    })
    expect(Object.keys(await bench.files())).toEqual(['a-1.jar', 'b-2.jar', 'd-4.jar'])
  })

  it.each(['nothing/', 'nothing-*'])('says that %s names nothing', async (uri) => {
    await using bench = await workbench()
    const bucket = await TestBucket.on(service)
    const run = bench.run([{ uri: `s3a://${bucket.name}/${uri}`, to: 'x' }], {
      hadoop: { properties: bucket.properties() },
    })
    await expect(run).rejects.toMatchObject({ kind: 'notFound', code: 'nothing-matches' })
  })

  it('lists more than one page, and stops at the limit', async () => {
    const bucket = await TestBucket.on(service)
    const keys = Array.from({ length: 1100 }, (_, index) => `many/${String(index).padStart(4, '0')}`)
    await Promise.all(
      Array.from({ length: 8 }, async () => {
        for (let key = keys.pop(); key !== undefined; key = keys.pop()) await bucket.put(key, 'x')
      }),
    )
    const source = await sourceOf(bucket)
    const item = { kind: 'uri', uri: `s3a://${bucket.name}/many/` } as const
    expect(await source.list!(item, { filesMax: 1100 })).toHaveLength(1100)
    await expect(source.list!(item, { filesMax: 1099 })).rejects.toMatchObject({ code: 'too-many-files' })
    source.close()
  })

  it.each([
    ['a wrong secret', { 'fs.s3a.secret.key': 'wrong-wrong-wrong-wrong' }, 's3-wrong-signature'],
    ['an unknown key', { 'fs.s3a.access.key': 'UNKNOWNUNKNOWNUNKNOW' }, 's3-unknown-key'],
    [
      'nobody',
      { 'fs.s3a.aws.credentials.provider': 'org.apache.hadoop.fs.s3a.AnonymousAWSCredentialsProvider' },
      's3-access-denied',
    ],
  ])('denies %s at once, and names where the credentials are from', async (_, more, code) => {
    await using bench = await workbench()
    const bucket = await TestBucket.on(service)
    await bucket.put('a.jar', 'cargo')
    const properties = bucket.properties(more)
    const error = (await bench
      .run([{ uri: bucket.uri('a.jar'), to: 'a.jar' }], { hadoop: { properties } })
      .catch((failure: unknown) => failure)) as Error
    expect(error).toMatchObject({ kind: 'denied', code, context: { attempts: 1 } })
    expect(error.message).toMatch(/with the credentials of (fs\.s3a\.access\.key|nobody)/)
    expect(JSON.stringify([error.message, (error as { context?: unknown }).context])).not.toContain(
      properties['fs.s3a.secret.key'],
    )
  })

  it.each([
    ['an object', 'missing', 's3-no-such-key'],
    ['a bucket', undefined, 's3-no-such-bucket'],
  ])('tells %s that is not there', async (_, key, code) => {
    await using bench = await workbench()
    const bucket = await TestBucket.on(service)
    const uri = key === undefined ? 's3a://no-such-bucket-here/a.jar' : bucket.uri(key)
    const run = bench.run([{ uri, to: 'a.jar' }], { hadoop: { properties: bucket.properties() } })
    await expect(run).rejects.toMatchObject({ kind: 'notFound', code })
  })

  it('puts a wrong clock right from the answer', async () => {
    const bucket = await TestBucket.on(service)
    await bucket.put('a.jar', 'cargo')
    const source = await sourceOf(bucket, {}, () => Date.now() + 3_600_000)
    const opened = await source.open({ kind: 'uri', uri: bucket.uri('a.jar') }, { offset: 0 })
    expect((await read(opened.stream)).toString()).toBe('cargo')
    source.close()
  })

  it('puts a wrong region right where the store says which is right', async () => {
    await using bench = await workbench()
    const bucket = await TestBucket.on(service)
    await bucket.put('a.jar', 'cargo')
    const properties = bucket.properties({ 'fs.s3a.endpoint.region': 'eu-south-2' })
    await bench.run([{ uri: bucket.uri('a.jar'), to: 'a.jar' }], { hadoop: { properties } })
    expect(await bench.files()).toEqual({ 'a.jar': 'cargo' })
  })

  it('fails with source-changed instead of mixing two versions', async () => {
    const bucket = await TestBucket.on(service)
    const source = await sourceOf(bucket)
    const item = { kind: 'uri', uri: bucket.uri('a.jar') } as const
    await bucket.put('a.jar', bytesOf(100_000))
    const { etag, discard } = await source.open(item, { offset: 0 })
    discard()
    await bucket.put('a.jar', bytesOf(100_000, 2))
    for (const end of [undefined, 60_000])
      await expect(source.open(item, { offset: 50_000, end, etag })).rejects.toMatchObject({ code: 'source-changed' })
    source.close()
  })

  it.each(['CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256'] as const)(
    'verifies the %s that the store has, after a resumption too',
    async (algorithm) => {
      await using bench = await workbench()
      const bucket = await TestBucket.on(service)
      const bytes = bytesOf(200_000)
      await bucket.putVerified('a.jar', bytes, algorithm)
      const more = { 'fs.s3a.checksum.validation': 'true' }
      await bench.run([{ uri: bucket.uri('a.jar'), to: 'a.jar' }], { hadoop: { properties: bucket.properties(more) } })
      expect((await bench.read('a.jar')).length).toBe(bytes.length)
      const item = { kind: 'uri', uri: bucket.uri('a.jar') } as const
      const source = await sourceOf(bucket, more)
      const { etag, checksum, discard } = await source.open(item, { offset: 0 })
      discard()
      // Older Ceph keeps none; that it is asked for one is no reason to fail.
      const known = service === 's3' ? { algorithm: algorithm.toLowerCase(), value: expect.any(String) } : undefined
      expect(checksum).toEqual(known)
      source.close()
      // As a later process would: it has not seen the answer that carried the whole.
      const later = await sourceOf(bucket, more)
      const rest = await later.open(item, { offset: 1000, etag })
      rest.discard()
      expect(rest.checksum).toEqual(checksum)
      later.close()
    },
  )

  it('reads the properties from core-site.xml and the keys from the environment', async () => {
    await using bench = await workbench()
    const bucket = await TestBucket.on(service)
    await bucket.put('a.jar', 'cargo')
    const { accessKeyId, secretAccessKey, endpoint, region } = bucket.details
    const confDirectory = `${bench.directory}/conf`
    await mkdir(confDirectory)
    const reference = (name: string) => `\${env.${name}}`
    const property = (name: string, value: string) => `<property><name>${name}</name><value>${value}</value></property>`
    const text = [
      property('fs.s3a.endpoint', endpoint),
      property('fs.s3a.endpoint.region', region),
      property('fs.s3a.path.style.access', 'true'),
      property('fs.s3a.access.key', reference('CARGO_KEY')),
      property('fs.s3a.secret.key', reference('CARGO_SECRET')),
    ]
    await writeFile(`${confDirectory}/core-site.xml`, `<configuration>${text.join('')}</configuration>`)
    const environment = { CARGO_KEY: accessKeyId, CARGO_SECRET: secretAccessKey }
    await bench.run([{ uri: bucket.uri('a.jar'), to: 'a.jar' }], { hadoop: { confDirectory } }, { environment })
    expect(await bench.files()).toEqual({ 'a.jar': 'cargo' })
  })

  const onlyHere = (): void => {
    it('pins a version, and tells one that was deleted', async () => {
      await using bench = await workbench()
      const bucket = await TestBucket.on(service)
      const body = Buffer.from('<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>')
      await bucket.ask({ method: 'PUT', path: `/${bucket.name}`, query: { versioning: '' }, body })
      const version = (await bucket.put('a.jar', 'old')).headers.get('x-amz-version-id')!
      await bucket.put('a.jar', 'new')
      await bucket.ask({ method: 'DELETE', path: `/${bucket.name}/a.jar` })
      const hadoop = { properties: bucket.properties() }
      await bench.run([{ uri: `${bucket.uri('a.jar')}?versionId=${version}`, to: 'a.jar' }], { hadoop })
      expect(await bench.files()).toEqual({ 'a.jar': 'old' })
      const run = bench.run([{ uri: bucket.uri('a.jar'), to: 'b.jar' }], { hadoop })
      await expect(run).rejects.toMatchObject({ kind: 'notFound' })
    })

    it('reads a public bucket without credentials', async () => {
      await using bench = await workbench()
      const bucket = await TestBucket.on(service)
      await bucket.put('a.jar', 'cargo', { 'x-amz-acl': 'public-read' })
      const properties = {
        'fs.s3a.endpoint': bucket.details.endpoint,
        'fs.s3a.aws.credentials.provider': 'com.amazonaws.auth.AnonymousAWSCredentials',
      }
      await bench.run([{ uri: bucket.uri('a.jar'), to: 'a.jar' }], { hadoop: { properties } })
      expect(await bench.files()).toEqual({ 'a.jar': 'cargo' })
    })

    it('refuses a key that is a file where another needs a folder', async () => {
      await using bench = await workbench()
      const bucket = await TestBucket.on(service)
      for (const key of ['dir/a', 'dir/a/b']) await bucket.put(key, key)
      const run = bench.run([{ uri: `s3a://${bucket.name}/dir/`, to: 'x' }], {
        hadoop: { properties: bucket.properties() },
      })
      await expect(run).rejects.toMatchObject({ kind: 'conflict', code: 'same-target' })
    })

    it('refuses a folder with a key that leads out of its target', async () => {
      await using bench = await workbench()
      const bucket = await TestBucket.on(service)
      await put(bucket, 'dir//a', 'x')
      const run = bench.run([{ uri: `s3a://${bucket.name}/dir/`, to: 'x' }], {
        hadoop: { properties: bucket.properties() },
      })
      await expect(run).rejects.toMatchObject({ kind: 'unsafe' })
    })
  }
  if (service === 's3-ceph') describe('with what only this store has', onlyHere)

  it('verifies the checksum of an object that was uploaded in parts', async () => {
    await using bench = await workbench()
    const bucket = await TestBucket.on(service)
    const parts = [bytesOf(5 << 20), bytesOf(5 << 20, 2), bytesOf(1 << 20, 3)]
    await bucket.putInParts('a.jar', parts, 'SHA256')
    const properties = bucket.properties({ 'fs.s3a.checksum.validation': 'true' })
    await bench.run([{ uri: bucket.uri('a.jar'), to: 'a.jar' }], { hadoop: { properties } })
    expect(Buffer.from(await bench.read('a.jar'), 'latin1').equals(Buffer.concat(parts))).toBe(true)
    const source = await sourceOf(bucket, { 'fs.s3a.checksum.validation': 'true' })
    const opened = await source.open({ kind: 'uri', uri: bucket.uri('a.jar') }, { offset: 0 })
    opened.discard()
    const known = service === 's3' ? { algorithm: 'sha256', value: expect.any(String), partBytes: 5 << 20 } : undefined
    expect(opened.checksum).toEqual(known)
    source.close()
  })
}

async function sourceOf(bucket: TestBucket, more: Record<string, string> = {}, now?: () => number): Promise<Source> {
  const hadoop = await readHadoopConfiguration({ properties: bucket.properties(more) })
  return createS3Source({
    hadoop,
    environment: {},
    origins: {},
    idleTimeoutMs: 5000,
    socketsMax: 4,
    redactor: new Redactor(),
    ...(now === undefined ? {} : { now }),
  })
}

async function put(bucket: TestBucket, key: string, body: string): Promise<void> {
  await bucket.put(key, body)
}
