/** The resource of a wrapped command: staged, read by URL, bound to a pod, kept while the command runs, released. */
import type { StagingClient } from '@supercargo/client'
import type { Pod } from '@supercargo/kube'
import { causeChain, type Owner } from '@supercargo/protocol'
import { submissionLabel } from '../application.ts'
import type { Staged } from '../submission.ts'
import type { WrappedCommand } from './prepare.ts'
import type { WrapRequest } from './request.ts'

/** For a request at the end, or after a failure. */
const undoTimeoutMs = 10_000
/** Files that no pod keeps are asked for this often: far sooner than an unused resource is collected. */
const keepIntervalMs = 300_000

/** Undefined when there is nothing to stage. */
export async function stage(
  { command, staging, onProgress }: WrapRequest,
  owner: Owner,
  signal: AbortSignal,
): Promise<Staged | undefined> {
  const { staged: files } = command.plan
  if (files.length === 0) return undefined
  const { resourceId, resourceSecret: secret } = await staging.stage({ owner, files, signal, onProgress })
  return { resourceId, secret }
}

/** Of the staging server as the pods reach it. Undefined when nothing is read by URL. */
export async function capabilityUrl(
  { command, staging }: WrapRequest,
  staged: Staged | undefined,
  signal: AbortSignal,
): Promise<string | undefined> {
  const isRead = [...command.plan.lists.values()].flat().some((address) => typeof address !== 'string')
  if (staged === undefined || !isRead) return undefined
  const { url } = await staging.createCapability({ resourceId: staged.resourceId, secret: staged.secret, signal })
  return `${command.submission.localizer.server.replace(/\/+$/, '')}${url.slice(url.lastIndexOf('/c/'))}`
}

/** Every pod that carries the command's label: the driver, or its executors. */
export function labelOwner({ submission }: WrappedCommand): Owner {
  const { namespace, id } = submission.application
  return { namespace, apiVersion: 'v1', kind: 'Pod', labels: { [submissionLabel]: id } }
}

/** This very pod. */
export function podOwner({ metadata }: Pod): Owner {
  return { namespace: metadata.namespace!, apiVersion: 'v1', kind: 'Pod', name: metadata.name, uid: metadata.uid }
}

/** The label keeps the resource too, so a failure here is only told. */
export async function bind({ staging, note }: WrapRequest, { resourceId, secret }: Staged, pod: Pod): Promise<void> {
  try {
    await staging.bindOwner({ resourceId, secret, owner: podOwner(pod), signal: AbortSignal.timeout(undoTimeoutMs) })
  } catch (error) {
    note(`the files are kept by the driver's label, not by its uid: ${(error as Error).message}`)
  }
}

/** Outside the cluster nothing but executors keeps the files, and a shell may have none for hours. */
export async function keep(
  { command, staging, clock }: WrapRequest,
  { resourceId, secret }: Staged,
  signal: AbortSignal,
): Promise<void> {
  const path = command.plan.staged[0]!.as!
  while (!signal.aborted) {
    try {
      await clock.sleep(keepIntervalMs, signal)
      const { stream } = await staging.openFile({ resourceId, secret, path, offset: 0, signal })
      stream.destroy()
    } catch {
      // The command has ended, or the server is away for a moment: the next round asks again.
    }
  }
}

/** A failure is only told: what nobody uses is collected. */
export async function release(
  staging: StagingClient,
  { resourceId, secret }: Staged,
  note: (text: string) => void,
): Promise<void> {
  try {
    await staging.release({ resourceId, secret, signal: AbortSignal.timeout(undoTimeoutMs) })
  } catch (error) {
    note(`the resource ${resourceId} was not released (${causeChain(error)[0]}); it is collected as unused`)
  }
}
