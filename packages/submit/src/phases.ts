/** What the states of pods mean, in words and as a verdict. By container states, because the phase lags behind them. */
import type { ContainerStatus, Pod } from '@supercargo/kube'
import { SupercargoError } from '@supercargo/protocol'
import { initContainerName } from './localize-container.ts'
import { localizerFailure } from './termination.ts'

export type Verdict =
  /** The driver's container ended by itself. */
  | { readonly kind: 'ended'; readonly exitCode: number; readonly reason: string }
  /** It will never run. `stop` when the pod would go on trying. */
  | { readonly kind: 'failed'; readonly error: SupercargoError; readonly stop: boolean }

/** Waiting for these has no end that anyone should wait for. */
const hopeless = new Set([
  'ImagePullBackOff',
  'ErrImageNeverPull',
  'InvalidImageName',
  'ImageInspectError',
  'CreateContainerConfigError',
  'CreateContainerError',
  'RunContainerError',
])

/** The verdict over a driver or executor, or undefined while it is open. `container` is Spark's. */
export function verdictOf(pod: Pod, container: string, role: 'driver' | 'executor'): Verdict | undefined {
  const shown = `the ${role} ${pod.metadata.name}`
  const { status } = pod
  for (const each of status?.initContainerStatuses ?? []) {
    const ended = each.state?.terminated
    if (ended === undefined || ended.exitCode === 0) continue
    const error =
      each.name === initContainerName
        ? localizerFailure(ended.message, ended.exitCode, shown)
        : failure(
            'init-container-failed',
            `the init-container ${each.name} of ${shown} ended with ${ended.exitCode}${after(ended.message)}`,
          )
    return { kind: 'failed', error, stop: false }
  }
  const main = status?.containerStatuses?.find(({ name }) => name === container)
  if (main?.state?.terminated !== undefined) {
    const { exitCode, reason, message, signal } = main.state.terminated
    const why = reason === undefined || ['Completed', 'Error'].includes(reason) ? '' : ` (${reason})`
    const bySignal = signal === undefined || signal === 0 ? '' : ` by signal ${signal}`
    return { kind: 'ended', exitCode, reason: `${why}${bySignal}${exitCode === 0 ? '' : after(message)}` }
  }
  const stuck = [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])].find(isHopeless)
  if (stuck !== undefined) return { kind: 'failed', error: stuckError(stuck, shown), stop: true }
  if (status?.phase !== 'Failed') return undefined
  return {
    kind: 'failed',
    error: failure('pod-failed', `${shown} failed${after(status.reason)}${after(status.message)}`),
    stop: false,
  }
}

/** One short sentence about where the driver is. */
export function driverPhase(pod: Pod, container: string): string {
  const { status, spec } = pod
  if (pod.metadata.deletionTimestamp !== undefined) return 'the driver is being deleted'
  const gates = (spec as { schedulingGates?: readonly object[] } | undefined)?.schedulingGates ?? []
  if (gates.length > 0) return 'the driver is being prepared'
  const scheduled = conditions(pod).find(({ type }) => type === 'PodScheduled')
  if (scheduled?.status === 'False')
    return `the driver waits for a node: ${scheduled.message ?? scheduled.reason ?? ''}`
  const main = status?.containerStatuses?.find(({ name }) => name === container)
  if (main?.state?.running !== undefined) return `the driver runs on ${spec?.nodeName ?? 'its node'}`
  const init = status?.initContainerStatuses?.find(({ name }) => name === initContainerName)
  if (init?.state?.running !== undefined) return 'the driver gets its files'
  const waiting = [init, main]
    .map((each) => each?.state?.waiting)
    .find((each) => each?.reason?.startsWith('ErrImage') === true)
  if (waiting !== undefined) return `the image cannot be pulled yet: ${waiting.message ?? waiting.reason}`
  if (scheduled?.status === 'True') return 'the driver is being started'
  return 'the driver waits for a node'
}

/** `2 executors run, 1 is being started`. */
export function executorPhase(executors: Iterable<Pod>, container: string): string | undefined {
  let running = 0
  let starting = 0
  for (const pod of executors) {
    const phase = pod.status?.phase
    if (phase === 'Running' && verdictOf(pod, container, 'executor') === undefined) running++
    else if (phase === 'Pending' || phase === undefined) starting++
  }
  if (running + starting === 0) return undefined
  const parts = [
    ...(running === 0 ? [] : [`${running} ${running === 1 ? 'executor runs' : 'executors run'}`]),
    ...(starting === 0 ? [] : [`${starting} ${starting === 1 ? 'is' : 'are'} being started`]),
  ]
  return parts.join(', ')
}

function isHopeless({ state }: ContainerStatus): boolean {
  return hopeless.has(state?.waiting?.reason ?? '')
}

function stuckError({ name, state }: ContainerStatus, shown: string): SupercargoError {
  const { reason, message } = state!.waiting!
  const image = /Image/.test(reason!)
  return new SupercargoError(
    image ? 'notFound' : 'invalid',
    image ? 'image-not-pulled' : 'container-not-started',
    `the container ${name} of ${shown} cannot start: ${reason}${after(message)}`,
    {
      hint: image
        ? 'is the name of the image right, and may the cluster pull it (spark.kubernetes.container.image.pullSecrets)?'
        : 'is every Secret and ConfigMap there that the pod names?',
    },
  )
}

function conditions(pod: Pod): readonly { type: string; status: string; reason?: string; message?: string }[] {
  return (pod.status?.conditions ?? []) as readonly {
    type: string
    status: string
    reason?: string
    message?: string
  }[]
}

function failure(code: string, says: string): SupercargoError {
  return new SupercargoError('internal', code, says)
}

function after(text: string | undefined): string {
  const trimmed = (text ?? '').trim()
  return trimmed === '' ? '' : `: ${trimmed}`
}
