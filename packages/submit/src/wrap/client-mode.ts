/** Client mode: the driver is the command itself, here or in the pod in which this runs; what was made for it goes when it ends. */
import {
  type ApiClient,
  builtInPath,
  deleteObject,
  type KubeObject,
  type OwnerReference,
  type Pod,
} from '@supercargo/kube'
import { createOwnedBy } from '../apply.ts'
import type { Environment } from '../configuration.ts'
import { compose } from './compose.ts'
import { driverHost } from './driver-service.ts'
import { findOwnPod, podIps } from './own-pod.ts'
import type { WrappedCommand } from './prepare.ts'
import type { WrapRequest } from './request.ts'
import { keep, labelOwner, podOwner, release, stage } from './resource.ts'
import { startCommand } from './run-command.ts'
import type { DriverHere } from './settings.ts'
import { makeWorkDirectory } from './work-directory.ts'

/** For what is undone at the end. */
const undoTimeoutMs = 10_000

export async function runHere(request: WrapRequest, client: ApiClient, signal: AbortSignal): Promise<number> {
  const { command, staging, note, environment } = request
  const { pod, here } = await lookAround(command, { client, environment, note, make: true }, signal)
  const owner = pod === undefined ? labelOwner(command) : podOwner(pod)
  const staged = await stage(request, owner, signal)
  const ended = new AbortController()
  let made: readonly KubeObject[] = []
  try {
    const composed = compose(command, { staged, capability: undefined, here, gate: false })
    made = composed.objects
    const reference = pod === undefined ? undefined : referenceTo(pod)
    await createOwnedBy(client, reference, composed.objects, signal)
    await using _ = await makeWorkDirectory(command.work, composed)
    const running = await startCommand(composed.words, environment, request.forward)
    if (pod === undefined && staged !== undefined) void keep(request, staged, ended.signal)
    return await running.ended
  } finally {
    ended.abort()
    await removeObjects(client, made, note)
    if (staged !== undefined) await release(staging, staged, note)
  }
}

export interface Around {
  readonly pod: Pod | undefined
  readonly here: DriverHere | undefined
}

/** The pod in which this runs, and the name by which the executors find it. */
export async function lookAround(
  { configuration, submission, connection }: WrappedCommand,
  options: {
    readonly client: ApiClient
    readonly environment: Environment
    readonly note: (text: string) => void
    readonly make: boolean
  },
  signal: AbortSignal,
): Promise<Around> {
  const { note } = options
  const host = configuration.text('spark.driver.host')
  const pod = await findOwnPod({ ...options, namespace: connection?.namespace }, signal)
  const ip = pod === undefined ? undefined : podIps(pod)[0]
  if (pod === undefined || ip === undefined) {
    note(
      host === undefined
        ? 'the driver runs outside the cluster: the executors must reach this machine under the name that Spark finds for it, else set spark.driver.host'
        : `the driver runs outside the cluster: the executors must reach it as ${host} (spark.driver.host)`,
    )
    return { pod: undefined, here: undefined }
  }
  const here = {
    pod: pod.metadata.name,
    ip,
    host: host === undefined ? await driverHost({ ...options, pod }, signal) : undefined,
  }
  const { namespace } = submission.application
  if (pod.metadata.namespace === namespace) return { pod, here }
  note(`the executors are in ${namespace} and this pod is in ${pod.metadata.namespace}: they do not belong to it`)
  return { pod: undefined, here: { ...here, pod: undefined } }
}

function referenceTo({ metadata: { name, uid } }: Pod): OwnerReference {
  return { apiVersion: 'v1', kind: 'Pod', name, uid }
}

async function removeObjects(
  client: ApiClient,
  objects: readonly KubeObject[],
  note: (text: string) => void,
): Promise<void> {
  for (const { apiVersion, kind, metadata } of objects) {
    const place = { path: builtInPath(apiVersion!, kind!), namespace: metadata.namespace!, name: metadata.name! }
    try {
      await deleteObject(client, place, {}, AbortSignal.timeout(undoTimeoutMs))
    } catch (error) {
      note(`the ${kind} ${place.namespace}/${place.name} is still there: ${(error as Error).message}`)
    }
  }
}
