/** `s3`, `s3a` and `s3n`: signed GETs of ranges, as Hadoop's properties describe the bucket. */
import type { Environment } from '@supercargo/protocol'
import { HttpClient, type HttpResponse, type ProxyFor, trustContext } from '@supercargo/transfer'
import {
  Bucket,
  CredentialChain,
  encoded,
  encodedKey,
  type ObjectRequest,
  objectUrl,
  type S3Settings,
} from '@supercargo/transfer/s3'
import type { Checksum } from '../../checksum.ts'
import type { HadoopConfiguration } from '../../hadoop/configuration.ts'
import { openedAnswer } from '../answer.ts'
import type { OriginSettings } from '../credentials.ts'
import type { Redactor } from '../secret-text.ts'
import type { Facts, Opened, OpenOptions, Source, SourceItem } from '../source.ts'
import { listObjects } from './list-objects.ts'
import { statedChecksum } from './object-checksum.ts'
import { s3Settings } from './s3-settings.ts'
import { parseS3Uri, type S3Uri } from './s3-uri.ts'

export interface S3SourceOptions {
  readonly hadoop: HadoopConfiguration
  readonly environment: Environment
  /** Authorities and client certificates by origin, as in the plan. */
  readonly origins: Readonly<Record<string, OriginSettings>>
  readonly idleTimeoutMs: number
  /** Connections to one bucket. */
  readonly socketsMax: number
  readonly redactor: Redactor
  readonly proxyFor?: ProxyFor | undefined
  /** Milliseconds since the epoch; signatures carry it. */
  readonly now?: () => number
}

interface OpenBucket {
  readonly bucket: Bucket
  readonly client: HttpClient
}

export function createS3Source(options: S3SourceOptions): Source {
  const buckets = new Map<string, OpenBucket>()
  /** Checksums of whole objects by version, for answers that only carry a part of one. */
  const checksums = new Map<string, Promise<Checksum | undefined>>()

  const bucketOf = ({ bucket }: S3Uri): Bucket => {
    const found = buckets.get(bucket) ?? openBucket(bucket, options)
    buckets.set(bucket, found)
    return found.bucket
  }

  const open = async (item: SourceItem, asked: OpenOptions): Promise<Opened> => {
    const uri = uriOf(item)
    const bucket = bucketOf(uri)
    const ask = requestOf(uri, bucket.settings, asked)
    const response = await bucket.request({ ...ask, conditions: rangeFields(asked) })
    const opened = openedAnswer(response, asked)
    try {
      const version = JSON.stringify([identityOf(uri), opened.etag])
      if (asked.digestKnown === true) return opened
      const asking = checksums.get(version) ?? checksumOf(bucket, ask, response, opened)
      if (opened.etag !== undefined) checksums.set(version, asking)
      asking.catch(() => checksums.delete(version))
      const checksum = await asking
      return checksum === undefined ? opened : { ...opened, checksum }
    } catch (error) {
      opened.discard()
      throw error
    }
  }

  return {
    ranges: true,
    identity: (item) => identityOf(uriOf(item)),
    shown: (item) => shownOf(uriOf(item)),
    // A HEAD would cost a round trip for every object, and some may only GET: the size comes with the bytes.
    stat: async (): Promise<Facts> => ({}),
    open,
    list: (item, { filesMax, signal }) => {
      const uri = uriOf(item)
      if (uri.names === 'one') return undefined
      return listObjects(bucketOf(uri), uri, { shown: shownOf(uri), filesMax, signal })
    },
    close: () => {
      for (const { client } of buckets.values()) client.close()
    },
  }
}

function openBucket(name: string, options: S3SourceOptions): OpenBucket {
  const settings = s3Settings(name, options.hadoop, options.environment)
  const learned = (secret: string): void => options.redactor.add(secret)
  for (const secret of settings.secrets) learned(secret)
  const now = options.now ?? Date.now
  const credentials = new CredentialChain(settings.credentials, {
    environment: options.environment,
    region: settings.region,
    now,
    learned,
  })
  const origin = originSettings(settings, options.origins)
  const { caFile, certFile, keyFile } = origin
  const certificate = certFile === undefined || keyFile === undefined ? undefined : { certFile, keyFile }
  const client = new HttpClient({
    trust: trustContext(caFile === undefined ? [] : [caFile], certificate),
    policy: { metadata: origin.allowMetadata === true, own: true },
    proxyFor: settings.proxy === undefined ? options.proxyFor : () => settings.proxy,
    idleTimeoutMs: options.idleTimeoutMs,
    socketsMax: options.socketsMax,
  })
  return { bucket: new Bucket(settings, { client, credentials, now }), client }
}

/** What the plan says of the host that is asked, or of the endpoint where the bucket is part of the host's name. */
function originSettings(settings: S3Settings, origins: S3SourceOptions['origins']): OriginSettings {
  const asked = objectUrl(settings, settings.region, '').origin
  return origins[asked] ?? (settings.endpoint === undefined ? undefined : origins[settings.endpoint.origin]) ?? {}
}

function requestOf(uri: S3Uri, settings: S3Settings, { signal }: OpenOptions): ObjectRequest {
  return {
    method: 'GET',
    key: uri.key,
    shown: shownOf(uri),
    query: uri.versionId === undefined ? '' : `versionId=${encoded(uri.versionId)}`,
    fields: settings.checksums ? { 'x-amz-checksum-mode': 'ENABLED' } : {},
    signal,
  }
}

/** A part of another version than the one that is held is never answered. */
function rangeFields({ offset, end, etag }: OpenOptions): Record<string, string> {
  if (offset === 0 && end === undefined) return {}
  return {
    range: `bytes=${offset}-${end === undefined ? '' : end - 1}`,
    ...(etag === undefined ? {} : { 'if-match': etag }),
  }
}

/** From the answer itself, or where that carries only a part, or a checksum of parts, by asking for what is missing. */
async function checksumOf(
  bucket: Bucket,
  ask: ObjectRequest,
  response: HttpResponse,
  opened: Opened,
): Promise<Checksum | undefined> {
  const conditions: Record<string, string> = opened.etag === undefined ? {} : { 'if-match': opened.etag }
  const head = async (query: string): Promise<HttpResponse | undefined> => {
    const asked = {
      ...ask,
      method: 'HEAD',
      conditions,
      query: [ask.query, query].filter((each) => each !== '').join('&'),
    } as const
    try {
      return await bucket.request(asked)
    } catch (error) {
      if (ask.signal?.aborted) throw error
      // What may be read need not be described by the store; the bytes are complete by its framing all the same.
      return undefined
    }
  }
  const whole =
    response.status === 200
      ? response
      : bucket.settings.checksums && opened.etag !== undefined
        ? await head('')
        : undefined
  const stated = whole === undefined ? undefined : statedChecksum(whole.headers)
  if (stated === undefined) return undefined
  const { algorithm, value, parts } = stated
  if (parts === undefined) return { algorithm, value }
  const sizeBytes = opened.sizeBytes ?? 0
  if (parts === 1) return { algorithm, value, partBytes: Math.max(1, sizeBytes) }
  const partBytes = Number((await head('partNumber=1'))?.headers['content-length'] ?? Number.NaN)
  // Parts of different sizes: nobody says where they begin.
  return Math.ceil(sizeBytes / partBytes) === parts ? { algorithm, value, partBytes } : undefined
}

function uriOf(item: SourceItem): S3Uri {
  if (item.kind !== 'uri') throw new TypeError('not a URI')
  return parseS3Uri(item.uri)
}

/** The three schemes name one thing. */
function identityOf({ bucket, key, names, versionId }: S3Uri): string {
  return `s3a ${bucket} ${names} ${key} ${versionId ?? ''}`
}

function shownOf({ bucket, key, names }: S3Uri): string {
  const path = names === 'pattern' ? key.replace(/[^!-~]/gu, encodeURIComponent) : encodedKey(key)
  return `s3a://${bucket}/${path}`
}
