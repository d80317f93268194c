/** How keys and parameters are written in URLs, as signatures want them. */

/** Everything but the unreserved characters of RFC 3986 and the slash is encoded, as signatures want it. */
export function encodedKey(key: string): string {
  return key.split('/').map(encoded).join('/')
}

export function encoded(text: string): string {
  return encodeURIComponent(text.toWellFormed()).replace(
    /[!'()*]/g,
    (each) => `%${each.charCodeAt(0).toString(16).toUpperCase()}`,
  )
}
