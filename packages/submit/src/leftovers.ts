/** Gated pods whose submitter has died: nobody else removes them, so the next submission does. */
import { type ApiClient, collectionPath, deleteObject, podPath, type StoredObject } from '@supercargo/kube'
import { SupercargoError } from '@supercargo/protocol'
import { submissionLabel } from './application.ts'
import { gateName } from './apply.ts'

/** Far longer than any submission takes between its first call and its last. */
const abandonedAfterMs = 600_000
const podsMax = 500

/** The names of the pods that were removed, gated for longer than `afterMs`. Who may not list or delete leaves them to others; that is no failure. */
export async function removeLeftovers(
  client: ApiClient,
  namespace: string,
  signal: AbortSignal,
  afterMs = abandonedAfterMs,
): Promise<string[]> {
  try {
    const what = `list pods in ${namespace}`
    const query = { labelSelector: submissionLabel, limit: podsMax }
    const answer = await client.request({ what, path: collectionPath(podPath, namespace), query }, signal)
    // The age is told by the API server's own clock.
    const nowMs = Date.parse(answer.headers.date ?? '')
    const { items } = answer.json() as { items?: readonly StoredObject[] | null }
    const removed: string[] = []
    for (const pod of (items ?? []).filter((each) => isAbandoned(each, nowMs, afterMs))) {
      const { name, uid } = pod.metadata
      if (await deleteObject(client, { path: podPath, namespace, name }, { uid }, signal)) removed.push(name)
    }
    return removed
  } catch (error) {
    if (SupercargoError.is(error) && error.kind === 'denied') return []
    throw error
  }
}

export interface SweepRequest {
  readonly client: ApiClient
  readonly namespace: string
  /** A line for a person. */
  readonly note: (text: string) => void
}

/** The same beside a submission, which does not depend on it: what is removed is told, and a failure too. */
export async function sweepLeftovers({ client, namespace, note }: SweepRequest, signal: AbortSignal): Promise<void> {
  try {
    for (const name of await removeLeftovers(client, namespace, signal))
      note(`removed ${name}, whose submitter had died`)
  } catch (error) {
    if (!signal.aborted) note(`what dead submitters left was not looked for: ${(error as Error).message}`)
  }
}

function isAbandoned(pod: StoredObject, nowMs: number, afterMs: number): boolean {
  const { schedulingGates = [] } = (pod.spec ?? {}) as { schedulingGates?: readonly { name: string }[] }
  const createdMs = Date.parse(String(pod.metadata.creationTimestamp))
  return schedulingGates.some(({ name }) => name === gateName) && nowMs - createdMs > afterMs
}
