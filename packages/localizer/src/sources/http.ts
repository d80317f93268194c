/** `http` and `https`: plain GETs with the credentials, authorities and addresses that the plan gives for an origin. */
import type { OutgoingHttpHeaders } from 'node:http'
import type { SecureContext } from 'node:tls'
import { HttpClient, type HttpResponse, type ProxyFor, shown, trustContext } from '@supercargo/transfer'
import { openedAnswer } from './answer.ts'
import { type OriginSettings, readCredentials } from './credentials.ts'
import type { Redactor } from './secret-text.ts'
import type { Facts, Opened, OpenOptions, Source, SourceItem } from './source.ts'

/** Hops before a chain of redirects is taken for a loop. */
export const redirectsMax = 10

export interface HttpSourceOptions {
  /** Settings by origin, as in the plan. */
  readonly origins: Readonly<Record<string, OriginSettings>>
  readonly idleTimeoutMs: number
  /** Connections to one origin. */
  readonly socketsMax: number
  readonly redactor: Redactor
  readonly proxyFor?: ProxyFor | undefined
}

export function createHttpSource(options: HttpSourceOptions): Source {
  const settingsOf = (url: URL): OriginSettings => options.origins[url.origin] ?? {}
  const credentials = new Map<string, Promise<Record<string, string>>>()
  const contexts = contextsOf(options.origins)
  // What is for one origin is for no other, on the way of a redirect neither: the client asks for each hop.
  const client = new HttpClient({
    trust: (url) => contexts.get(url.origin),
    policy: (url) => ({ metadata: settingsOf(url).allowMetadata === true, own: true }),
    proxyFor: options.proxyFor,
    idleTimeoutMs: options.idleTimeoutMs,
    socketsMax: options.socketsMax,
  })

  const credentialsFor = (item: SourceItem, url: URL): Promise<Record<string, string>> => {
    const key = JSON.stringify([url.origin, item.secretFile])
    let found = credentials.get(key)
    if (found === undefined) {
      found = readCredentials(settingsOf(url), item.secretFile, options.redactor)
      found.catch(() => credentials.delete(key))
      credentials.set(key, found)
    }
    return found
  }

  const get = async (item: SourceItem, url: URL, open: OpenOptions): Promise<HttpResponse> => {
    const fields = await credentialsFor(item, url)
    const headers = (hop: URL): OutgoingHttpHeaders => ({
      'accept-encoding': 'identity',
      ...rangeFields(open),
      ...(hop.origin === url.origin ? fields : {}),
    })
    return await client.request({ url, headers, redirectsMax, signal: open.signal })
  }

  return {
    ranges: true,
    identity: (item) => `${withoutUser(urlOf(item))} ${item.secretFile ?? ''}`,
    shown: (item) => shown(urlOf(item)),
    // A HEAD would cost a round trip for every file, and a presigned GET does not allow it: the size comes with the bytes.
    stat: async (): Promise<Facts> => ({}),
    open: async (item, open): Promise<Opened> => {
      const url = urlOf(item)
      const response = await get(item, url, open)
      if (response.status !== 401) return openedAnswer(response, open)
      const before = await credentialsFor(item, url)
      credentials.clear()
      const changed = JSON.stringify(before) !== JSON.stringify(await credentialsFor(item, url))
      if (!changed) return openedAnswer(response, open)
      response.discard()
      return openedAnswer(await get(item, url, open), open)
    },
    close: () => client.close(),
  }
}

/** All of them, before any connection: a file that is missing or damaged is the plan's fault and no server's. */
function contextsOf(origins: HttpSourceOptions['origins']): Map<string, SecureContext> {
  const contexts = new Map<string, SecureContext>()
  for (const [origin, { caFile, certFile, keyFile }] of Object.entries(origins)) {
    const certificate = certFile === undefined || keyFile === undefined ? undefined : { certFile, keyFile }
    const context = trustContext(caFile === undefined ? [] : [caFile], certificate)
    if (context !== undefined) contexts.set(origin, context)
  }
  return contexts
}

/** Under If-Range what has changed comes whole, which the caller sees; a part of it would be of no use, so it is refused. */
function rangeFields({ offset, end, etag }: OpenOptions): OutgoingHttpHeaders {
  if (end !== undefined)
    return { range: `bytes=${offset}-${end - 1}`, ...(etag === undefined ? {} : { 'if-match': etag }) }
  if (offset === 0) return {}
  return { range: `bytes=${offset}-`, ...(etag === undefined ? {} : { 'if-range': etag }) }
}

function urlOf(item: SourceItem): URL {
  if (item.kind !== 'uri') throw new TypeError('not a URI')
  return new URL(item.uri)
}

function withoutUser(url: URL): string {
  const plain = new URL(url)
  plain.username = ''
  plain.password = ''
  return plain.href
}
