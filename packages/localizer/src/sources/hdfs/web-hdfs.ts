/** WebHDFS: asks the NameNodes of one cluster, whichever of them answers, and gets the bytes where they point to. */

import { SupercargoError } from '@supercargo/protocol'
import { HttpClient, type HttpResponse } from '@supercargo/transfer'
import type { Cluster } from './cluster.ts'
import { type DataAnswer, DataNodes, type DataNodesOptions, isRedirect } from './data-nodes.ts'
import {
  type FileChecksum,
  type FileStatus,
  readAddresses,
  readBlockLengths,
  readChecksum,
  readList,
  readPage,
  readStatus,
} from './file-status.ts'
import type { Authenticator } from './proof.ts'
import { refusal } from './remote-exception.ts'

export interface WebHdfsOptions extends DataNodesOptions {
  readonly cluster: Cluster
  readonly authenticator: Authenticator
}

/** What is a reason to ask the next NameNode: this one does not answer, or is not the active one. */
const passedOn = new Set([
  'namenode-standby',
  'connection-refused',
  'connection-failed',
  'connection-lost',
  'connect-timeout',
  'host-not-found',
  'dns-failed',
  'unreachable',
  'http-500',
  'http-502',
  'http-503',
  'http-504',
])

const refusedCodes = new Set(['token-refused', 'authentication-required', 'authentication-failed'])

export class WebHdfs {
  readonly #options: WebHdfsOptions
  readonly #nameNodes: HttpClient
  readonly #dataNodes: DataNodes
  #active = 0

  constructor(options: WebHdfsOptions) {
    const { trust, idleTimeoutMs, socketsMax, addresses } = options
    this.#options = options
    this.#nameNodes = new HttpClient({
      trust,
      idleTimeoutMs,
      socketsMax,
      policy: { metadata: false, own: true, hosts: addresses.known },
    })
    this.#dataNodes = new DataNodes(options)
  }

  async status(path: string, signal: AbortSignal | undefined): Promise<FileStatus> {
    return await readStatus(await this.#ask(path, { op: 'GETFILESTATUS' }, signal))
  }

  /** Entries of a folder in the order of their names, page by page where the server can. */
  async *list(path: string, signal: AbortSignal | undefined): AsyncGenerator<FileStatus> {
    for (let after = ''; ; ) {
      // A NameNode knows the one spelling, an HttpFS the other.
      const query = { op: 'LISTSTATUS_BATCH', startafter: after, startAfter: after }
      const answer = await this.#ask(path, query, signal).catch((error: unknown) => {
        if (SupercargoError.is(error) && error.kind === 'invalid' && after === '') return undefined
        throw error
      })
      // Servers of Hadoop 2 have no pages.
      if (answer === undefined) return yield* await readList(await this.#ask(path, { op: 'LISTSTATUS' }, signal))
      const { entries, remaining } = await readPage(answer)
      yield* entries
      const last = entries.at(-1)?.pathSuffix
      if (remaining === 0 || last === undefined) return
      if (last === after)
        throw new SupercargoError(
          'corrupt',
          'not-webhdfs',
          `the listing of ${path} does not go on after its first page`,
        )
      after = last
    }
  }

  /** `length` bytes from `offset`, from a DataNode that is none of `excluded`: a NameNode knows them by their addresses. */
  async open(
    path: string,
    range: { offset: number; length: number; excluded: readonly string[] },
    signal: AbortSignal | undefined,
  ): Promise<DataAnswer> {
    const { addresses } = this.#options
    const excluded = (await Promise.all(range.excluded.map((host) => addresses.of(host)))).flat()
    const query = {
      op: 'OPEN',
      offset: String(range.offset),
      length: String(range.length),
      ...(excluded.length === 0 ? {} : { excludedatanodes: excluded.join(',') }),
    }
    return await this.#follow(await this.#ask(path, query, signal), path, range.offset, signal)
  }

  async checksum(path: string, signal: AbortSignal | undefined): Promise<FileChecksum> {
    const asked = await this.#ask(path, { op: 'GETFILECHECKSUM' }, signal)
    return await readChecksum((await this.#follow(asked, path, 0, signal)).response)
  }

  /** Undefined from a server that does not tell. */
  async blockLengths(path: string, length: number, signal: AbortSignal | undefined): Promise<number[] | undefined> {
    const query = { op: 'GETFILEBLOCKLOCATIONS', offset: '0', length: String(length) }
    return await this.#ask(path, query, signal).then(readBlockLengths, (error: unknown) => {
      if (SupercargoError.is(error) && error.kind === 'invalid') return undefined
      throw error
    })
  }

  close(): void {
    this.#nameNodes.close()
    this.#dataNodes.close()
  }

  /** The answer of whichever NameNode is active, 200 or a redirect. Each is asked once. */
  async #ask(
    path: string,
    query: Readonly<Record<string, string>>,
    signal: AbortSignal | undefined,
  ): Promise<HttpResponse> {
    const { cluster } = this.#options
    const failures: SupercargoError[] = []
    for (let tried = 0; tried < cluster.endpoints.length; tried++) {
      const index = (this.#active + tried) % cluster.endpoints.length
      try {
        const response = await this.#askOne(cluster.endpoints[index]!, path, query, signal)
        this.#active = index
        return response
      } catch (error) {
        if (!SupercargoError.is(error) || !passedOn.has(error.code) || signal?.aborted) throw error
        failures.push(error)
      }
    }
    throw noNameNode(cluster, failures)
  }

  async #askOne(
    endpoint: string,
    path: string,
    query: Readonly<Record<string, string>>,
    signal: AbortSignal | undefined,
  ): Promise<HttpResponse> {
    const { authenticator, headersFor } = this.#options
    const base = new URL(endpoint)
    for (let again = false; ; again = true) {
      const proof = await authenticator.prove(base)
      const url = new URL(`${endpoint}/webhdfs/v1${path}?${new URLSearchParams({ ...query, ...proof.query })}`)
      const headers = { ...(await headersFor(base.origin)), ...proof.headers }
      const response = await this.#nameNodes.request({ url, headers, signal })
      authenticator.learn(response)
      if (response.status === 200 || isRedirect(response)) return response
      const error = await refusal(response)
      if (again || !refusedCodes.has(error.code) || !(await authenticator.renew(base))) throw error
    }
  }

  #follow(asked: HttpResponse, path: string, offset: number, signal: AbortSignal | undefined): Promise<DataAnswer> {
    const query = { op: 'GETFILEBLOCKLOCATIONS', offset: String(offset), length: '1' }
    const addressesOf = async (): Promise<ReadonlyMap<string, string>> => {
      try {
        return await readAddresses(await this.#ask(path, query, signal))
      } catch (error) {
        // Servers before Hadoop 3 do not tell; the name that is not known is what is reported.
        if (SupercargoError.is(error)) return new Map()
        throw error
      }
    }
    return this.#dataNodes.follow(asked, addressesOf, signal)
  }
}

function noNameNode({ name }: Cluster, failures: readonly SupercargoError[]): SupercargoError {
  const [only] = failures
  const unknown = failures.every(({ code }) => code === 'host-not-found')
  const hint = unknown
    ? `is ${name} a nameservice? then give its hdfs-site.xml by hadoop.confDirectory`
    : 'are these the HTTP addresses of the NameNodes, and is one of them active?'
  return new SupercargoError(
    'unavailable',
    'no-namenode',
    `no NameNode of ${name} answers: ${failures.map(({ message }) => message).join('; ')}`,
    { cause: only, hint, context: { codes: failures.map(({ code }) => code) } },
  )
}
