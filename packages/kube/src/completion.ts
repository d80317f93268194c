/** When an owner that still exists is finished, for whoever releases after completion: by the API server for Pods, else by its status. */
import type { Owner } from '@supercargo/protocol'
import type { OwnerQuery } from './owner-lookup.ts'

/** How a list leaves out what is finished. */
export interface Completion {
  /** For the API server. */
  readonly fieldSelector?: string
  /** For us, on the whole object: metadata does not say it. */
  readonly isFinished?: (object: unknown) => boolean
}

/** Pods that will not run again are left out by the API server. */
const runningPods = 'status.phase!=Succeeded,status.phase!=Failed'

const statusOf: Readonly<Record<string, (status: Status) => boolean>> = {
  'batch/v1 Job': ({ conditions }) =>
    Array.isArray(conditions) &&
    conditions.some(({ type, status }) => (type === 'Complete' || type === 'Failed') && status === 'True'),
  // Both operators try again after some failures: only the states from which nothing leads on are the end.
  'sparkoperator.k8s.io/v1beta2 SparkApplication': ({ applicationState }) =>
    ['COMPLETED', 'FAILED'].includes(applicationState?.state ?? ''),
  ...Object.fromEntries(
    ['v1', 'v1beta1', 'v1alpha1'].map((version) => [`spark.apache.org/${version} SparkApplication`, isReleased]),
  ),
}

/** Kinds that have no end of their own (a Deployment, a CronJob) are there until they are deleted. */
export function completionOf({ owner, keptUntil }: OwnerQuery): Completion {
  if (keptUntil !== 'completed') return {}
  const kind = kindOf(owner)
  if (kind === 'v1 Pod') return { fieldSelector: runningPods }
  const ended = statusOf[kind]
  return ended === undefined ? {} : { isFinished: (object) => ended((object as { status?: Status }).status ?? {}) }
}

interface Status {
  readonly conditions?: readonly { readonly type?: string; readonly status?: string }[]
  readonly applicationState?: { readonly state?: string }
  readonly currentState?: { readonly currentStateSummary?: string }
}

function isReleased({ currentState }: Status): boolean {
  return ['ResourceReleased', 'TerminatedWithoutReleaseResources'].includes(currentState?.currentStateSummary ?? '')
}

function kindOf({ apiVersion, kind }: Owner): string {
  return `${apiVersion} ${kind}`
}
