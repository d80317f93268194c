/** Where a store in a bucket is and how it is asked, from the configuration and the variables that AWS's own programs read. */
import { type Environment, SupercargoError } from '@supercargo/protocol'
import { type Clock, HttpClient, proxiesOf, trustContext } from '@supercargo/transfer'
import { Bucket, type BucketObjects, bucketObjects, CredentialChain, type S3Settings } from '@supercargo/transfer/s3'
import type { S3Place } from './s3-place.ts'

/** What crosses to the collector's thread. */
export interface S3Address extends S3Place {
  readonly endpoint: string | undefined
  readonly region: string | undefined
  readonly pathStyle: boolean | undefined
  readonly caFile: string | undefined
}

export interface OpenBucket {
  readonly objects: BucketObjects
  /** Ends all that is under way. */
  close(): void
}

/** Connections at a time; reads of plain addresses have their own. */
const socketsMax = 128
/** A store that says nothing for so long has lost the request. */
const idleTimeoutMs = 30_000

export function openBucket(
  address: S3Address,
  parts: {
    readonly environment: Environment
    readonly clock: Clock
    readonly onFailure?: (error: SupercargoError) => void
  },
): OpenBucket {
  const { environment, clock, onFailure } = parts
  const settings = settingsOf(address, environment)
  const ends = new AbortController()
  const client = new HttpClient({
    trust: trustContext(address.caFile === undefined ? [] : [address.caFile]),
    proxyFor: proxiesOf(environment),
    policy: { metadata: false, own: true },
    ...{ idleTimeoutMs, socketsMax },
  })
  const now = () => clock.now()
  const learned = () => undefined
  const credentials = new CredentialChain(settings.credentials, { environment, region: settings.region, now, learned })
  const bucket = new Bucket(settings, { client, credentials, now })
  return {
    objects: bucketObjects(bucket, { signal: ends.signal, ...(onFailure !== undefined && { onFailure }) }),
    close: () => {
      ends.abort()
      client.close()
    },
  }
}

function settingsOf(address: S3Address, environment: Environment): S3Settings {
  const written = address.endpoint ?? environment.AWS_ENDPOINT_URL_S3 ?? environment.AWS_ENDPOINT_URL
  const endpoint = written === undefined || written === '' ? undefined : endpointOf(written)
  const region = address.region ?? environment.AWS_REGION ?? environment.AWS_DEFAULT_REGION ?? 'us-east-1'
  const profile = { file: undefined, name: environment.AWS_PROFILE }
  return {
    ...{ bucket: address.bucket, endpoint, region, pathStyle: address.pathStyle },
    ...{ crossRegion: true, secure: true, fips: false, accessPoint: undefined },
    credentials: {
      providers: ['environment', 'web-identity', 'standard-chain'],
      ...{ accessKeyId: undefined, secretAccessKey: undefined, sessionToken: undefined, role: undefined, profile },
    },
    ...{ headers: {}, objectHeaders: {}, secrets: [], proxy: undefined, checksums: false },
  }
}

function endpointOf(text: string): URL {
  if (URL.canParse(text)) {
    const url = new URL(text)
    if (/^https?:$/.test(url.protocol) && url.username === '' && url.search === '') return url
  }
  throw new SupercargoError('invalid', 'bad-store-endpoint', 'the endpoint of the store is no address', {
    hint: 'write --store-endpoint https://host:port, without credentials',
  })
}
