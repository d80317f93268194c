/** Cluster mode: the driver is a pod that Spark's own client makes; it owns what was staged for it, and its exit code is the command's. */
import type { ApiClient, Pod } from '@supercargo/kube'
import { SupercargoError } from '@supercargo/protocol'
import type { Application } from '../application.ts'
import { sweepLeftovers } from '../leftovers.ts'
import { containersOf } from '../submission.ts'
import { attendDriver, driverVerdict, removeUnattended } from './attend-driver.ts'
import { type Composed, compose } from './compose.ts'
import type { WrapRequest } from './request.ts'
import { bind, capabilityUrl, labelOwner, release, stage } from './resource.ts'
import { type RunningCommand, startCommand } from './run-command.ts'
import { makeWorkDirectory } from './work-directory.ts'

/** For one look at the driver at the end. */
const lookTimeoutMs = 10_000
/** A driver whose client ended well is there, and needs no more than this to get its objects. */
const attendAfterEndMs = 30_000

export async function runInCluster(request: WrapRequest, client: ApiClient, signal: AbortSignal): Promise<number> {
  const { command, staging, note } = request
  const { submission, configuration } = command
  const { application } = submission
  const sweep = sweepLeftovers({ client, namespace: application.namespace, note }, signal)
  // Both are waited for, whichever fails.
  const [stagedOrNot] = await Promise.allSettled([stage(request, labelOwner(command), signal), sweep])
  if (stagedOrNot.status === 'rejected') throw stagedOrNot.reason
  const staged = stagedOrNot.value
  const left = { release: staged }
  try {
    const capability = await capabilityUrl(request, staged, signal)
    if (capability?.startsWith('https:') && submission.inputs.stagingCa !== undefined)
      note("the driver reads files by https: the Java of its image must trust the staging server's authority")
    const composed = compose(command, { staged, capability, here: undefined, gate: request.gate })
    await using _ = await makeWorkDirectory(command.work, composed)
    const running = await startCommand(composed.words, request.environment, request.forward)
    const attended = attend(request, client, composed, running, (pod) => {
      if (staged === undefined) return Promise.resolve()
      left.release = undefined
      return bind(request, staged, pod)
    })
    const exitCode = await running.ended
    await attended.finish(exitCode === 0)
    if (exitCode !== 0) return exitCode
    if (configuration.text('spark.kubernetes.submission.waitAppCompletion') === 'false') return 0
    const container = containersOf(submission).driver
    const verdict = await driverVerdict(client, application, container, AbortSignal.timeout(lookTimeoutMs))
    if (verdict?.kind === 'failed') throw verdict.error
    if (verdict === undefined) throw gone(application)
    if (verdict.exitCode !== 0) note(`the driver ended with ${verdict.exitCode}${verdict.reason}`)
    return verdict.exitCode
  } finally {
    if (left.release !== undefined) await release(staging, left.release, note)
  }
}

/** Spark's client takes this for a success too. */
function gone({ namespace, driverPod }: Application): SupercargoError {
  return new SupercargoError(
    'interrupted',
    'driver-gone',
    `the driver ${namespace}/${driverPod} is not there to say how it ended`,
  )
}

interface Attended {
  /** Resolves when nothing is done for the driver any more; rejects with the reason why it could not be started. */
  finish(submitted: boolean): Promise<void>
}

/** Beside the running command. A driver that cannot get its objects ends the command. */
function attend(
  { command, note }: WrapRequest,
  client: ApiClient,
  { objects }: Composed,
  running: RunningCommand,
  onPod: (pod: Pod) => Promise<void>,
): Attended {
  const stop = new AbortController()
  const { application } = command.submission
  let failure: unknown
  const done = attendDriver({ client, application, objects }, stop.signal).then(onPod)
  done.catch((error: unknown) => {
    if (stop.signal.aborted) return
    failure = error
    running.stop()
  })
  const giveUp = (): void => stop.abort(new SupercargoError('interrupted', 'no-driver', 'the driver never came'))
  return {
    finish: async (submitted) => {
      if (submitted) AbortSignal.timeout(attendAfterEndMs).addEventListener('abort', giveUp, { once: true })
      else giveUp()
      const came = await done.then(
        () => true,
        () => false,
      )
      if (failure !== undefined) throw failure
      if (came) return
      if (submitted) note(`no pod ${application.namespace}/${application.driverPod} was seen`)
      await removeUnattended(client, application)
    },
  }
}
