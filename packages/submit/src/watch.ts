/** Watches a driver and its executors to the end: tells each phase once, and why an executor could not start, which no log says. */
import { type ApiClient, followPods, type Pod } from '@supercargo/kube'
import { SupercargoError } from '@supercargo/protocol'
import { type Clock, systemClock } from '@supercargo/transfer'
import { roleLabel, selectorLabel } from './application.ts'
import { driverPhase, executorPhase, type Verdict, verdictOf } from './phases.ts'
import { tellWarnings } from './warnings.ts'

export interface WatchRequest {
  readonly client: ApiClient
  readonly namespace: string
  readonly applicationId: string
  readonly driverPod: string
  /** The name of Spark's container in each. */
  readonly containers: { readonly driver: string; readonly executor: string }
  /** A line for a person. */
  readonly note: (text: string) => void
  readonly clock?: Clock | undefined
  /** The driver's container runs. Called once. */
  readonly onRunning?: (() => void) | undefined
}

export interface WatchResult {
  readonly exitCode: number
  /** Why, in words; empty for a success. */
  readonly reason: string
}

/**
 * Resolves with the driver's exit code. Rejects when the driver can never run: with the reason of the localizer, of the image,
 * of whatever it was; the pod is then still there. Rejects too when the driver is deleted, and when the signal aborts.
 */
export async function watchApplication(request: WatchRequest, signal: AbortSignal): Promise<WatchResult> {
  const { client, note, clock = systemClock } = request
  const ended = new AbortController()
  const either = AbortSignal.any([signal, ended.signal])
  let driver: Pod | undefined
  const warnings = tellWarnings({ client, clock, note, latest: () => driver }, either).catch(() => {
    // Stopped, by the end of the driver or of the command.
  })
  try {
    const onDriver = (pod: Pod): void => {
      driver = pod
    }
    return await follow(request, onDriver, signal)
  } finally {
    ended.abort()
    await warnings
  }
}

async function follow(request: WatchRequest, onDriver: (pod: Pod) => void, signal: AbortSignal): Promise<WatchResult> {
  const { client, namespace, applicationId, containers } = request
  const told = new Told(request.note)
  const executors = new Map<string, Pod>()
  let seen = false
  let ran = false
  let trouble: SupercargoError | undefined
  const selection = { namespace, labels: { [selectorLabel]: applicationId } }
  for await (const event of followPods(client, selection, {}, signal)) {
    if (event.type === 'listed') {
      if (!seen) throw gone(request)
      continue
    }
    const { pod } = event
    if (pod.metadata.labels?.[roleLabel] === 'executor') {
      if (event.type === 'gone') executors.delete(pod.metadata.uid)
      else executors.set(pod.metadata.uid, pod)
      const verdict = verdictOf(pod, containers.executor, 'executor')
      if (verdict?.kind === 'failed') {
        trouble = verdict.error
        told.say(`trouble ${verdict.error.message.replace(pod.metadata.name, '')}`, verdict.error.message)
      }
      told.say('executors', executorPhase(executors.values(), containers.executor))
      continue
    }
    if (pod.metadata.name !== request.driverPod) continue
    seen = true
    onDriver(pod)
    const verdict = verdictOf(pod, containers.driver, 'driver')
    const started = pod.status?.containerStatuses?.find(({ name }) => name === containers.driver)?.state
    if (!ran && (started?.running !== undefined || started?.terminated !== undefined)) {
      ran = true
      request.onRunning?.()
    }
    if (verdict !== undefined) return conclude(verdict, trouble)
    if (event.type === 'gone') throw gone(request)
    told.say('driver', driverPhase(pod, containers.driver))
  }
  throw gone(request)
}

/** The driver's log says "1 new failed executors" and no more; what its executors said is the reason. */
function conclude(verdict: Verdict, trouble: SupercargoError | undefined): WatchResult {
  if (verdict.kind === 'failed') {
    if (!verdict.stop) throw verdict.error
    throw new SupercargoError(verdict.error.kind, verdict.error.code, verdict.error.message, {
      hint: verdict.error.hint,
      context: { ...verdict.error.context, goesOn: true },
    })
  }
  const { exitCode, reason } = verdict
  if (exitCode === 0) return { exitCode, reason: '' }
  return { exitCode, reason: `${reason}${trouble === undefined ? '' : `; before that, ${trouble.message}`}` }
}

function gone({ namespace, driverPod }: WatchRequest): SupercargoError {
  return new SupercargoError('interrupted', 'driver-gone', `the driver ${namespace}/${driverPod} was deleted`)
}

/** Says a line about a subject when it differs from the last one about it. */
class Told {
  readonly #last = new Map<string, string>()
  readonly #note: (text: string) => void

  constructor(note: (text: string) => void) {
    this.#note = note
  }

  say(subject: string, text: string | undefined): void {
    if (text === undefined || this.#last.get(subject) === text) return
    this.#last.set(subject, text)
    this.#note(text)
  }
}
