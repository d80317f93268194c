/** A URL as it may be shown in messages and logs. */

/** Without user, query and fragment, which can hold secrets; a capability in the path is cut. */
export function shown(url: URL): string {
  return `${url.origin}${url.pathname.replace(/^(.*\/c\/)[^/]+/, '$1[secret]')}`
}
