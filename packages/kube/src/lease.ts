/** Holds a Lease: one process at a time does a work, knows when it no longer may, and numbers its turns (the epoch). */
import { SupercargoError } from '@supercargo/protocol'
import type { ApiClient } from './api-client.ts'
import { builtInPath } from './discovery.ts'
import {
  createObject,
  type KubeObject,
  type ObjectPlace,
  readObject,
  replaceObject,
  type StoredObject,
} from './objects.ts'
import { type Sleep, systemSleep } from './pause.ts'

export interface LeaseOptions {
  readonly namespace: string
  readonly name: string
  /** Names this process and no other, also not an earlier one of the same pod. */
  readonly identity: string
  /** The last epoch that the guarded store knows: the new one is greater, also when somebody deleted the Lease object. */
  readonly epochAbove?: number
  /** How long others wait for a sign of life before they take over. */
  readonly durationMs?: number
  /** Without a renewal for this long the lease counts as lost here: shorter, so that nobody else holds it yet. */
  readonly renewDeadlineMs?: number
  readonly retryMs?: number
  /** Milliseconds on a monotonic scale: every duration is measured here, never against a time that another wrote. */
  readonly now?: () => number
  /** Only written down, for people. */
  readonly wallNow?: () => number
  readonly sleep?: Sleep
}

/**
 * A Lease is not a fence: a process that was stopped may believe for a moment that it holds it. So each effect asks
 * `assertHeld` just before it, and carries the epoch, which the store compares.
 */
export interface HeldLease {
  /** Grows with every holder. */
  readonly epoch: number
  /** Aborts when the lease is lost or released. */
  readonly ended: AbortSignal
  /** Throws kind `conflict`, code `lease-lost`, when the lease is lost or may be by now. Once lost it stays lost. */
  assertHeld(): void
  /** Lets the next holder begin at once. */
  release(): Promise<void>
}

const defaults = { durationMs: 15_000, renewDeadlineMs: 10_000, retryMs: 2_000, epochAbove: 0 }
const requestDeadlineMs = 5_000

interface LeaseSpec {
  readonly holderIdentity?: string | null
  readonly leaseDurationSeconds?: number
  readonly acquireTime?: string
  readonly renewTime?: string
  readonly leaseTransitions?: number
}

/**
 * Waits until the lease is ours. Rejects when the signal aborts, and when it cannot be had as things are (a right or the
 * namespace is missing); everything else is waited out.
 */
export async function acquireLease(client: ApiClient, options: LeaseOptions, signal: AbortSignal): Promise<HeldLease> {
  const settings = {
    ...defaults,
    now: () => performance.now(),
    wallNow: () => Date.now(),
    sleep: systemSleep,
    ...withoutUndefined(options),
  }
  const place: ObjectPlace = {
    path: builtInPath('coordination.k8s.io/v1', 'Lease'),
    namespace: options.namespace,
    name: options.name,
  }
  let observed: { readonly life: string; readonly atMs: number } | undefined
  for (;;) {
    const askedAtMs = settings.now()
    try {
      const taken = await attempt()
      if (taken !== undefined) return hold(client, place, settings, taken, askedAtMs)
    } catch (error) {
      if (signal.aborted || !SupercargoError.is(error)) throw error
      if (['denied', 'invalid', 'notFound'].includes(error.kind)) throw error
    }
    await settings.sleep(settings.retryMs, signal)
  }

  async function attempt(): Promise<StoredObject | undefined> {
    const current = await readObject(client, place, signal)
    if (current === undefined) {
      const { name, namespace } = place
      const metadata = { name, namespace }
      return createObject(client, place.path, { metadata, spec: specOf(settings, settings.epochAbove + 1) }, signal)
    }
    const spec = specIn(current)
    const life = JSON.stringify([spec.holderIdentity, spec.renewTime, spec.leaseTransitions])
    if (observed?.life !== life) observed = { life, atMs: settings.now() }
    const holder = spec.holderIdentity ?? ''
    const durationMs = Math.max(settings.durationMs, (spec.leaseDurationSeconds ?? 0) * 1000)
    const alive = settings.now() - observed.atMs < durationMs
    // Our own name there is a write of ours whose answer was lost.
    if (holder !== '' && holder !== settings.identity && alive) return undefined
    const epoch = Math.max(spec.leaseTransitions ?? 0, settings.epochAbove) + 1
    const change: KubeObject = { ...current, spec: { ...spec, ...specOf(settings, epoch) } }
    return replaceObject(client, place, change, { deadlineMs: requestDeadlineMs }, signal)
  }
}

type Settings = Required<LeaseOptions>

function hold(
  client: ApiClient,
  place: ObjectPlace,
  settings: Settings,
  taken: StoredObject,
  askedAtMs: number,
): HeldLease {
  const { now, renewDeadlineMs } = settings
  const epoch = specIn(taken).leaseTransitions ?? 0
  const ended = new AbortController()
  let object = taken
  /** When the last renewal that succeeded was sent: it holds from then, not from its answer. */
  let renewedAtMs = askedAtMs
  const leftMs = (): number => renewedAtMs + renewDeadlineMs - now()
  const lost = (): SupercargoError =>
    new SupercargoError('conflict', 'lease-lost', `the lease ${place.namespace}/${place.name} is no longer held`)
  const lose = (): void => ended.abort(lost())

  async function renew(): Promise<void> {
    const sentAtMs = now()
    const change: KubeObject = { ...object, spec: { ...specIn(object), renewTime: microTime(settings.wallNow()) } }
    try {
      const deadlineMs = Math.max(1, Math.min(requestDeadlineMs, leftMs()))
      object = await replaceObject(client, place, change, { deadlineMs }, ended.signal)
      renewedAtMs = sentAtMs
    } catch (error) {
      if (ended.signal.aborted || !SupercargoError.is(error)) return
      if (error.kind === 'notFound') return lose()
      if (error.kind === 'conflict') await look()
    }
  }

  /** Somebody wrote to it: another holder, or only a label. */
  async function look(): Promise<void> {
    const current = await readObject(client, place, ended.signal).catch(() => object) // The next renewal looks again.
    if (current === undefined) return lose()
    const { holderIdentity, leaseTransitions } = specIn(current)
    if (holderIdentity !== settings.identity || leaseTransitions !== epoch) lose()
    else object = current
  }

  const renewals = (async () => {
    while (!ended.signal.aborted) {
      await settings.sleep(settings.retryMs, ended.signal).catch(() => undefined) // It ends early when the lease does.
      if (leftMs() <= 0) lose()
      if (!ended.signal.aborted) await renew()
    }
  })()

  return {
    epoch,
    ended: ended.signal,
    assertHeld: () => {
      if (leftMs() <= 0) lose()
      if (ended.signal.aborted) throw lost()
    },
    release: async () => {
      const held = !ended.signal.aborted && leftMs() > 0
      lose()
      await renewals
      if (!held) return
      const spec = { ...specIn(object), holderIdentity: '', leaseDurationSeconds: 1 }
      const signal = AbortSignal.timeout(requestDeadlineMs)
      // Best effort: without it the next holder waits for the duration.
      await replaceObject(client, place, { ...object, spec }, {}, signal).catch(() => undefined)
    },
  }
}

function specOf(settings: Settings, leaseTransitions: number): LeaseSpec {
  const { identity: holderIdentity, durationMs } = settings
  const time = microTime(settings.wallNow())
  const leaseDurationSeconds = Math.ceil(durationMs / 1000)
  return { holderIdentity, leaseDurationSeconds, acquireTime: time, renewTime: time, leaseTransitions }
}

function specIn(object: StoredObject): LeaseSpec {
  return (object.spec ?? {}) as LeaseSpec
}

/** MicroTime wants six decimals. */
function microTime(wallMs: number): string {
  return new Date(wallMs).toISOString().replace('Z', '000Z')
}

function withoutUndefined(options: LeaseOptions): LeaseOptions {
  return Object.fromEntries(
    Object.entries(options).filter(([, value]) => value !== undefined),
  ) as unknown as LeaseOptions
}
