/** Follows pods as they change: a list, then a watch from its version; what was missed in between shows in the next list. */
import type { Readable } from 'node:stream'
import { SupercargoError } from '@supercargo/protocol'
import type { ApiClient } from './api-client.ts'
import { abortReason, fromConnectionError } from './api-error.ts'
import { collectionPath } from './discovery.ts'
import { listObjects, type ObjectSelection } from './objects.ts'
import { type Sleep, systemSleep } from './pause.ts'
import { labelSelector, type Pod, podPath } from './pods.ts'

export type PodEvent =
  | { readonly type: 'present'; readonly pod: Pod }
  /** The pod as it was seen last. */
  | { readonly type: 'gone'; readonly pod: Pod }
  /** Everything that was there at one moment has been told: a pod that was not, is not there. */
  | { readonly type: 'listed' }

/** One pod by name, or all that carry the labels. */
export interface PodSelection {
  readonly namespace: string
  readonly name?: string
  readonly labels?: Readonly<Record<string, string>>
}

export interface FollowOptions {
  readonly sleep?: Sleep
  /** 0 to 1. */
  readonly random?: () => number
  /** Without a byte for this long the watch counts as dead: more than the minute after which the API server sends a bookmark. */
  readonly idleTimeoutMs?: number
}

const defaultIdleTimeoutMs = 90_000
/** The API server ends the watch itself after this and up to a fifth more. */
const watchSeconds = 240
const backoffBaseMs = 500
const backoffMaxMs = 15_000
const lineBytesMax = 8 << 20

/**
 * Goes on until the caller stops iterating or the signal aborts (then it rejects). Failures that can pass are waited out
 * with a growing pause; a refusal (401, 403, 404 of the type) rejects. Who may watch but not list is told of every pod by the
 * beginning of each watch; then there is no `listed`, and what went while no watch was open is not told.
 */
export async function* followPods(
  client: ApiClient,
  selection: PodSelection,
  options: FollowOptions,
  signal: AbortSignal,
): AsyncGenerator<PodEvent, never> {
  const sleep = options.sleep ?? systemSleep
  const random = options.random ?? Math.random
  const known = new Map<string, Pod>()
  const where: ObjectSelection = {
    namespace: selection.namespace,
    labelSelector: selection.labels === undefined ? undefined : labelSelector(selection.labels),
    fieldSelector: selection.name === undefined ? undefined : `metadata.name=${selection.name}`,
  }
  let version: string | undefined
  let mayList = true
  for (let failures = 0; ; ) {
    try {
      if (version === undefined && mayList) {
        const list = await listOrRefusal(client, where, signal)
        if (list === undefined) {
          mayList = false
          continue
        }
        yield* compare(known, list.items as readonly Pod[])
        version = list.resourceVersion
        yield { type: 'listed' }
      }
      const watched: { version: string | undefined } = { version }
      try {
        for await (const event of watch(client, where, watched, options, random, signal)) {
          failures = 0
          const change = note(known, event)
          if (change !== undefined) yield change
        }
      } finally {
        version = watched.version
      }
      await sleep(random() * backoffBaseMs, signal)
    } catch (error) {
      if (signal.aborted) throw abortReason(signal)
      if (!SupercargoError.is(error)) throw error
      if (error.code === 'kube-expired') version = undefined
      else if (!error.retry && error.kind !== 'corrupt') throw error
      const backoffMs = Math.min(backoffMaxMs, backoffBaseMs * 2 ** Math.min(failures++, 10))
      await sleep(Math.max(error.retryAfterMs ?? 0, backoffMs * (0.5 + random() / 2)), signal)
    }
  }
}

/** Undefined when this user may not list. */
async function listOrRefusal(
  client: ApiClient,
  where: ObjectSelection,
  signal: AbortSignal,
): Promise<Awaited<ReturnType<typeof listObjects>> | undefined> {
  try {
    return await listObjects(client, podPath, where, signal)
  } catch (error) {
    if (SupercargoError.is(error) && error.code === 'kube-forbidden') return undefined
    throw error
  }
}

interface WatchEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'
  readonly pod: Pod
}

/** What a list says against what was known before: level, not edge. */
function* compare(known: Map<string, Pod>, pods: readonly Pod[]): Generator<PodEvent> {
  const uids = new Set(pods.map(({ metadata }) => metadata.uid))
  for (const [uid, pod] of known) {
    if (uids.has(uid)) continue
    known.delete(uid)
    yield { type: 'gone', pod }
  }
  for (const pod of pods) {
    const change = note(known, { type: 'MODIFIED', pod })
    if (change !== undefined) yield change
  }
}

function note(known: Map<string, Pod>, { type, pod }: WatchEvent): PodEvent | undefined {
  const { uid, resourceVersion } = pod.metadata
  if (type === 'DELETED') {
    known.delete(uid)
    return { type: 'gone', pod }
  }
  if (known.get(uid)?.metadata.resourceVersion === resourceVersion) return undefined
  known.set(uid, pod)
  return { type: 'present', pod }
}

async function* watch(
  client: ApiClient,
  { namespace, labelSelector: labels, fieldSelector }: ObjectSelection,
  watched: { version: string | undefined },
  options: FollowOptions,
  random: () => number,
  signal: AbortSignal,
): AsyncGenerator<WatchEvent> {
  const what = `watch pods in ${namespace}`
  const query = {
    watch: 'true',
    allowWatchBookmarks: 'true',
    resourceVersion: watched.version,
    timeoutSeconds: Math.round(watchSeconds * (1 + random() / 5)),
    labelSelector: labels,
    fieldSelector,
  }
  const { body } = await client.open({ what, path: collectionPath(podPath, namespace), query }, signal)
  for await (const line of lines(body, options.idleTimeoutMs ?? defaultIdleTimeoutMs, what)) {
    const event = parseEvent(line, what)
    const version = event.object?.metadata?.resourceVersion
    if (event.type === 'ERROR') {
      watched.version = undefined
      const says = `${what}: the watch ended with ${event.object?.code ?? 'an error'}`
      throw new SupercargoError('unavailable', event.object?.code === 410 ? 'kube-expired' : 'kube-watch-failed', says)
    }
    if (version !== undefined) watched.version = version
    if (event.type === 'BOOKMARK' || event.object?.metadata?.uid === undefined) continue
    yield { type: event.type as WatchEvent['type'], pod: event.object as unknown as Pod }
  }
}

interface RawEvent {
  readonly type?: string
  readonly object?: {
    readonly code?: number
    readonly metadata?: { readonly uid?: string; readonly resourceVersion?: string }
  }
}

function parseEvent(line: string, what: string): RawEvent {
  try {
    return JSON.parse(line) as RawEvent
  } catch {
    throw new SupercargoError('corrupt', 'kube-not-json', `${what}: an event is not JSON`)
  }
}

async function* lines(body: Readable, idleTimeoutMs: number, what: string): AsyncGenerator<string> {
  const idle = (): void => {
    const says = `${what}: no byte for ${idleTimeoutMs} ms`
    body.destroy(new SupercargoError('unavailable', 'kube-deadline', says))
  }
  let timer = setTimeout(idle, idleTimeoutMs)
  const decoder = new TextDecoder()
  let rest = ''
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      clearTimeout(timer)
      timer = setTimeout(idle, idleTimeoutMs)
      const parts = (rest + decoder.decode(chunk, { stream: true })).split('\n')
      rest = parts.pop()!
      if (rest.length > lineBytesMax) {
        throw new SupercargoError('tooLarge', 'kube-answer-too-large', `${what}: an event is too large`)
      }
      for (const part of parts) if (part !== '') yield part
    }
  } catch (error) {
    throw fromConnectionError(error, what)
  } finally {
    clearTimeout(timer)
    body.destroy()
  }
}
