/** How every call reaches the server: its address with any prefix, who asks, and what an answer must look like. */
import type { OutgoingHttpHeaders } from 'node:http'
import type { SecureContext } from 'node:tls'
import { mediaTypes, parseJson, parseWith, printable, type Secret, SupercargoError } from '@supercargo/protocol'
import { type Body, HttpClient, type HttpResponse, type ProxyFor, shown } from '@supercargo/transfer'
import { problemError } from './problem-error.ts'

/** The parser of an answer: a schema of the protocol package. */
type Schema = Parameters<typeof parseWith>[0]

export interface ConnectionOptions {
  /** `https://host[:port][/prefix]`. */
  readonly server: URL | string
  readonly trust?: SecureContext | undefined
  /** Without it every connection is direct. */
  readonly proxyFor?: ProxyFor | undefined
  /** Who asks, where the server wants to know: for staging and for what admins do. */
  readonly token?: Secret | undefined
  readonly userAgent?: string | undefined
  readonly idleTimeoutMs?: number | undefined
  readonly connectTimeoutMs?: number | undefined
}

export interface Call {
  readonly method?: string
  /** From `routes`. */
  readonly path: string
  readonly query?: Readonly<Record<string, string>>
  readonly headers?: OutgoingHttpHeaders
  /** The resource's own secret; without one the token is shown. */
  readonly secret?: Secret | undefined
  readonly body?: Body
  readonly signal?: AbortSignal | undefined
  /** The statuses that are no failure. */
  readonly expect: readonly number[]
  /** A store may answer a file by a redirect to where its bytes are. */
  readonly redirectsMax?: number
}

/** A manifest of 100 000 files with long names is about 150 MB; no answer of ours is longer. */
const jsonBytesMax = 256 * 2 ** 20

export class Connection {
  readonly server: URL
  readonly #token: Secret | undefined
  readonly #http: HttpClient

  constructor(options: ConnectionOptions) {
    this.server = serverUrl(options.server)
    this.#token = options.token
    this.#http = new HttpClient({
      trust: options.trust,
      proxyFor: options.proxyFor,
      userAgent: options.userAgent ?? 'supercargo',
      policy: { metadata: false, own: true },
      ...(options.idleTimeoutMs === undefined ? {} : { idleTimeoutMs: options.idleTimeoutMs }),
      ...(options.connectTimeoutMs === undefined ? {} : { connectTimeoutMs: options.connectTimeoutMs }),
    })
  }

  /** One exchange, tried once. Resolves when the status is expected; every other answer is thrown as the error it describes. */
  async call(call: Call): Promise<HttpResponse> {
    const url = new URL(this.server)
    url.pathname = `${url.pathname.replace(/\/$/, '')}${call.path}`
    for (const [name, value] of Object.entries(call.query ?? {})) url.searchParams.set(name, value)
    const credential = call.secret ?? this.#token
    const response = await this.#http.request({
      method: call.method ?? 'GET',
      url,
      // Elsewhere neither the credential nor the entity tag of this server means anything.
      headers: (target) =>
        target.origin !== url.origin
          ? { ...call.headers, 'if-range': undefined }
          : { ...call.headers, ...(credential !== undefined && { authorization: `Bearer ${credential.reveal()}` }) },
      signal: call.signal,
      ...(call.body === undefined ? {} : { body: call.body }),
      ...(call.redirectsMax === undefined ? {} : { redirectsMax: call.redirectsMax }),
    })
    if (call.expect.includes(response.status)) return response
    throw await problemError(response)
  }

  /** A call whose answer is JSON of this schema. `send` is the request's JSON. */
  async json<S extends Schema>(
    schema: S,
    call: Call & { readonly send?: unknown },
  ): Promise<ReturnType<typeof parseWith<S>>> {
    const response = await this.call({
      ...call,
      headers: {
        accept: mediaTypes.json,
        ...(call.send === undefined ? {} : { 'content-type': mediaTypes.json }),
        ...call.headers,
      },
      ...(call.send === undefined ? {} : { body: JSON.stringify(call.send) }),
    })
    const type = response.headers['content-type'] ?? ''
    const text = await response.text(jsonBytesMax)
    if (!type.startsWith(mediaTypes.json)) {
      throw new SupercargoError(
        'corrupt',
        'not-a-staging-server',
        `${shown(response.url)} answered ${type === '' ? 'without a type' : printable(type)} where JSON was expected`,
        { hint: 'is --server the address of a staging server, and its path prefix complete?' },
      )
    }
    return parseAnswer(schema, text, shown(response.url))
  }

  /** A call whose answer has no content that matters. */
  async run(call: Call): Promise<HttpResponse> {
    const response = await this.call(call)
    response.discard()
    return response
  }

  /** Closes idle connections; running exchanges go on. */
  close(): void {
    this.#http.close()
  }
}

/** A staging server's address, checked. */
export function serverUrl(server: URL | string): URL {
  const url = URL.canParse(String(server)) ? new URL(server) : undefined
  if (url === undefined || !['http:', 'https:'].includes(url.protocol)) {
    throw new SupercargoError('invalid', 'bad-server', `the server address ${printable(String(server))} is not a URL`, {
      hint: 'write http://host:port or https://host/prefix',
    })
  }
  if (url.username !== '' || url.password !== '') {
    throw new SupercargoError('unsafe', 'credentials-in-url', `the address of ${url.host} holds a user or a password`, {
      hint: 'credentials belong in a file: use --token-file',
    })
  }
  url.search = ''
  url.hash = ''
  return url
}

/** What a server says is outside data too; when it is not as agreed, that is the server's fault and not the caller's. */
function parseAnswer<S extends Schema>(schema: S, text: string, source: string): ReturnType<typeof parseWith<S>> {
  try {
    return parseWith(schema, parseJson(text, 'it'), 'it')
  } catch (error) {
    throw new SupercargoError('corrupt', 'bad-answer', `the answer of ${source} is not what was agreed`, {
      cause: error,
      hint: 'do client and server have the same version?',
    })
  }
}
