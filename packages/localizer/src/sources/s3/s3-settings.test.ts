/** Hadoop's properties as settings of a bucket, and where its objects are by them. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { objectUrl, type S3Settings } from '@supercargo/transfer/s3'
import { describe, expect, it } from 'vitest'
import { readHadoopConfiguration } from '../../hadoop/configuration.ts'
import { s3Settings } from './s3-settings.ts'

async function settings(
  properties: Record<string, string>,
  bucket = 'cargo',
  environment: Record<string, string> = {},
): Promise<S3Settings> {
  return s3Settings(bucket, await readHadoopConfiguration({ properties }), environment)
}

const sseKey = Buffer.alloc(32, 7).toString('base64')

describe('a property', () => {
  it('is in the table of the README when it is read, and read when it is there', async () => {
    const read = async (name: string): Promise<string> => await readFile(join(import.meta.dirname, name), 'utf8')
    const source = (await read('s3-settings.ts')) + (await read('credential-settings.ts'))
    const used = [...source.matchAll(/(?:option\(|(?:flag|providersOf)\(option, )'([a-z.-]+)'/g)].map(
      ([, name]) => name!,
    )
    const table = (await read('../../../README.md')).split('\n').filter((line) => line.startsWith('| `fs.s3a.'))
    const told = table.flatMap((line) =>
      [...line.split('|')[1]!.matchAll(/`fs\.s3a\.([a-z.-]+)`/g)].map(([, name]) => name!),
    )
    expect(used.length).toBeGreaterThan(30)
    expect([...new Set(told)].sort()).toEqual([...new Set(used)].sort())
  })

  it('of the bucket wins over that of all, with and without the prefix of Spark', async () => {
    const properties = {
      'fs.s3a.endpoint': 'one.example',
      'spark.hadoop.fs.s3a.bucket.cargo.endpoint': 'http://two.example:9000',
      'fs.s3a.bucket.other.access.key': 'not-mine',
      'fs.s3a.access.key': 'all',
    }
    const own = await settings(properties)
    expect(own.endpoint?.href).toBe('http://two.example:9000/')
    expect(own.credentials.accessKeyId).toBe('all')
    expect((await settings(properties, 'other')).endpoint?.href).toBe('https://one.example/')
  })

  it.each([
    [{ 'fs.s3a.path.style.access': 'yes' }, 'fs.s3a.path.style.access'],
    [{ 'fs.s3a.endpoint': 'http://[' }, 'fs.s3a.endpoint'],
    [{ 'fs.s3a.endpoint': 'http://key:canary@h' }, 'fs.s3a.endpoint'],
    [{ 'fs.s3a.endpoint.region': 'eu/../x' }, 'fs.s3a.endpoint.region'],
    [{ 'fs.s3a.proxy.host': 'a b' }, 'fs.s3a.proxy.host'],
    [{ 'fs.s3a.encryption.algorithm': 'CSE-KMS' }, 'fs.s3a.encryption.algorithm'],
    [{ 'fs.s3a.encryption.algorithm': 'SSE-C' }, 'fs.s3a.encryption.key'],
    [{ 'fs.s3a.encryption.algorithm': 'SSE-C', 'fs.s3a.encryption.key': 'canary' }, 'fs.s3a.encryption.key'],
    [
      { 'fs.s3a.encryption.algorithm': 'SSE-C', 'fs.s3a.encryption.key': sseKey, 'fs.s3a.endpoint': 'http://h' },
      'fs.s3a.encryption.key',
    ],
    [
      { 'fs.s3a.aws.credentials.provider': `${'org.apache.hadoop.fs.s3a.auth.AssumedRole'}CredentialProvider` },
      'assumed.role.arn',
    ],
  ])('%j that is wrong is refused by its name, without its value', async (properties, name) => {
    const error = await settings(properties).catch((failure: unknown) => failure)
    expect(error).toMatchObject({ kind: 'invalid', code: 'bad-s3-settings', message: expect.stringContaining(name) })
    expect((error as Error).message).not.toContain('canary')
  })

  it('of a customer’s key becomes the fields of every request for an object', async () => {
    const { objectHeaders, secrets } = await settings({
      'fs.s3a.server-side-encryption-algorithm': 'SSE-C',
      'fs.s3a.server-side-encryption.key': sseKey,
    })
    expect(objectHeaders).toEqual({
      'x-amz-server-side-encryption-customer-algorithm': 'AES256',
      'x-amz-server-side-encryption-customer-key': sseKey,
      'x-amz-server-side-encryption-customer-key-md5': expect.stringMatching(/^[A-Za-z0-9+/]{22}==$/),
    })
    expect(secrets).toContain(sseKey)
  })

  it('of a proxy, of who pays and of checksums counts', async () => {
    const found = await settings({
      'fs.s3a.proxy.host': 'proxy.example',
      'fs.s3a.proxy.port': '3128',
      'fs.s3a.proxy.username': 'me',
      'fs.s3a.proxy.password': 'p@ss',
      'fs.s3a.requester.pays.enabled': 'true',
    })
    expect(found.proxy?.href).toBe('http://me:p%40ss@proxy.example:3128/')
    expect(found.headers).toEqual({ 'x-amz-request-payer': 'requester' })
    expect(found.checksums).toBe(true)
    expect((await settings({ 'fs.s3a.endpoint': 'http://minio:9000' })).checksums).toBe(false)
  })
})

describe('the providers of credentials', () => {
  const provider = 'fs.s3a.aws.credentials.provider'

  it('are S3A’s and behind them the standard ones when nothing is said', async () => {
    const { credentials } = await settings({})
    expect(credentials.providers).toEqual(['temporary', 'simple', 'environment', 'standard-chain'])
  })

  it.each([
    ['org.apache.hadoop.fs.s3a.TemporaryAWSCredentialsProvider', 'temporary'],
    ['org.apache.hadoop.fs.s3a.SimpleAWSCredentialsProvider', 'simple'],
    ['org.apache.hadoop.fs.s3a.AnonymousAWSCredentialsProvider', 'anonymous'],
    ['org.apache.hadoop.fs.s3a.auth.IAMInstanceCredentialsProvider', 'instance'],
    ['com.amazonaws.auth.WebIdentityTokenCredentialsProvider', 'web-identity'],
    ['software.amazon.awssdk.auth.credentials.WebIdentityTokenFileCredentialsProvider', 'web-identity'],
    ['com.amazonaws.auth.EnvironmentVariableCredentialsProvider', 'environment'],
    ['software.amazon.awssdk.auth.credentials.ContainerCredentialsProvider', 'container'],
    ['com.amazonaws.auth.DefaultAWSCredentialsProviderChain', 'standard-chain'],
    [
      'com.amazonaws.auth.InstanceProfileCredentialsProvider,\n com.amazonaws.auth.AnonymousAWSCredentials',
      'instance anonymous',
    ],
  ])('%s is known', async (value, names) => {
    expect((await settings({ [provider]: value })).credentials.providers.join(' ')).toBe(names)
  })

  it('that are not known are named, with those that are', async () => {
    await expect(settings({ [provider]: 'com.example.VaultProvider' })).rejects.toMatchObject({
      kind: 'invalid',
      code: 'unknown-credentials-provider',
      message: expect.stringContaining('com.example.VaultProvider'),
      hint: expect.stringContaining('SimpleAWSCredentialsProvider'),
    })
  })

  it('whose keys only Hadoop could read are refused with what to use instead, unless the keys are there', async () => {
    const store = { 'hadoop.security.credential.provider.path': 'jceks://hdfs@nn/user/me/canary.jceks' }
    const error = await settings(store).catch((failure: unknown) => failure)
    expect(error).toMatchObject({
      kind: 'invalid',
      code: 'hadoop-credential-provider',
      message: expect.stringContaining('jceks'),
    })
    const own = await settings({ 'hadoop.security.credential.provider.path': 'user:///' }).catch(
      (failure: unknown) => failure,
    )
    const message = 'the keys for S3 are in a credential provider of Hadoop (user), which is not read here'
    const hint = expect.stringContaining('mounted from a Secret')
    expect(own).toMatchObject({ code: 'hadoop-credential-provider', message, hint })
    const keys = { 'fs.s3a.access.key': 'a', 'fs.s3a.secret.key': 'b' }
    expect((await settings({ ...store, ...keys })).credentials.accessKeyId).toBe('a')
    const identity = { [provider]: 'com.amazonaws.auth.WebIdentityTokenCredentialsProvider' }
    expect((await settings({ ...store, ...identity })).credentials.providers).toEqual(['web-identity'])
  })

  it('of a role have its settings', async () => {
    const { credentials } = await settings({
      [provider]: 'org.apache.hadoop.fs.s3a.auth.AssumedRoleCredentialProvider',
      'fs.s3a.assumed.role.arn': 'arn:aws:iam::123456789012:role/cargo',
      'fs.s3a.assumed.role.session.duration': '1h',
      'fs.s3a.assumed.role.credentials.provider': 'org.apache.hadoop.fs.s3a.SimpleAWSCredentialsProvider',
    })
    expect(credentials.role).toMatchObject({ durationSeconds: 3600, providers: ['simple'] })
  })
})

describe('an object', () => {
  const path = { 'fs.s3a.path.style.access': 'true' }
  it.each<[string, Record<string, string>, string, Record<string, string>]>([
    ['https://cargo.s3.us-east-1.amazonaws.com/a%20b', {}, 'cargo', {}],
    ['https://cargo.s3.eu-west-1.amazonaws.com/a%20b', {}, 'cargo', { AWS_REGION: 'eu-west-1' }],
    [
      'https://cargo.s3.eu-central-1.amazonaws.com/a%20b',
      { 'fs.s3a.endpoint': 's3.eu-central-1.amazonaws.com' },
      'cargo',
      {},
    ],
    ['https://cargo.s3.us-east-1.amazonaws.com/a%20b', { 'fs.s3a.endpoint': 's3.amazonaws.com' }, 'cargo', {}],
    ['https://cargo.s3.cn-north-1.amazonaws.com.cn/a%20b', { 'fs.s3a.endpoint.region': 'cn-north-1' }, 'cargo', {}],
    ['https://s3.us-east-1.amazonaws.com/my.cargo/a%20b', {}, 'my.cargo', {}],
    ['https://s3.us-east-1.amazonaws.com/cargo/a%20b', path, 'cargo', {}],
    ['https://cargo.s3-fips.us-east-1.amazonaws.com/a%20b', { 'fs.s3a.endpoint.fips': 'true' }, 'cargo', {}],
    ['http://cargo.s3.us-east-1.amazonaws.com/a%20b', { 'fs.s3a.connection.ssl.enabled': 'false' }, 'cargo', {}],
    ['https://cargo.store.example/a%20b', { 'fs.s3a.endpoint': 'store.example' }, 'cargo', {}],
    ['http://store.example:9000/cargo/a%20b', { 'fs.s3a.endpoint': 'http://store.example:9000', ...path }, 'cargo', {}],
    [
      'http://minio:9000/cargo/a%20b',
      { 'fs.s3a.endpoint': 'minio:9000', 'fs.s3a.connection.ssl.enabled': 'false' },
      'cargo',
      {},
    ],
    ['http://10.0.0.1:9000/cargo/a%20b', { 'fs.s3a.endpoint': 'http://10.0.0.1:9000' }, 'cargo', {}],
    ['http://[fd00::1]:9000/cargo/a%20b', { 'fs.s3a.endpoint': 'http://[fd00::1]:9000' }, 'cargo', {}],
    ['https://store.example/s3/cargo/a%20b', { 'fs.s3a.endpoint': 'https://store.example/s3/', ...path }, 'cargo', {}],
    ['http://from.example/cargo/a%20b', path, 'cargo', { AWS_ENDPOINT_URL: 'http://from.example' }],
    [
      'https://mine-123456789012.s3-accesspoint.eu-west-1.amazonaws.com/a%20b',
      { 'fs.s3a.bucket.cargo.accesspoint.arn': 'arn:aws:s3:eu-west-1:123456789012:accesspoint/mine' },
      'cargo',
      {},
    ],
  ])('is at %s with %j', async (url, properties, bucket, environment) => {
    const found = await settings(properties, bucket, environment)
    expect(objectUrl(found, found.region, 'a b').href).toBe(url)
  })
})
