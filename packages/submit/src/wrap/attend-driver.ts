/** A driver's pod that Spark's own client makes: it gets its objects as soon as it is there, and says at the end what it ended with. */

import type { ApiClient } from '@supercargo/kube'
import { deleteObject, followPods, type KubeObject, type Pod, podPath, readObject } from '@supercargo/kube'
import { SupercargoError } from '@supercargo/protocol'
import { type Application, submissionLabel } from '../application.ts'
import { complete } from '../apply.ts'
import { type Verdict, verdictOf } from '../phases.ts'

export interface AttendRequest {
  readonly client: ApiClient
  readonly application: Application
  readonly objects: readonly KubeObject[]
}

/** For what is undone after a failure. */
const undoTimeoutMs = 10_000

/**
 * Waits for the pod, creates its objects with it as their owner, and opens its gate. When that fails the pod is removed, because
 * it would wait for ever. Another pod of the name is not touched: Spark's client fails on it.
 */
export async function attendDriver(request: AttendRequest, signal: AbortSignal): Promise<Pod> {
  const { client, application, objects } = request
  const { namespace, driverPod: name } = application
  for await (const event of followPods(client, { namespace, name }, {}, signal)) {
    if (event.type !== 'present' || !isOurs(event.pod, application)) continue
    const { pod } = event
    try {
      await complete({ client, application, pod, objects }, signal)
      return pod
    } catch (error) {
      const { uid } = pod.metadata
      const undo = AbortSignal.timeout(undoTimeoutMs)
      await deleteObject(client, { path: podPath, namespace, name }, { uid }, undo).catch(() => {
        // The first failure is the one to report; a gated pod is removed by the next submission.
      })
      throw error
    }
  }
  throw new SupercargoError('internal', 'watch-ended', `the watch of pod ${namespace}/${name} ended`)
}

/** Removes the driver's pod when its client has died before the pod could get its objects: it would wait for ever. */
export async function removeUnattended(client: ApiClient, application: Application): Promise<void> {
  const { namespace, driverPod: name } = application
  const place = { path: podPath, namespace, name }
  const signal = AbortSignal.timeout(undoTimeoutMs)
  try {
    const pod = (await readObject(client, place, signal)) as Pod | undefined
    if (pod !== undefined && isOurs(pod, application))
      await deleteObject(client, place, { uid: pod.metadata.uid }, signal)
  } catch {
    // The command has failed already, and a gated pod is removed by the next submission.
  }
}

/** How the driver ended. Undefined when it has not ended, or is gone. `container` is Spark's. */
export async function driverVerdict(
  client: ApiClient,
  { namespace, driverPod: name }: Application,
  container: string,
  signal: AbortSignal,
): Promise<Verdict | undefined> {
  const pod = (await readObject(client, { path: podPath, namespace, name }, signal)) as Pod | undefined
  return pod === undefined ? undefined : verdictOf(pod, container, 'driver')
}

function isOurs(pod: Pod, { id }: Application): boolean {
  return pod.metadata.labels?.[submissionLabel] === id
}
