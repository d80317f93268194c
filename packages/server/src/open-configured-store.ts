/** The configured store, opened with all that lives in it: files, names, tokens, and whose turn it is to collect. */
import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import type { Environment } from '@supercargo/protocol'
import type { Clock } from '@supercargo/transfer'
import type { StorePlace } from './collector/store-place.ts'
import type { LeaseSettings } from './collector/worker.ts'
import type { BucketConfig, Config } from './config-schema.ts'
import type { Log } from './log.ts'
import type { StoreMaintenance } from './store/maintenance.ts'
import type { NameTree } from './store/name-tree.ts'
import { openStore } from './store/open-store.ts'
import { parseS3Place } from './store/s3/s3-place.ts'
import type { Store } from './store/store.ts'
import type { StoreEvent } from './store/store-events.ts'
import type { StagingTokens } from './tokens/staging-tokens.ts'

export interface OpenStore {
  readonly store: Store & { readonly maintenance: StoreMaintenance }
  readonly names: NameTree
  readonly tokens: StagingTokens
  readonly place: StorePlace
  /** Undefined where no other server could collect, or no cluster is there to take turns by. */
  readonly lease: LeaseSettings | undefined
}

export interface OpenStoreParts {
  readonly environment: Environment
  readonly clock: Clock
  readonly log: Log
  readonly onEvent: (event: StoreEvent) => void
}

const ownNamespaceFile = '/var/run/secrets/kubernetes.io/serviceaccount/namespace'
/** A failure that lasts is in the log this often. */
const failureLogMs = 30_000

export async function openConfiguredStore(config: Config, parts: OpenStoreParts): Promise<OpenStore> {
  const { store: settings, limits } = config
  if (settings.url !== undefined) return openInBucket(config, settings, parts)
  const { directory } = settings
  const { clock, onEvent } = parts
  const opened = await openStore(directory, { limits, clock, onEvent })
  return { ...opened, place: { kind: 'disk', directory }, lease: undefined }
}

/** Loaded only here: who keeps files on a volume does not pay for it. */
async function openInBucket(config: Config, settings: BucketConfig, parts: OpenStoreParts): Promise<OpenStore> {
  const { environment, clock, log, onEvent } = parts
  const { openBucketStore } = await import('./store/s3/open-bucket-store.ts')
  const { endpoint, region, pathStyle, caFile } = settings
  const address = { ...parseS3Place(settings.url), endpoint, region, pathStyle, caFile }
  const lease = await leaseOf(config)
  const { counts, note } = failureLog(log, clock)
  const { limits } = config
  const options = { environment, limits, clock, onEvent, failures: counts, onFailure: note }
  return { ...(await openBucketStore(address, options)), place: { kind: 's3', address }, lease }
}

/** One name for each process: a pod that starts anew is another. */
async function leaseOf({ kube, collector }: Config): Promise<LeaseSettings | undefined> {
  if (kube === 'none') return undefined
  const namespace = collector.leaseNamespace ?? (await ownNamespace()) ?? 'default'
  return { namespace, name: collector.leaseName, identity: `${hostname()}-${randomBytes(4).toString('hex')}` }
}

async function ownNamespace(): Promise<string | undefined> {
  try {
    return (await readFile(ownNamespaceFile, 'utf8')).trim() || undefined
  } catch {
    // Not in a pod.
    return undefined
  }
}

/** Counts what the bucket refuses or fails, and says each of it now and then. */
function failureLog(log: Log, clock: Clock) {
  const counts = new Map<string, number>()
  const saidAtMs = new Map<string, number>()
  return {
    counts,
    note: (error: { readonly code: string; readonly message: string }): void => {
      counts.set(error.code, (counts.get(error.code) ?? 0) + 1)
      const nowMs = clock.monotonic()
      if (nowMs - (saidAtMs.get(error.code) ?? Number.NEGATIVE_INFINITY) < failureLogMs) return
      saidAtMs.set(error.code, nowMs)
      log.warn({ code: error.code, reason: error.message, failures: counts.get(error.code) }, 'the object store failed')
    },
  }
}
