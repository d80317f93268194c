/** `s3:`, `s3a:` and `s3n:` URIs: a bucket with one key, a folder of keys, or a pattern. */
import { printable, SupercargoError } from '@supercargo/protocol'
import { encodedKey } from '@supercargo/transfer/s3'
import { isPattern, patternsOf, segmentMatcher } from '../glob.ts'

export interface S3Uri {
  readonly bucket: string
  readonly names: 'one' | 'folder' | 'pattern'
  /** The key; of a folder, what all its keys begin with; of a pattern, its text as it is written. */
  readonly key: string
  /** From `?versionId=`: this version and no other. */
  readonly versionId: string | undefined
  /** Of a pattern, one for each way that its braces can be read. */
  readonly patterns: readonly KeyPattern[]
}

export interface KeyPattern {
  /** What every match begins with. */
  readonly prefix: string
  /** All matches are right below the prefix: what is deeper need not be looked at. */
  readonly isLevel: boolean
  matches(key: string): boolean
}

/**
 * Percent signs are decoded once, as Spark does; a sign of a pattern that is percent-encoded is part of the name. Not by `URL`,
 * which takes `..` apart. Throws kind `invalid`; no message holds a query or what stands before an `@`.
 */
export function parseS3Uri(uri: string): S3Uri {
  const match = /^s3[an]?:\/\/([^/?#]*)(?:\/([^?#]*))?(?:\?([^#]*))?/is.exec(uri)
  if (match === null) throw bad(uri, 'is not s3a://bucket/key')
  const [, bucket = '', path = '', query] = match
  checkBucket(uri, bucket)
  const versionId = versionOf(uri, query)
  const key = decoded(path)
  const names = isPattern(path) ? 'pattern' : key === '' || key.endsWith('/') ? 'folder' : 'one'
  if (names !== 'one' && versionId !== undefined) throw bad(uri, 'names a version of many files')
  if (names === 'pattern') return { bucket, names, key: path, versionId, patterns: patternsOf(path).map(keyPattern) }
  if (key.split('/').some((part) => part === '.' || part === '..'))
    throw bad(uri, 'has a "." or ".." part, which HTTP takes for a path of its own')
  return { bucket, names, key, versionId, patterns: [] }
}

/** The URI that reads exactly this key. */
export function s3Uri(bucket: string, key: string): string {
  return `s3a://${bucket}/${encodedKey(key)}`
}

function keyPattern(text: string): KeyPattern {
  const segments = text.split('/').map((segment) => segmentMatcher(segment, decoded))
  const sign = text.search(/[*[]/)
  const prefix = decoded(sign < 0 ? text : text.slice(0, sign))
  return {
    prefix,
    isLevel: sign < 0 || !text.slice(sign).includes('/'),
    matches: (key) => {
      const parts = key.split('/')
      return parts.length === segments.length && parts.every((part, index) => segments[index]!.test(part))
    },
  }
}

/** A percent sign that encodes nothing is itself. */
function decoded(text: string): string {
  return text.replace(/(?:%[0-9a-f]{2})+/gi, (run) => {
    try {
      return decodeURIComponent(run)
    } catch {
      // Not UTF-8: then these are the characters of the name.
      return run
    }
  })
}

function checkBucket(uri: string, bucket: string): void {
  if (bucket.includes('@'))
    throw bad(uri, 'has credentials in it', 'set fs.s3a.access.key and fs.s3a.secret.key where nobody reads them')
  if (!/^[a-z0-9][a-z0-9._-]{1,254}$/i.test(bucket)) throw bad(uri, 'has no bucket that S3 would allow')
  if (bucket.endsWith('--x-s3'))
    throw bad(uri, 'names a directory bucket (S3 Express), which needs sessions that are not supported here')
}

function versionOf(uri: string, query: string | undefined): string | undefined {
  if (query === undefined || query === '') return undefined
  const match = /^versionId=([^&=]+)$/.exec(query)
  if (match !== null) return match[1]
  throw bad(uri, 'has a query other than versionId', 'write %3F where the question mark is part of a name')
}

function bad(uri: string, fault: string, hint?: string): SupercargoError {
  const safe = uri.replace(/[?#].*$/s, '').replace(/\/\/[^/]*@/, '//')
  return new SupercargoError('invalid', 'bad-uri', `the URI ${printable(safe)} ${fault}`, { hint })
}
