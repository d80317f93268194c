/** Is there a namespace of this name: the question that a list cannot answer, because it is empty either way. */
import { SupercargoError } from '@supercargo/protocol'
import { type ApiClient, apiPath } from './api-client.ts'
import { fromShortCache } from './short-cache.ts'

export interface Namespaces {
  /** Undefined when we have no right to know. Kind `unavailable` when the cluster does not say. */
  exists(namespace: string, signal: AbortSignal): Promise<boolean | undefined>
}

export interface NamespacesOptions {
  /** Milliseconds on a monotonic scale. */
  readonly now?: () => number
  readonly deadlineMs?: number
}

const yesForMs = 10_000
const noForMs = 1_000
const entriesMax = 10_000
const defaultDeadlineMs = 10_000

export function createNamespaces(client: ApiClient, options: NamespacesOptions = {}): Namespaces {
  const now = options.now ?? (() => performance.now())
  const deadlineMs = options.deadlineMs ?? defaultDeadlineMs
  const answers = fromShortCache<boolean | undefined>({
    now,
    entriesMax,
    keptForMs: (exists) => (exists === false ? noForMs : yesForMs),
  })
  return {
    exists: (namespace, signal) =>
      answers.get(namespace, (shared) => ask(client, namespace, deadlineMs, shared), signal),
  }
}

async function ask(
  client: ApiClient,
  namespace: string,
  deadlineMs: number,
  signal: AbortSignal,
): Promise<boolean | undefined> {
  const what = `read the namespace ${namespace}`
  try {
    const answer = await client.request({ what, path: apiPath('/api/v1/namespaces', namespace), deadlineMs }, signal)
    const metadata = (answer.json() as { metadata?: { name?: unknown } } | null)?.metadata
    if (metadata?.name === namespace) return true
    throw new SupercargoError('corrupt', 'kube-bad-answer', `${what}: the answer is not this namespace`)
  } catch (error) {
    if (signal.aborted || !SupercargoError.is(error)) throw error
    if (error.code === 'kube-not-found') return false
    if (error.code === 'kube-forbidden') return undefined
    throw new SupercargoError('unavailable', 'namespace-unknown', 'the cluster cannot be asked for the namespace', {
      cause: error,
      retryAfterMs: error.retryAfterMs,
    })
  }
}
