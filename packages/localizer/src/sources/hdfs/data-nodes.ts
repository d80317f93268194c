/** Where a NameNode points to: the DataNodes that hold the bytes, found by address where no name server knows them. */
import type { SecureContext } from 'node:tls'
import { SupercargoError } from '@supercargo/protocol'
import { HttpClient, type HttpResponse, shown } from '@supercargo/transfer'
import type { Redactor } from '../secret-text.ts'
import type { HostAddresses } from './host-addresses.ts'
import { refusal } from './remote-exception.ts'

export interface DataNodesOptions {
  trust(url: URL): SecureContext | undefined
  readonly idleTimeoutMs: number
  readonly socketsMax: number
  readonly addresses: HostAddresses
  /** Request fields of a gateway, by its origin. */
  headersFor(origin: string): Promise<Readonly<Record<string, string>>>
  readonly redactor: Redactor
}

/** Bytes of a file as a server sends them. */
export interface DataAnswer {
  readonly response: HttpResponse
  /** The host that sends them, to be left out when it fails. */
  readonly host: string
}

/** The addresses of the hosts that hold what was asked for, by name, as the NameNode knows them. */
export type AddressesOf = () => Promise<ReadonlyMap<string, string>>

/** Of one OPEN: a NameNode points to a DataNode; a gateway may point to itself first. */
const redirectsMax = 3

export class DataNodes {
  readonly #options: DataNodesOptions
  /** By whether they may be on this machine; a redirect from elsewhere may not lead here. */
  readonly #clients = new Map<boolean, HttpClient>()

  constructor(options: DataNodesOptions) {
    this.#options = options
  }

  /** The answer that carries bytes: `asked` itself, or the one where it points to. No credential goes along. */
  async follow(asked: HttpResponse, addressesOf: AddressesOf, signal: AbortSignal | undefined): Promise<DataAnswer> {
    if (!isRedirect(asked)) return { response: asked, host: asked.url.hostname }
    const { origin, hostname } = asked.url
    const own = await this.#options.addresses.isOwn(hostname)
    let response = asked
    for (let hop = 0; isRedirect(response); hop++) {
      const url = redirectOf(response, hop)
      response.discard()
      // A NameNode that believed a ticket puts a token of its own into the URL.
      for (const token of url.searchParams.getAll('delegation')) this.#options.redactor.add(token)
      const headers = url.origin === origin ? await this.#options.headersFor(origin) : {}
      response = await this.#request({ url, headers, signal }, own, addressesOf)
    }
    if (response.status === 200 || response.status === 206) return { response, host: response.url.hostname }
    throw fromDataNode(await refusal(response), response.url)
  }

  close(): void {
    for (const client of this.#clients.values()) client.close()
  }

  async #request(
    request: { url: URL; headers: Readonly<Record<string, string>>; signal: AbortSignal | undefined },
    own: boolean,
    addressesOf: AddressesOf,
  ): Promise<HttpResponse> {
    const { url, signal } = request
    const { trust, idleTimeoutMs, socketsMax, addresses } = this.#options
    const policy = { metadata: false, own, hosts: addresses.known }
    const client = this.#clients.get(own) ?? new HttpClient({ trust, idleTimeoutMs, socketsMax, policy })
    this.#clients.set(own, client)
    try {
      return await client.request(request)
    } catch (error) {
      if (!SupercargoError.is(error) || signal?.aborted) throw error
      if (!isUnknown(error) || addresses.known.has(url.hostname)) throw fromDataNode(error, url)
      const address = (await addressesOf()).get(url.hostname)
      if (address === undefined) throw fromDataNode(error, url)
      addresses.known.set(url.hostname, address)
    }
    return await client.request(request).catch((error: unknown) => {
      throw SupercargoError.is(error) && !signal?.aborted ? fromDataNode(error, url) : error
    })
  }
}

export function isRedirect({ status }: HttpResponse): boolean {
  return status === 307 || status === 302 || status === 303
}

/** Its query is a credential: no message has it. */
function redirectOf(response: HttpResponse, hop: number): URL {
  const from = shown(response.url)
  const location = response.headers.location
  const refused = (code: string, why: string): SupercargoError => {
    response.discard()
    return new SupercargoError('unsafe', code, `${from} ${why}`)
  }
  if (location === undefined || !URL.canParse(location, response.url.href))
    throw refused('bad-redirect', 'redirects without a usable Location')
  if (hop >= redirectsMax) throw refused('too-many-redirects', `redirects more than ${redirectsMax} times`)
  const url = new URL(location, response.url)
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    throw refused('bad-redirect', `redirects to the scheme ${url.protocol}`)
  if (response.url.protocol === 'https:' && url.protocol === 'http:')
    throw refused('insecure-redirect', `redirects from https to http (${url.host})`)
  return url
}

function fromDataNode(error: SupercargoError, url: URL): SupercargoError {
  const unknown = isUnknown(error)
  return new SupercargoError(error.kind, unknown ? 'datanode-not-found' : error.code, `DataNode ${error.message}`, {
    cause: error.cause,
    status: error.status,
    retryAfterMs: error.retryAfterMs,
    hint: unknown
      ? `the NameNode sends its clients to ${url.hostname}: give its address by hadoop.hostAliases, or use an HttpFS`
      : error.hint,
    context: { ...error.context, dataNode: url.hostname },
  })
}

function isUnknown({ code }: SupercargoError): boolean {
  return code === 'host-not-found' || code === 'dns-failed'
}
