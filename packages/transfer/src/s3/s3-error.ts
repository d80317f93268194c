/** What an S3 store answers when it does not give bytes, as our kinds: by its code where it has one, else by the status. */
import type { IncomingHttpHeaders } from 'node:http'
import { type ErrorKind, printable, SupercargoError } from '@supercargo/protocol'
import { fromStatus } from '../http-error.ts'

/** An answer that is an error, as far as it says what it is. */
export interface S3Failure {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  /** Empty when the body is not S3's. */
  readonly code: string
  readonly message: string
  /** The region that the store wants instead. */
  readonly region: string | undefined
}

export interface AskedFor {
  /** The URI, as it is shown. */
  readonly shown: string
  readonly key: string
  /** Whose credentials were sent. */
  readonly from: string
  readonly region: string
}

interface Row {
  readonly kind: ErrorKind
  readonly code: string
  readonly says: string
  readonly hint?: string
}

const busy: Row = { kind: 'unavailable', code: 's3-busy', says: 'the store is busy' }
const refusedKeys = 'are they of this store, complete, and not deleted?'
const newToken = 'temporary credentials end; give new ones, or a provider that renews them'

/** By the store's own code. What is not here is decided by the status. */
const rows: Readonly<Record<string, Row>> = {
  AccessDenied: {
    kind: 'denied',
    code: 's3-access-denied',
    says: 'access denied',
    hint: 'may this identity read the object (s3:GetObject)? without s3:ListBucket an object that does not exist is denied too; a bucket whose reader pays needs fs.s3a.requester.pays.enabled=true',
  },
  AllAccessDisabled: { kind: 'denied', code: 's3-access-denied', says: 'all access is disabled' },
  AccountProblem: { kind: 'denied', code: 's3-access-denied', says: 'there is a problem with the account' },
  InvalidAccessKeyId: {
    kind: 'denied',
    code: 's3-unknown-key',
    says: 'the access key is not known',
    hint: refusedKeys,
  },
  SignatureDoesNotMatch: {
    kind: 'denied',
    code: 's3-wrong-signature',
    says: 'the signature does not match',
    hint: 'is the secret key right, and does nothing in between rewrite the request?',
  },
  ExpiredToken: { kind: 'denied', code: 's3-expired-token', says: 'the session token has expired', hint: newToken },
  ExpiredTokenException: {
    kind: 'denied',
    code: 's3-expired-token',
    says: 'the session token has expired',
    hint: newToken,
  },
  TokenRefreshRequired: {
    kind: 'denied',
    code: 's3-expired-token',
    says: 'the session token has expired',
    hint: newToken,
  },
  InvalidToken: { kind: 'denied', code: 's3-invalid-token', says: 'the session token is not valid', hint: newToken },
  RequestTimeTooSkewed: {
    kind: 'denied',
    code: 's3-clock-skewed',
    says: "this machine's clock and the store's differ too much",
    hint: 'set the clock of the node',
  },
  NoSuchKey: {
    kind: 'notFound',
    code: 's3-no-such-key',
    says: 'there is no such object',
    hint: 'a folder is written with a slash at its end',
  },
  NoSuchVersion: { kind: 'notFound', code: 's3-no-such-version', says: 'there is no such version' },
  NoSuchBucket: {
    kind: 'notFound',
    code: 's3-no-such-bucket',
    says: 'there is no such bucket',
    hint: 'is this the endpoint (fs.s3a.endpoint), and is the bucket in the path or in the host name (fs.s3a.path.style.access)?',
  },
  InvalidBucketName: { kind: 'invalid', code: 's3-bad-bucket', says: 'the bucket cannot have this name' },
  InvalidObjectState: {
    kind: 'denied',
    code: 's3-archived',
    says: 'the object is archived',
    hint: 'restore it from its storage class first',
  },
  ...named(
    ['AuthorizationHeaderMalformed', 'PermanentRedirect', 'TemporaryRedirect', 'IllegalLocationConstraintException'],
    {
      kind: 'invalid',
      code: 's3-wrong-region',
      says: 'the bucket is in another region',
      hint: 'set fs.s3a.endpoint.region (or fs.s3a.bucket.NAME.endpoint.region) to the region of the bucket',
    },
  ),
  ...named(
    [
      'SlowDown',
      'ServiceUnavailable',
      'Throttling',
      'ThrottlingException',
      'RequestLimitExceeded',
      'BandwidthLimitExceeded',
      'RequestTimeout',
      'RequestTimeoutException',
      'InternalError',
      'OperationAborted',
      'XAmzServerBusy',
    ],
    busy,
  ),
}

/** Reads what the store says from an error's body: XML, or whatever a proxy has put there. */
export function failureOf(status: number, headers: IncomingHttpHeaders, body: string): S3Failure {
  const inside = /<Error\b[^>]*>([\s\S]*)<\/Error>/.exec(body)?.[1] ?? ''
  const field = (name: string): string =>
    unescapedXml(new RegExp(`<${name}>([^<]*)</${name}>`).exec(inside)?.[1] ?? '').slice(0, 300)
  const region = single(headers['x-amz-bucket-region']) ?? (field('Region') || undefined)
  return {
    status,
    headers,
    code: field('Code'),
    message: field('Message'),
    region: region !== undefined && /^[a-z0-9-]{1,40}$/i.test(region) ? region : undefined,
  }
}

export function s3Error(failure: S3Failure, asked: AskedFor): SupercargoError {
  const { status, headers, code, message } = failure
  const { shown, from } = asked
  if (headers['x-amz-delete-marker'] === 'true')
    return new SupercargoError('notFound', 's3-deleted', `${shown}: the object was deleted`, {
      hint: 'name a version with ?versionId=, or stage it again',
    })
  if (status === 412) return new SupercargoError('corrupt', 'source-changed', `${shown} changed while it was fetched`)
  const row = rows[code] ?? encryption(failure) ?? (code === '' ? redirect(failure) : undefined)
  if (row === undefined) return byStatus(failure, asked)
  const word = printable(message === '' ? code : `${code}: ${message}`).slice(1, -1)
  const whose = row.kind === 'denied' ? ` with the credentials of ${from}` : ''
  const wanted =
    row.code === 's3-wrong-region' && failure.region !== undefined ? ` (${failure.region}, not ${asked.region})` : ''
  return new SupercargoError(row.kind, row.code, `${shown}: ${row.says}${wanted}${whose} (${status} ${word})`, {
    hint: emptyParts(row, asked) ?? row.hint,
    context: { status, ...(code === '' ? {} : { s3Code: code }) },
    ...(row.kind === 'denied' ? { status } : {}),
    ...(row.kind === 'unavailable' ? { retryAfterMs: fromStatus(503, headers, shown).retryAfterMs } : {}),
  })
}

/** Without a code that is known the status decides; a page in HTML is probably not from a store at all. */
function byStatus(failure: S3Failure, { shown }: AskedFor): SupercargoError {
  const { status, headers, code, message } = failure
  const error = fromStatus(status, headers, shown, code === '' ? '' : `${code}: ${message}`)
  const page = code === '' && /html/i.test(headers['content-type'] ?? '')
  const hint = page
    ? 'the answer is a page, not one of S3: is fs.s3a.endpoint the address of the store, and no proxy or console?'
    : error.kind === 'notFound' && code === ''
      ? 'is fs.s3a.endpoint the address of the store?'
      : undefined
  return new SupercargoError(error.kind, error.code, error.message, {
    hint,
    status: error.status,
    context: { ...error.context, ...(code === '' ? {} : { s3Code: code }) },
    retryAfterMs: error.retryAfterMs,
  })
}

/** What has to do with keys of encryption is said in the message alone. */
function encryption({ status, code, message }: S3Failure): Row | undefined {
  if (/^KMS\./.test(code))
    return {
      kind: 'denied',
      code: 's3-key-denied',
      says: 'the key service refuses',
      hint: 'this identity needs kms:Decrypt for the key of the object',
    }
  if (status !== 400 || !/server.side encryption|customer.*key|sse-?c/i.test(message)) return undefined
  return {
    kind: 'denied',
    code: 's3-encrypted',
    says: "the object is encrypted with a customer's key",
    hint: 'set fs.s3a.encryption.algorithm=SSE-C and fs.s3a.encryption.key',
  }
}

function redirect({ status, region }: S3Failure): Row | undefined {
  if (region !== undefined && (status === 301 || status === 307 || status === 400)) return rows.PermanentRedirect
  if (status < 300 || status >= 400) return undefined
  return {
    kind: 'unsafe',
    code: 's3-redirect',
    says: 'the answer leads to another place, and signed requests do not follow',
    hint: 'set fs.s3a.endpoint to the address of the store itself',
  }
}

/** Hadoop drops empty parts of a path, so that such an address may have worked there. */
function emptyParts(row: Row, { key }: AskedFor): string | undefined {
  if (row.code !== 's3-no-such-key' || !(key.startsWith('/') || key.includes('//'))) return undefined
  return 'the key is read as it is written, with its empty parts ("//")'
}

function named(codes: readonly string[], row: Row): Record<string, Row> {
  return Object.fromEntries(codes.map((code) => [code, row]))
}

function single(field: string | string[] | undefined): string | undefined {
  return Array.isArray(field) ? field[0] : field
}

function unescapedXml(text: string): string {
  const entities: Readonly<Record<string, string>> = { lt: '<', gt: '>', quot: '"', apos: "'", amp: '&' }
  return text.replace(/&(lt|gt|quot|apos|amp);/g, (_, name: string) => entities[name]!)
}
