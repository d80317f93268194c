/** The flow of a submission: prepare, stage, render, apply, watch. Every effect is in here or in what it calls by name. */
import type { StagingClient } from '@supercargo/client'
import { ApiClient, deleteObject, type KubeConnection, podPath } from '@supercargo/kube'
import { causeChain, type Owner, SupercargoError, toSupercargoError } from '@supercargo/protocol'
import type { Clock } from '@supercargo/transfer'
import { type Application, roleLabel, selectorLabel } from './application.ts'
import { apply } from './apply.ts'
import { copyLog } from './driver-log.ts'
import { type SubmitInterruption, whatToDo } from './interruption.ts'
import { sweepLeftovers } from './leftovers.ts'
import type { Prepared } from './prepare.ts'
import { render } from './steps/order.ts'
import { containersOf, type Staged, type Submission } from './submission.ts'
import { type WatchResult, watchApplication } from './watch.ts'

export interface SubmitRequest {
  readonly prepared: Prepared
  readonly connection: KubeConnection
  /** Of the staging server that `prepared` names. */
  readonly staging: StagingClient
  readonly gate: boolean
  /** `none`: the command ends when the driver may start. `follow`: its log is written out. */
  readonly wait: 'none' | 'wait' | 'follow'
  readonly interruption: SubmitInterruption
  readonly userAgent: string
  readonly clock: Clock
  /** A line for a person. */
  readonly note: (text: string) => void
  readonly onProgress: NonNullable<Parameters<StagingClient['stage']>[0]['onProgress']>
  /** The driver's log. */
  readonly write: (text: string) => void
  /** The driver may start. */
  readonly onApplied: (application: Application) => void
}

export interface SubmitResult {
  readonly application: Application
  readonly resourceId: string | undefined
  /** The driver's, or 0 when nobody waited for it. */
  readonly exitCode: number
  readonly reason: string
}

/** For what is undone after a failure or an interruption. */
const undoTimeoutMs = 10_000
/** The end of the log comes a moment after the end of the container. */
const logTailMs = 5_000

export async function submit(request: SubmitRequest, signal: AbortSignal): Promise<SubmitResult> {
  const client = new ApiClient(request.connection, { userAgent: request.userAgent })
  // What a step refuses is refused before a byte is sent.
  render(request.prepared.submission)
  tellPackages(request)
  try {
    const staged = await stageAndSweep(request, client, signal)
    const submission: Submission = { ...request.prepared.submission, staged }
    await start(request, client, submission, signal)
    const { application } = submission
    request.onApplied(application)
    const resourceId = staged?.resourceId
    if (request.wait === 'none') return { application, resourceId, exitCode: 0, reason: '' }
    return { application, resourceId, ...(await attend(request, client, submission, signal)) }
  } finally {
    await client.close()
  }
}

/** They are no files of this machine: a cluster without a way to a repository fails on them, and nothing else here would say why. */
function tellPackages({ prepared, note }: SubmitRequest): void {
  const packages = prepared.submission.configuration.text('spark.jars.packages')
  if (packages !== undefined)
    note(`${packages} are fetched by the driver, from the repositories that it reaches (spark.jars.packages)`)
}

/** What an earlier submitter left is looked for while the files are on their way. */
async function stageAndSweep(
  { prepared, staging, note, onProgress }: SubmitRequest,
  client: ApiClient,
  signal: AbortSignal,
): Promise<Staged | undefined> {
  const { application, plan } = prepared.submission
  const sweep = sweepLeftovers({ client, namespace: application.namespace, note }, signal)
  const stage = async (): Promise<Staged | undefined> => {
    if (plan.staged.length === 0) return undefined
    const owner = labelOwner(application)
    const { resourceId, resourceSecret: secret } = await staging.stage({
      owner,
      files: plan.staged,
      signal,
      onProgress,
    })
    return { resourceId, secret }
  }
  // Both are waited for, whichever fails.
  const [staged] = await Promise.allSettled([stage(), sweep])
  if (staged.status === 'rejected') throw staged.reason
  return staged.value
}

/** Before the driver has a uid: every pod with the application's label and the driver's role. */
function labelOwner({ namespace, id }: Application): Owner {
  return { namespace, apiVersion: 'v1', kind: 'Pod', labels: { [selectorLabel]: id, [roleLabel]: 'driver' } }
}

/** Nothing stays when this fails: neither in the cluster nor on the server. */
async function start(
  request: SubmitRequest,
  client: ApiClient,
  submission: Submission,
  signal: AbortSignal,
): Promise<void> {
  const { application, staged } = submission
  try {
    const { pod } = await apply({ client, application, rendered: render(submission), gate: request.gate }, signal)
    await bind(request, submission, pod.metadata.uid, signal)
  } catch (error) {
    if (staged !== undefined) await release(request, staged)
    throw error
  }
}

/** The label keeps the resource too, so a failure here is only told. */
async function bind(
  { staging, note }: SubmitRequest,
  { staged, application }: Submission,
  uid: string,
  signal: AbortSignal,
): Promise<void> {
  if (staged === undefined) return
  const { namespace, driverPod: name } = application
  const owner = { namespace, apiVersion: 'v1', kind: 'Pod', name, uid }
  try {
    await staging.bindOwner({ resourceId: staged.resourceId, secret: staged.secret, owner, signal })
  } catch (error) {
    note(`the files are kept by the driver's labels, not by its uid: ${(error as Error).message}`)
  }
}

async function release({ staging, note }: SubmitRequest, { resourceId, secret }: Staged): Promise<void> {
  try {
    await staging.release({ resourceId, secret, signal: AbortSignal.timeout(undoTimeoutMs) })
  } catch (error) {
    note(`the resource ${resourceId} was not released (${causeChain(error)[0]}); it is collected as unused`)
  }
}

/** Waits for the driver, writes its log, and decides what an interruption means. */
async function attend(
  request: SubmitRequest,
  client: ApiClient,
  submission: Submission,
  signal: AbortSignal,
): Promise<WatchResult> {
  const { application } = submission
  const { namespace, driverPod, id: applicationId } = application
  const containers = containersOf(submission)
  const logs = new AbortController()
  let log: Promise<void> = Promise.resolve()
  const onRunning = (): void => {
    if (request.wait !== 'follow') return
    const asked = { client, namespace, pod: driverPod, container: containers.driver, follow: true }
    log = copyLog({ ...asked, clock: request.clock, write: request.write }, logs.signal).catch((error: unknown) => {
      if (!logs.signal.aborted) request.note(`the log cannot be followed: ${(error as Error).message}`)
    })
  }
  try {
    const asked = {
      client,
      namespace,
      applicationId,
      driverPod,
      containers,
      note: request.note,
      clock: request.clock,
      onRunning,
    }
    const result = await watchApplication(asked, signal)
    await Promise.race([log, request.clock.sleep(logTailMs, logs.signal).catch(() => undefined)])
    return result
  } catch (cause) {
    const error = toSupercargoError(cause)
    if (signal.aborted) return await interrupted(request, client, application)
    if (error.context.goesOn !== true) throw error
    await remove(client, application)
    throw new SupercargoError(error.kind, error.code, `${error.message}; the driver was removed`, { hint: error.hint })
  } finally {
    logs.abort()
    await log
  }
}

async function interrupted(request: SubmitRequest, client: ApiClient, application: Application): Promise<WatchResult> {
  const { namespace, driverPod } = application
  if ((await whatToDo(request.interruption)) === 'stop') {
    await remove(client, application)
    throw new SupercargoError('interrupted', 'stopped-by-user', `the driver ${namespace}/${driverPod} was stopped`)
  }
  throw new SupercargoError(
    'interrupted',
    'detached',
    `the driver ${namespace}/${driverPod} goes on without this command`,
    {
      hint: `supercargo status ${driverPod} -n ${namespace}; supercargo logs; supercargo kill`,
    },
  )
}

async function remove(client: ApiClient, { namespace, driverPod: name }: Application): Promise<void> {
  await deleteObject(client, { path: podPath, namespace, name }, {}, AbortSignal.timeout(undoTimeoutMs))
}
