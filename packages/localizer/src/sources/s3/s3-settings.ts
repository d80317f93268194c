/** What Hadoop's properties say about a bucket: `fs.s3a.bucket.NAME.*` before `fs.s3a.*`, in the words of S3. No I/O. */
import { createHash } from 'node:crypto'
import { type Environment, printable } from '@supercargo/protocol'
import type { S3Settings } from '@supercargo/transfer/s3'
import type { HadoopConfiguration } from '../../hadoop/configuration.ts'
import { badSettings, flag, type Option, optionsOf } from './bucket-options.ts'
import { credentialSettings } from './credential-settings.ts'

/** Throws kind `invalid` with the property that is wrong. Values are never in a message. */
export function s3Settings(bucket: string, hadoop: HadoopConfiguration, environment: Environment): S3Settings {
  const option = optionsOf(bucket, hadoop)
  const secure = flag(option, 'connection.ssl.enabled', true)
  const address = addressOf(option, secure, environment)
  const encryption = encryptionOf(option, address.endpoint?.protocol ?? (secure ? 'https:' : 'http:'))
  const proxy = proxyOf(option)
  const credentials = credentialSettings(option, hadoop)
  const token = option('session.token')
  return {
    bucket,
    ...address,
    crossRegion: flag(option, 'cross.region.access.enabled', true),
    pathStyle: option('path.style.access') === undefined ? undefined : flag(option, 'path.style.access', false),
    secure,
    fips: flag(option, 'endpoint.fips', false),
    accessPoint: option('accesspoint.arn'),
    credentials,
    headers: flag(option, 'requester.pays.enabled', false) ? { 'x-amz-request-payer': 'requester' } : {},
    objectHeaders: encryption.headers,
    secrets: [credentials.secretAccessKey, token, encryption.key, proxy?.password].filter((text) => text !== undefined),
    proxy,
    // A store other than AWS is not asked for what it may not know; what it says unasked counts all the same.
    checksums: flag(option, 'checksum.validation', address.endpoint === undefined),
  }
}

function addressOf(option: Option, secure: boolean, environment: Environment): Pick<S3Settings, 'endpoint' | 'region'> {
  const written = option('endpoint') ?? environment.AWS_ENDPOINT_URL_S3 ?? environment.AWS_ENDPOINT_URL
  const own = environment.AWS_REGION ?? environment.AWS_DEFAULT_REGION
  const region = option('endpoint.region')
  if (region !== undefined && !/^[a-z0-9-]+$/i.test(region)) throw badSettings('fs.s3a.endpoint.region', 'is no region')
  if (written === undefined || written === '') return { endpoint: undefined, region: region ?? own ?? 'us-east-1' }
  const text = /^https?:\/\//i.test(written) ? written : `${secure ? 'https' : 'http'}://${written}`
  if (!URL.canParse(text))
    throw badSettings('fs.s3a.endpoint', 'is no address', 'write https://host:port, or a host name')
  const endpoint = new URL(text)
  if (endpoint.username !== '' || endpoint.search !== '')
    throw badSettings('fs.s3a.endpoint', 'has more in it than an address')
  const named = /(?:^|\.)s3[.-]([a-z]{2,}-[a-z0-9-]+-\d)\.(?:vpce\.)?amazonaws\.com(?:\.cn)?$/.exec(endpoint.hostname)
  const standard = /^s3(?:[.-][a-z0-9-]+)?\.amazonaws\.com(?:\.cn)?$/.test(endpoint.hostname)
  const plain = standard && (endpoint.protocol === 'https:') === secure && endpoint.port === ''
  return { endpoint: plain ? undefined : endpoint, region: region ?? named?.[1] ?? own ?? 'us-east-1' }
}

/** The key that a customer keeps is sent with every request, so it is sent by TLS or not at all. */
function encryptionOf(option: Option, protocol: string): { headers: Record<string, string>; key?: string } {
  const name = 'fs.s3a.encryption.key'
  const algorithm = option('encryption.algorithm') ?? option('server-side-encryption-algorithm')
  if (algorithm !== undefined && /^CSE-/i.test(algorithm))
    throw badSettings(
      'fs.s3a.encryption.algorithm',
      `is ${printable(algorithm)}: encryption by the client is not supported`,
    )
  if (algorithm?.toUpperCase() !== 'SSE-C') return { headers: {} }
  const key = option('encryption.key') ?? option('server-side-encryption.key')
  if (key === undefined) throw badSettings(name, 'is not set, and SSE-C needs it')
  const bytes = Buffer.from(key, 'base64')
  if (bytes.length !== 32) throw badSettings(name, 'is not the base64 of 256 bits')
  if (protocol !== 'https:') throw badSettings(name, 'would be sent without TLS', 'use an https endpoint with SSE-C')
  const prefix = 'x-amz-server-side-encryption-customer'
  const headers = {
    [`${prefix}-algorithm`]: 'AES256',
    [`${prefix}-key`]: key,
    [`${prefix}-key-md5`]: createHash('md5').update(bytes).digest('base64'),
  }
  return { headers, key }
}

function proxyOf(option: Option): URL | undefined {
  const host = option('proxy.host')
  if (host === undefined) return undefined
  const secure = flag(option, 'proxy.ssl.enabled', false)
  const text = `${secure ? 'https' : 'http'}://${host}:${option('proxy.port') ?? (secure ? '443' : '80')}`
  if (!URL.canParse(text)) throw badSettings('fs.s3a.proxy.host', 'and fs.s3a.proxy.port are no address')
  const proxy = new URL(text)
  proxy.username = encodeURIComponent(option('proxy.username') ?? '')
  proxy.password = encodeURIComponent(option('proxy.password') ?? '')
  return proxy
}
