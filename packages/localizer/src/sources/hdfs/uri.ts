/** URIs of HDFS: scheme, authority and path, decoded once. No I/O. */
import { printable, SupercargoError } from '@supercargo/protocol'
import { isPattern } from '../glob.ts'

export const hdfsSchemes = ['hdfs', 'webhdfs', 'swebhdfs', 'viewfs'] as const

export interface HdfsUri {
  readonly scheme: (typeof hdfsSchemes)[number]
  /** `nameservice` or `host[:port]` in lower case where it is a host; empty for the default file system. */
  readonly authority: string
  /** Percent-encoded, or a pattern as it is written; begins with `/`, without a `/` at its end. */
  readonly encodedPath: string
  /** It ended in `/`: everything below is meant. */
  readonly isFolder: boolean
}

/** Throws kind `invalid` for what has no path, or more than a path. */
export function parseHdfsUri(uri: string): HdfsUri {
  const match = /^([a-z]+):(?:\/\/([^/?#]*))?(\/[^?#]*)?(\?.*)?$/is.exec(uri.replace(/#.*$/s, ''))
  const scheme = hdfsSchemes.find((name) => name === match?.[1]?.toLowerCase())
  const refused = (why: string, hint?: string): SupercargoError =>
    new SupercargoError('invalid', 'bad-uri', `the URI ${printable(shownText(uri))} ${why}`, { hint })
  if (match === null || scheme === undefined || match[3] === undefined)
    throw refused('is not valid', 'write hdfs://nameservice/path or hdfs:///path')
  const [authority = '', path, query] = match.slice(2)
  if (query !== undefined) throw refused('has a query', 'write %3F for a question mark in a name')
  if (authority.includes('@')) throw refused('names a user', 'name the user in the plan: hadoop.user')
  if (!/^(\[[0-9a-f:.]+\]|[\w.-]*)(:\d{1,5})?$/i.test(authority)) throw refused('has a host that is none')
  const parts = path!.split('/').filter((part) => part !== '')
  if (parts.some((part) => ['.', '..'].includes(decodedPart(part)))) throw refused('has a part "." or ".."')
  if (/[\u0000-\u001f\u007f]/.test(parts.map(decodedPart).join(''))) throw refused('has a control character')
  const normal = isPattern(path!) ? parts : parts.map((part) => encodedPart(decodedPart(part)))
  return { scheme, authority, encodedPath: `/${normal.join('/')}`, isFolder: path!.endsWith('/') }
}

/** One part of a path; a stray `%` is part of the name. */
export function decodedPart(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    // Malformed: nobody encoded it.
    return part
  }
}

export function decodedPath(encodedPath: string): string {
  return encodedPath.split('/').map(decodedPart).join('/')
}

export function encodedPath(path: string): string {
  return path.split('/').map(encodedPart).join('/')
}

/** A `*` would be a sign of a pattern. */
export function encodedPart(part: string): string {
  return encodeURIComponent(part).replaceAll('*', '%2A')
}

/** Without user and query. */
function shownText(uri: string): string {
  return uri.replace(/[?#].*$/s, '').replace(/\/\/[^/]*@/, '//')
}
