/** Why a pod does not get on, where only its events tell: a Secret that is missing, a volume that cannot be mounted. */
import { type ApiClient, apiPath, type Pod } from '@supercargo/kube'
import { SupercargoError } from '@supercargo/protocol'
import type { Clock } from '@supercargo/transfer'

export interface WarningsRequest {
  readonly client: ApiClient
  readonly clock: Clock
  /** The pod as it was seen last; undefined until then. */
  readonly latest: () => Pod | undefined
  readonly note: (text: string) => void
}

/** Longer than a start takes when nothing is wrong, and the first events of a mount that is only late. */
const intervalMs = 15_000
const eventsMax = 50

interface Event {
  readonly reason?: string
  readonly message?: string
  readonly lastTimestamp?: string | null
}

/** Says each warning once, while the pod is being prepared. Ends with the signal, or when events may not be read. */
export async function tellWarnings(request: WarningsRequest, signal: AbortSignal): Promise<void> {
  const told = new Set<string>()
  while (!signal.aborted) {
    await request.clock.sleep(intervalMs, signal)
    const pod = request.latest()
    if (pod === undefined || !isBeingPrepared(pod)) continue
    try {
      for (const { reason, message } of await warningsOf(request.client, pod, signal)) {
        const text = `${reason ?? 'warning'}: ${(message ?? '').trim()}`
        if (told.has(text)) continue
        told.add(text)
        request.note(text)
      }
    } catch (error) {
      if (SupercargoError.is(error) && error.kind === 'denied') return
      // The watch goes on; it tells of a cluster that cannot be reached.
    }
  }
}

async function warningsOf(client: ApiClient, pod: Pod, signal: AbortSignal): Promise<readonly Event[]> {
  const { name, uid, namespace = 'default' } = pod.metadata
  const path = apiPath('/api/v1', 'namespaces', namespace, 'events')
  const query = { fieldSelector: `involvedObject.uid=${uid},type=Warning`, limit: eventsMax }
  const answer = await client.request({ what: `list the events of pod ${namespace}/${name}`, path, query }, signal)
  return (answer.json() as { items?: readonly Event[] | null }).items ?? []
}

/** On a node, and no container of it has begun. */
function isBeingPrepared({ spec, status }: Pod): boolean {
  const all = [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])]
  return (
    spec?.nodeName !== undefined &&
    all.every(({ state }) => state?.running === undefined && state?.terminated === undefined)
  )
}
