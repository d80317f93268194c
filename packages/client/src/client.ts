/** The SDK of the staging server: one object with everything that can be asked of it. */
import type {
  CapabilityResponse,
  CollectorStatus,
  Explanation,
  Listing,
  Manifest,
  Owner,
  TokenListing,
  TokenResponse,
} from '@supercargo/protocol'
import { type Clock, type HttpResponse, type RetryOptions, systemClock } from '@supercargo/transfer'
import { Connection, type ConnectionOptions } from './connection.ts'
import { type OpenBundleRequest, type OpenFileRequest, openBundle, openFile } from './download.ts'
import { type FetchedResource, type FetchRequest, fetchFiles } from './fetch.ts'
import type { ListCall, ResourceCall } from './inspect.ts'
import * as inspect from './inspect.ts'
import { type StagedResource, type StageRequest, stage } from './stage.ts'
import type { CreateTokenCall, ListTokensCall, RevokeTokenCall } from './tokens.ts'
import * as tokens from './tokens.ts'

export interface StagingClientOptions extends ConnectionOptions {
  readonly clock?: Clock | undefined
  /** Failures of `stage` and `fetch` in a row, without progress between them, until they give up. */
  readonly attemptsMax?: number | undefined
  /** For one `stage` or `fetch`: no new try begins later than this. */
  readonly deadlineMs?: number | undefined
  /** Hears of each failed try of `stage` and `fetch` that is repeated. */
  readonly onRetry?: RetryOptions['onRetry'] | undefined
}

/**
 * `stage` and `fetch` try again what can be tried again. Every other method is one exchange, tried once. Every failure is
 * a `SupercargoError`; what the server said is kept as kind, code, message and hint.
 */
export interface StagingClient {
  readonly server: URL
  stage(request: StageRequest): Promise<StagedResource>
  fetch(request: FetchRequest): Promise<FetchedResource>
  openFile(request: OpenFileRequest): Promise<HttpResponse>
  openBundle(request: OpenBundleRequest): Promise<HttpResponse>
  manifest(call: ResourceCall): Promise<Manifest>
  explain(call: ResourceCall): Promise<Explanation>
  bindOwner(call: ResourceCall & { readonly owner: Owner | readonly Owner[] }): Promise<void>
  release(call: ResourceCall): Promise<void>
  list(call?: ListCall): Promise<Listing>
  collectorStatus(signal?: AbortSignal): Promise<CollectorStatus>
  collectorRelease(signal?: AbortSignal): Promise<void>
  createCapability(call: ResourceCall & { readonly expiresAt?: string | undefined }): Promise<CapabilityResponse>
  revokeCapability(call: ResourceCall & { readonly name: string }): Promise<void>
  createToken(call: CreateTokenCall): Promise<TokenResponse>
  listTokens(call?: ListTokensCall): Promise<TokenListing>
  revokeToken(call: RevokeTokenCall): Promise<void>
  /** Closes idle connections. */
  close(): void
}

/**
 * With the delays between them, more than a minute for a server that does not answer at all: as long as one takes that drains,
 * moves to another node with its volume, and starts again.
 */
const attemptsMaxDefault = 20

export function createClient(options: StagingClientOptions): StagingClient {
  const connection = new Connection(options)
  const clock = options.clock ?? systemClock
  const retry = (): RetryOptions => ({
    attemptsMax: options.attemptsMax ?? attemptsMaxDefault,
    clock,
    ...(options.onRetry === undefined ? {} : { onRetry: options.onRetry }),
    deadlineAtMs: options.deadlineMs === undefined ? undefined : clock.monotonic() + options.deadlineMs,
  })
  return {
    server: connection.server,
    stage: (request) => stage(connection, request, retry()),
    fetch: (request) => fetchFiles(connection, request, retry()),
    openFile: (request) => openFile(connection, request),
    openBundle: (request) => openBundle(connection, request),
    manifest: (call) => inspect.manifest(connection, call),
    explain: (call) => inspect.explain(connection, call),
    bindOwner: (call) => inspect.bindOwner(connection, call),
    release: (call) => inspect.release(connection, call),
    list: (call) => inspect.list(connection, call),
    collectorStatus: (signal) => inspect.collectorStatus(connection, signal),
    collectorRelease: (signal) => inspect.collectorRelease(connection, signal),
    createCapability: (call) => inspect.createCapability(connection, call),
    revokeCapability: (call) => inspect.revokeCapability(connection, call),
    createToken: (call) => tokens.createToken(connection, call),
    listTokens: (call) => tokens.listTokens(connection, call),
    revokeToken: (call) => tokens.revokeToken(connection, call),
    close: () => connection.close(),
  }
}
