/** Where the objects of a bucket are: in the path or in the host name, at AWS by region or at an endpoint of one's own. */
import { isIP } from 'node:net'
import { SupercargoError } from '@supercargo/protocol'
import { encodedKey } from './encoding.ts'
import type { S3Settings } from './settings.ts'

/** The partitions whose names are not below `amazonaws.com`. */
const suffixes: readonly (readonly [string, string])[] = [
  ['cn-', 'amazonaws.com.cn'],
  ['us-iso-', 'c2s.ic.gov'],
  ['us-isob-', 'sc2s.sgov.gov'],
  ['eusc-', 'amazonaws.eu'],
]

/** The URL of a key; of the bucket itself for the empty key. The query is written as it is signed. */
export function objectUrl(settings: S3Settings, region: string, key: string, query = ''): URL {
  const path = usesPath(settings) ? `${settings.bucket}/${encodedKey(key)}` : encodedKey(key)
  const base = baseOf(settings, region)
  return new URL(`${base}/${path}${query === '' ? '' : `?${query}`}`)
}

/** Whether the bucket is the first part of the path: where the endpoint's name could not carry another label. */
export function usesPath(settings: S3Settings): boolean {
  const { endpoint, bucket, pathStyle, accessPoint } = settings
  if (accessPoint !== undefined) return false
  if (pathStyle !== undefined) return pathStyle
  if (!/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(bucket)) return true
  if (bucket.includes('.') && (endpoint?.protocol ?? 'https:') === 'https:') return true
  if (endpoint === undefined) return false
  const host = endpoint.hostname.replace(/^\[|\]$/g, '')
  return isIP(host) !== 0 || !host.includes('.')
}

function baseOf(settings: S3Settings, region: string): string {
  const { endpoint, bucket, accessPoint } = settings
  const suffix = suffixes.find(([prefix]) => region.startsWith(prefix))?.[1] ?? 'amazonaws.com'
  if (accessPoint !== undefined) return accessPointBase(accessPoint, suffix)
  const label = usesPath(settings) ? '' : `${bucket}.`
  if (endpoint !== undefined)
    return `${endpoint.protocol}//${label}${endpoint.host}${endpoint.pathname.replace(/\/+$/, '')}`
  return `${settings.secure ? 'https' : 'http'}://${label}s3${settings.fips ? '-fips' : ''}.${region}.${suffix}`
}

function accessPointBase(arn: string, suffix: string): string {
  const match = /^arn:[a-z-]+:s3:([a-z0-9-]+):(\d{12}):accesspoint[:/]([a-z0-9-]+)$/.exec(arn)
  if (match !== null) return `https://${match[3]}-${match[2]}.s3-accesspoint.${match[1]}.${suffix}`
  const text = 'the property fs.s3a.accesspoint.arn is no ARN of an access point in one region'
  throw new SupercargoError('invalid', 'bad-s3-settings', text)
}
