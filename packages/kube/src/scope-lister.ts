/** The lists of one sweep: cluster-wide or by namespace, a few at a time, patient with a busy API server, bounded in time. */
import type { ApiClient } from './api-client.ts'
import { readClusterUid } from './cluster-identity.ts'
import type { Completion } from './completion.ts'
import type { KindName, KindPath } from './discovery.ts'
import { describeList, type ListAnswer, type ListRequest, listMetadata, type ObjectMetadata } from './list-metadata.ts'
import type { ScopeAnswer } from './owner-lookup.ts'
import { type Sleep, systemSleep } from './pause.ts'
import { mergeVersions, type SeenVersions, versionDomain } from './resource-version.ts'

export interface ScopeListerOptions {
  readonly now?: () => number
  readonly sleep?: Sleep
  readonly requestDeadlineMs?: number
  readonly identityDeadlineMs?: number
  readonly sweepDeadlineMs?: number
  readonly pageObjects?: number
  readonly namespacedListsMax?: number
}

/** What a namespace's list said: complete, or why not. */
export interface Listed {
  readonly complete: boolean
  readonly code?: string | undefined
  readonly says: string
}

export interface Sweep {
  /** Runs the work of each kind, a few kinds at a time. */
  each<T>(groups: readonly T[], work: (group: T) => Promise<void>): Promise<void>
  /** Lists a kind in the namespaces that are asked for; the function returned tells what holds for a namespace. */
  list(
    what: { readonly path: KindPath } & Completion,
    namespaces: ReadonlySet<string>,
    visit: (object: ObjectMetadata) => void,
    signal: AbortSignal,
  ): Promise<(namespace: string) => Listed>
  /** Notes a kind for which no list could be sent. */
  note(kind: KindName, why: { readonly code: string; readonly reason: string }): void
  readonly scopes: readonly ScopeAnswer[]
  /** The newest versions: those seen before, and those of this sweep. */
  versions(): SeenVersions
}

const defaults = { requestDeadlineMs: 30_000, sweepDeadlineMs: 300_000, namespacedListsMax: 8 }
const kindsAtOnce = 4
const attemptsMax = 3
const retryAfterMsMax = 30_000
/** A right that was refused is asked for again after this long: somebody may have granted it. */
const refusedForMs = 600_000

export function createScopeLister(
  client: ApiClient,
  options: ScopeListerOptions,
): {
  begin(seen: SeenVersions): Sweep
} {
  const now = options.now ?? (() => performance.now())
  const sleep = options.sleep ?? systemSleep
  const { requestDeadlineMs, sweepDeadlineMs, namespacedListsMax } = { ...defaults, ...withoutUndefined(options) }
  /** Kinds whose cluster-wide list was refused, and until when that is believed. */
  const refused = new Map<string, number>()
  /** The API server asked not to be asked before this. */
  let quietUntilMs = 0

  return {
    begin: (seen) => {
      const scopes: ScopeAnswer[] = []
      const endsAtMs = now() + sweepDeadlineMs
      let versions = seen
      /** Why nothing more is asked in this sweep. */
      let stopped: { readonly code: string; readonly reason: string } | undefined

      const listOnce = (request: ListRequest, visit: (object: ObjectMetadata) => void, signal: AbortSignal) => {
        const deadlineMs = Math.max(1, Math.min(requestDeadlineMs, endsAtMs - now()))
        const { pageObjects } = options
        return listMetadata(client, { ...request, deadlineMs, pageObjects }, visit, signal)
      }

      /** 429 and Retry-After are obeyed by every list, not only by the one that was told. */
      const list = async (request: ListRequest, visit: (object: ObjectMetadata) => void, signal: AbortSignal) => {
        let requests = 0
        for (let attempt = 1; ; attempt++) {
          if (quietUntilMs > now() && quietUntilMs < endsAtMs) await sleep(quietUntilMs - now(), signal)
          if (stopped === undefined && now() >= endsAtMs) {
            stopped = { code: 'kube-sweep-deadline', reason: `the sweep did not end within ${sweepDeadlineMs} ms` }
          }
          if (stopped !== undefined) return notAsked(stopped, requests)
          const answer = await listOnce(request, visit, signal)
          requests += answer.requests
          if (answer.complete || answer.retryAfterMs === undefined) return { ...answer, requests }
          quietUntilMs = Math.max(quietUntilMs, now() + Math.min(answer.retryAfterMs, retryAfterMsMax))
          if (attempt >= attemptsMax) return { ...answer, requests }
        }
      }

      /** After a list that got no answer: is it the API server, or only this kind (a conversion webhook that hangs)? */
      const checkAlive = async (answer: ListAnswer, signal: AbortSignal): Promise<void> => {
        if (answer.complete || stopped !== undefined) return
        if (!['kube-deadline', 'kube-unreachable'].includes(answer.code)) return
        try {
          await readClusterUid(client, options.identityDeadlineMs, signal)
        } catch (error) {
          if (signal.aborted) throw error
          stopped ??= { code: answer.code, reason: answer.reason }
        }
      }

      const listScope = async (
        request: Omit<ListRequest, 'seenVersion'>,
        visit: (object: ObjectMetadata) => void,
        signal: AbortSignal,
      ): Promise<Listed> => {
        const { apiVersion, kind } = request.path
        const domain = versionDomain(apiVersion)
        const answer = await list({ ...request, seenVersion: versions[domain] }, visit, signal)
        const { complete, objects, requests } = answer
        const why = answer.complete ? {} : { code: answer.code, reason: answer.reason }
        scopes.push({ apiVersion, kind, namespace: request.namespace, complete, objects, requests, ...why })
        if (answer.complete) versions = mergeVersions(versions, { [domain]: answer.resourceVersion })
        await checkAlive(answer, signal)
        const at = answer.resourceVersion === undefined ? '' : ` at version ${answer.resourceVersion}`
        const says = answer.complete
          ? `${describeList(request)}${at}: ${objects} objects, complete`
          : `${answer.reason}${objects > 0 ? ` (after ${objects} objects${at})` : ''}`
        return { complete, code: why.code, says }
      }

      return {
        scopes,
        versions: () => versions,
        note: ({ apiVersion, kind }, { code, reason }) => {
          const none = { namespace: undefined, complete: false, objects: 0, requests: 0 }
          scopes.push({ apiVersion, kind, ...none, code, reason })
        },
        each: async (groups, work) => {
          const rest = groups[Symbol.iterator]()
          const lane = async (): Promise<void> => {
            for (const group of rest) await work(group)
          }
          await Promise.all(Array.from({ length: Math.min(kindsAtOnce, groups.length) }, lane))
        },
        list: async (what, namespaces, visit, signal) => {
          const key = `${what.path.apiVersion} ${what.path.kind}`
          const isRefused = (refused.get(key) ?? 0) > now()
          if (namespaces.size > namespacedListsMax && !isRefused) {
            const whole = await listScope({ ...what, namespace: undefined }, visit, signal)
            if (whole.code !== 'kube-forbidden') return () => whole
            refused.set(key, now() + refusedForMs)
          }
          const listed = new Map<string, Listed>()
          let silent: Listed | undefined
          for (const namespace of namespaces) {
            // A kind that did not answer in one namespace is not waited for in the others.
            const answer = silent ?? (await listScope({ ...what, namespace }, visit, signal))
            if (answer.code === 'kube-deadline') silent = answer
            listed.set(namespace, answer)
          }
          return (namespace) => listed.get(namespace)!
        },
      }
    },
  }
}

function notAsked(why: { readonly code: string; readonly reason: string }, requests: number): ListAnswer {
  return { complete: false, ...why, objects: 0, requests }
}

function withoutUndefined(options: ScopeListerOptions): Partial<typeof defaults> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
}
