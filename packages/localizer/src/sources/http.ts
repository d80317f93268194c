/** `http` and `https`: plain GETs with the headers and authorities that the plan gives for an origin. */
import type { OutgoingHttpHeaders } from 'node:http'
import { HttpClient, type HttpResponse, shown, trustContext } from '@supercargo/transfer'
import { openedAnswer } from './answer.ts'
import { type Redactor, readHeaders, readSecret } from './secret-text.ts'
import type { Facts, Opened, OpenOptions, Source, SourceItem } from './source.ts'

/** Hops before a chain of redirects is taken for a loop. */
export const redirectsMax = 10

export interface HttpSourceOptions {
  /** Settings by origin, as in the plan. */
  readonly origins: Readonly<
    Record<string, { readonly headerFile?: string | undefined; readonly caFile?: string | undefined }>
  >
  readonly idleTimeoutMs: number
  readonly socketsMax: number
  readonly redactor: Redactor
}

export function createHttpSource(options: HttpSourceOptions): Source {
  const clients = new Map<string, HttpClient>()
  const credentials = new Map<string, Promise<Record<string, string>>>()

  /** One pool for each set of authorities: an authority that is added for one origin vouches for no other. */
  const clientFor = (origin: string): HttpClient => {
    const caFile = options.origins[origin]?.caFile ?? ''
    let client = clients.get(caFile)
    if (client === undefined) {
      client = new HttpClient({
        trust: trustContext(caFile === '' ? [] : [caFile]),
        idleTimeoutMs: options.idleTimeoutMs,
        socketsMax: options.socketsMax,
      })
      clients.set(caFile, client)
    }
    return client
  }

  const credentialsFor = (item: SourceItem, url: URL): Promise<Record<string, string>> => {
    const headerFile = options.origins[url.origin]?.headerFile
    const secretFile = item.secretFile
    const key = JSON.stringify([headerFile, secretFile])
    let found = credentials.get(key)
    if (found === undefined) {
      found = readCredentials(headerFile, secretFile, options.redactor)
      found.catch(() => credentials.delete(key))
      credentials.set(key, found)
    }
    return found
  }

  const get = async (item: SourceItem, url: URL, open: OpenOptions): Promise<HttpResponse> => {
    const fields = await credentialsFor(item, url)
    const headers = (hop: URL): OutgoingHttpHeaders => ({
      'accept-encoding': 'identity',
      ...(open.offset > 0 ? { range: `bytes=${open.offset}-` } : {}),
      ...(open.offset > 0 && open.etag !== undefined ? { 'if-range': open.etag } : {}),
      ...(hop.origin === url.origin ? fields : {}),
    })
    return await clientFor(url.origin).request({ url, headers, redirectsMax, signal: open.signal })
  }

  return {
    identity: (item) => `${withoutUser(urlOf(item))} ${item.secretFile ?? ''}`,
    shown: (item) => shown(urlOf(item)),
    // A HEAD would cost a round trip for every file, and a presigned GET does not allow it: the size comes with the bytes.
    stat: async (): Promise<Facts> => ({}),
    open: async (item, open): Promise<Opened> => {
      const url = urlOf(item)
      const response = await get(item, url, open)
      if (response.status !== 401) return openedAnswer(response, open.offset)
      const before = await credentialsFor(item, url)
      credentials.clear()
      const changed = JSON.stringify(before) !== JSON.stringify(await credentialsFor(item, url))
      if (!changed) return openedAnswer(response, open.offset)
      response.discard()
      return openedAnswer(await get(item, url, open), open.offset)
    },
    close: () => {
      for (const client of clients.values()) client.close()
    },
  }
}

/** The 2017 server takes the raw secret, without a scheme, in `Authorization`. */
async function readCredentials(
  headerFile: string | undefined,
  secretFile: string | undefined,
  redactor: Redactor,
): Promise<Record<string, string>> {
  const fields = headerFile === undefined ? {} : await readHeaders(headerFile, redactor)
  return secretFile === undefined
    ? fields
    : { ...fields, authorization: (await readSecret(secretFile, redactor)).reveal() }
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
