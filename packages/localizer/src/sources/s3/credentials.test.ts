/** Credentials: the order of providers, their services as fakes on loopback, the end of keys, and what is said when there are none. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { SupercargoError } from '@supercargo/protocol'
import { CredentialChain } from '@supercargo/transfer/s3'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { readHadoopConfiguration } from '../../hadoop/configuration.ts'
import { type ScriptedServer, scriptedServer } from '../../testing/scripted-server.ts'
import { workbench } from '../../testing/workbench.ts'
import { s3Settings } from './s3-settings.ts'

const provider = 'fs.s3a.aws.credentials.provider'
const instance = 'org.apache.hadoop.fs.s3a.auth.IAMInstanceCredentialsProvider'
const webIdentity = 'software.amazon.awssdk.auth.credentials.WebIdentityTokenFileCredentialsProvider'
const assumed = 'org.apache.hadoop.fs.s3a.auth.AssumedRoleCredentialProvider'
const environmentProvider = 'software.amazon.awssdk.auth.credentials.EnvironmentVariableCredentialsProvider'

interface Chain {
  readonly chain: CredentialChain
  readonly learned: string[]
}

/** The AWS library reads its variables from the process. */
async function chainOf(
  properties: Record<string, string>,
  environment: Record<string, string> = {},
  now: () => number = Date.now,
): Promise<Chain> {
  for (const [name, value] of Object.entries(environment)) vi.stubEnv(name, value)
  const settings = s3Settings('cargo', await readHadoopConfiguration({ properties }), environment)
  const learned: string[] = []
  const options = { environment, region: settings.region, now, learned: (secret: string) => void learned.push(secret) }
  return { chain: new CredentialChain(settings.credentials, options), learned }
}

afterEach(() => vi.unstubAllEnvs())

/** Answers of a token service. */
function sessionXml(action: string, key: string): string {
  const keys = `<AccessKeyId>${key}</AccessKeyId><SecretAccessKey>secret-of-${key}</SecretAccessKey><SessionToken>token-of-${key}</SessionToken>`
  const end = `<Expiration>${new Date(Date.now() + 3_600_000).toISOString()}</Expiration>`
  return `<${action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><${action}Result><Credentials>${keys}${end}</Credentials></${action}Result></${action}Response>`
}

function metadataKeys(key: string, endsInMs: number): string {
  const Expiration = new Date(Date.now() + endsInMs).toISOString()
  return JSON.stringify({
    Code: 'Success',
    Type: 'AWS-HMAC',
    AccessKeyId: key,
    SecretAccessKey: 's',
    Token: 't',
    Expiration,
  })
}

/** A container's credentials, a new key for each request. */
function containerService(endsInMs: number): Promise<ScriptedServer> {
  return scriptedServer((_, response, number) => {
    response.writeHead(200, { 'content-type': 'application/json' }).end(metadataKeys(`key-${number}`, endsInMs))
  })
}

describe('the keys', () => {
  const keys = { 'fs.s3a.access.key': 'mine', 'fs.s3a.secret.key': 'secret-of-mine' }
  const environment = { AWS_ACCESS_KEY_ID: 'env', AWS_SECRET_ACCESS_KEY: 'secret-of-env' }

  it('are those of a session, of the properties, of the environment, in this order', async () => {
    const session = { ...keys, 'fs.s3a.session.token': 'token' }
    for (const [properties, from, accessKeyId, sessionToken] of [
      [session, 'fs.s3a.session.token', 'mine', 'token'],
      [keys, 'fs.s3a.access.key', 'mine', undefined],
      [{}, 'AWS_ACCESS_KEY_ID', 'env', undefined],
    ] as const) {
      const { chain } = await chainOf(properties, environment)
      expect(await chain.get()).toMatchObject({ from, keys: { accessKeyId } })
      expect((await chain.get()).keys?.sessionToken).toBe(sessionToken)
    }
  })

  it('may be in a file as AWS’s own programs read it, under a name', async () => {
    await using bench = await workbench()
    const file = join(bench.directory, 'credentials')
    await writeFile(file, '[other]\naws_access_key_id = ini\naws_secret_access_key = secret-of-ini\n')
    const named = { 'fs.s3a.auth.profile.file': file, 'fs.s3a.auth.profile.name': 'other' }
    const profile = 'org.apache.hadoop.fs.s3a.auth.ProfileAWSCredentialsProvider'
    const { chain } = await chainOf({ [provider]: profile, ...named })
    expect(await chain.get()).toMatchObject({ from: 'the AWS profile', keys: { accessKeyId: 'ini' } })
  })

  it('are none where nobody is to be named', async () => {
    const { chain } = await chainOf({ [provider]: 'com.amazonaws.auth.AnonymousAWSCredentials' }, environment)
    expect((await chain.get()).keys).toBeUndefined()
  })

  it('are learned, so that they are in no text', async () => {
    const { chain, learned } = await chainOf({ ...keys, 'fs.s3a.session.token': 'token' })
    await chain.get()
    expect(learned).toEqual(['secret-of-mine', 'token'])
  })

  it('that nobody has are a refusal with a line for each provider', async () => {
    const { chain } = await chainOf({
      [provider]: `org.apache.hadoop.fs.s3a.SimpleAWSCredentialsProvider,${environmentProvider}`,
    })
    await expect(chain.get()).rejects.toMatchObject({
      kind: 'denied',
      code: 'no-credentials',
      message: 'no credentials for S3 (fs.s3a.access.key: not set; AWS_ACCESS_KEY_ID: not set)',
    })
  })
})

describe('the services of a platform', () => {
  it('of a container give keys that are kept until they end, and others when they were refused', async () => {
    await using server = await containerService(3_600_000)
    const environment = { AWS_CONTAINER_CREDENTIALS_FULL_URI: server.url('/credentials') }
    let time = Date.now()
    const { chain } = await chainOf({ [provider]: instance }, environment, () => time)
    const first = await chain.get()
    expect((await chain.get()).keys?.accessKeyId).toBe('key-1')
    expect((await chain.renewed(first))?.keys?.accessKeyId).toBe('key-2')
    // Whoever else was refused with the first takes the second.
    expect((await chain.renewed(first))?.keys?.accessKeyId).toBe('key-2')
    time += 3_600_000
    expect((await chain.get()).keys?.accessKeyId).toBe('key-3')
  })

  it('of an instance give keys by its role', async () => {
    await using server = await scriptedServer((request, response) => {
      if (request.method === 'PUT') return void response.end('session')
      if (request.url!.endsWith('/security-credentials/')) return void response.end('role')
      response.end(metadataKeys('instance', 3_600_000))
    })
    const { chain } = await chainOf({ [provider]: instance }, { AWS_EC2_METADATA_SERVICE_ENDPOINT: server.origin })
    expect(await chain.get()).toMatchObject({ from: 'the instance profile', keys: { accessKeyId: 'instance' } })
  })

  it('that are not there are said to be so', async () => {
    await using server = await scriptedServer((_, response) => response.writeHead(404).end())
    const { chain } = await chainOf({ [provider]: instance }, { AWS_EC2_METADATA_SERVICE_ENDPOINT: server.origin })
    await expect(chain.get()).rejects.toMatchObject({ kind: 'denied', code: 'no-credentials' })
  })

  it('of tokens give keys for a web identity, and are not the store', async () => {
    await using bench = await workbench()
    const file = join(bench.directory, 'token')
    await writeFile(file, 'canary')
    await using server = await scriptedServer((_, response) =>
      response.end(sessionXml('AssumeRoleWithWebIdentity', 'web')),
    )
    const { chain } = await chainOf(
      { [provider]: webIdentity, 'fs.s3a.endpoint': 'http://127.0.0.1:1' },
      {
        AWS_WEB_IDENTITY_TOKEN_FILE: file,
        AWS_ROLE_ARN: 'arn:aws:iam::123456789012:role/cargo',
        AWS_ENDPOINT_URL_STS: server.origin,
      },
    )
    expect(await chain.get()).toMatchObject({ keys: { accessKeyId: 'web', sessionToken: 'token-of-web' } })
  })

  it('of tokens give keys for a role to whom has others', async () => {
    await using server = await scriptedServer((_, response) => response.end(sessionXml('AssumeRole', 'role')))
    const { chain } = await chainOf({
      [provider]: assumed,
      'fs.s3a.access.key': 'mine',
      'fs.s3a.secret.key': 'secret-of-mine',
      'fs.s3a.assumed.role.arn': 'arn:aws:iam::123456789012:role/cargo',
      'fs.s3a.assumed.role.sts.endpoint': server.origin,
      'fs.s3a.assumed.role.sts.endpoint.region': 'eu-west-1',
    })
    expect(await chain.get()).toMatchObject({ from: 'the assumed role', keys: { accessKeyId: 'role' } })
    expect(server.requests[0]!.headers.authorization).toMatch(/Credential=mine\/\d+\/eu-west-1\/sts/)
  })

  it.each([
    [503, 'unavailable', 'credentials-unavailable'],
    [403, 'denied', 'no-credentials'],
  ])('of tokens that answer %d are %s', async (status, kind, code) => {
    await using server = await scriptedServer((_, response) =>
      response
        .writeHead(status)
        .end('<ErrorResponse><Error><Code>Nope</Code><Message>not you</Message></Error></ErrorResponse>'),
    )
    const { chain } = await chainOf({
      [provider]: assumed,
      'fs.s3a.access.key': 'mine',
      'fs.s3a.secret.key': 'secret-of-mine',
      'fs.s3a.assumed.role.arn': 'arn:aws:iam::123456789012:role/cargo',
      'fs.s3a.assumed.role.sts.endpoint': server.origin,
    })
    await expect(chain.get()).rejects.toMatchObject({
      kind,
      code,
      message: expect.stringContaining('the assumed role'),
    })
    expect(server.requests).toHaveLength(1)
  })

  it('are not waited for after the signal aborts', async () => {
    await using server = await scriptedServer(() => undefined)
    const { chain } = await chainOf({ [provider]: instance }, { AWS_CONTAINER_CREDENTIALS_FULL_URI: server.url('/x') })
    const stop = new AbortController()
    const asking = chain.get(stop.signal)
    stop.abort(new SupercargoError('interrupted', 'enough', 'enough'))
    await expect(asking).rejects.toThrow('enough')
  })
})

describe('what a bucket does with keys that were refused', () => {
  it('is to ask for others and go on, once', async () => {
    await using bench = await workbench()
    await using service = await containerService(3_600_000)
    const seen: string[] = []
    await using store = await scriptedServer((request, response) => {
      const key = /Credential=([^/]+)/.exec(request.headers.authorization ?? '')![1]!
      seen.push(key)
      if (key === 'key-2') response.end('cargo')
      else response.writeHead(400).end('<Error><Code>ExpiredToken</Code><Message>late</Message></Error>')
    })
    const environment = { AWS_CONTAINER_CREDENTIALS_FULL_URI: service.url('/credentials') }
    for (const [name, value] of Object.entries(environment)) vi.stubEnv(name, value)
    const properties = { 'fs.s3a.endpoint': store.origin, [provider]: instance }
    const items = [{ uri: 's3a://cargo/a.jar', to: 'a.jar' }]
    await bench.run(items, { hadoop: { properties } }, { environment })
    expect(seen).toEqual(['key-1', 'key-2'])
    store.script = (_, response) => response.writeHead(400).end('<Error><Code>ExpiredToken</Code></Error>')
    const run = bench.run([{ uri: 's3a://cargo/b.jar', to: 'a.jar' }], { hadoop: { properties } }, { environment })
    await expect(run).rejects.toMatchObject({ code: 's3-expired-token' })
    expect(store.requests).toHaveLength(4)
  })
})
