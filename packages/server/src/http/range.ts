/** Which bytes a request asks for: Range, If-Range, If-None-Match and If-Match of RFC 9110, as a pure decision. */

export interface RangeHeaders {
  readonly range?: string | undefined
  readonly 'if-range'?: string | undefined
  readonly 'if-none-match'?: string | undefined
  readonly 'if-match'?: string | undefined
}

export type Selection =
  | { readonly status: 200 }
  /** `end` is exclusive. */
  | { readonly status: 206; readonly start: number; readonly end: number }
  | { readonly status: 304 }
  | { readonly status: 412 }
  | { readonly status: 416 }

/** `etag` is strong and quoted. Preconditions are judged before the range (RFC 9110 section 13.2.2). */
export function selectBytes(headers: RangeHeaders, etag: string, sizeBytes: number): Selection {
  const ifMatch = headers['if-match']
  if (ifMatch !== undefined && !listed(ifMatch, etag, false)) return { status: 412 }
  const ifNoneMatch = headers['if-none-match']
  if (ifNoneMatch !== undefined && listed(ifNoneMatch, etag, true)) return { status: 304 }
  if (headers.range === undefined) return { status: 200 }
  // A date never validates: there is no Last-Modified, the digest says more.
  if (headers['if-range'] !== undefined && headers['if-range'].trim() !== etag) return { status: 200 }
  return parseRange(headers.range, sizeBytes)
}

/**
 * One range of bytes. Anything that is not exactly one well-formed range of bytes is ignored, as RFC 9110 section 14.2
 * allows: a list of ranges is answered by the whole, which costs the server nothing more.
 */
function parseRange(field: string, sizeBytes: number): Selection {
  const match = /^bytes[ \t]*=[ \t]*(\d{0,20})-(\d{0,20})[ \t]*$/i.exec(field)
  if (match === null || (match[1] === '' && match[2] === '')) return { status: 200 }
  const first = match[1] === '' ? undefined : Number(match[1])
  const last = match[2] === '' ? undefined : Number(match[2])
  if (first === undefined) {
    const start = Math.max(0, sizeBytes - last!)
    return start >= sizeBytes ? { status: 416 } : { status: 206, start, end: sizeBytes }
  }
  if (last !== undefined && last < first) return { status: 200 }
  if (first >= sizeBytes) return { status: 416 }
  return { status: 206, start: first, end: last === undefined ? sizeBytes : Math.min(last + 1, sizeBytes) }
}

/** Whether an entity tag is in a list such as `"a", W/"b"` or `*`. Weak comparison ignores the `W/`. */
function listed(field: string, etag: string, weakly: boolean): boolean {
  if (field.trim() === '*') return true
  return field.split(',').some((item) => {
    const tag = item.trim()
    return tag === etag || (weakly && tag === `W/${etag}`)
  })
}
