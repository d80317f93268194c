/** Applications that are there: found by the names that people have for them, described, stopped. */
import { type ApiClient, deleteObject, listObjects, type Pod, podPath } from '@supercargo/kube'
import { SupercargoError } from '@supercargo/protocol'
import { nameLabel, roleLabel, selectorLabel } from './application.ts'
import { driverPhase, executorPhase, verdictOf } from './phases.ts'

export interface DriverRow {
  readonly namespace: string
  readonly pod: string
  readonly application: string
  readonly id: string
  readonly phase: string
  readonly container: string
  /** In words. */
  readonly state: string
  readonly exitCode: number | undefined
  readonly startedAt: string | undefined
}

/** `pod`, `namespace:pod` as spark-submit prints it, the application's id or name; `*` at the end stands for anything. */
export interface DriverName {
  readonly namespace: string | undefined
  readonly name: string
}

export function readDriverName(text: string): DriverName {
  const colon = text.indexOf(':')
  return colon < 0
    ? { namespace: undefined, name: text }
    : { namespace: text.slice(0, colon), name: text.slice(colon + 1) }
}

/** Every driver of the namespace, the youngest first. */
export async function listDrivers(client: ApiClient, namespace: string, signal: AbortSignal): Promise<readonly Pod[]> {
  const { items } = await listObjects(client, podPath, { namespace, labelSelector: `${roleLabel}=driver` }, signal)
  return [...(items as readonly Pod[])].sort((one, other) => created(other) - created(one))
}

/** The drivers that the name means. Kind `notFound` when there is none. */
export async function findDrivers(
  client: ApiClient,
  namespace: string,
  name: string,
  signal: AbortSignal,
): Promise<readonly Pod[]> {
  const all = await listDrivers(client, namespace, signal)
  const exact = all.filter(({ metadata }) => metadata.name === name || metadata.labels?.[selectorLabel] === name)
  if (exact.length > 0) return exact
  const prefix = name.endsWith('*') ? name.slice(0, -1) : undefined
  const found = all.filter(({ metadata }) =>
    prefix === undefined ? metadata.labels?.[nameLabel] === name.toLowerCase() : metadata.name.startsWith(prefix),
  )
  if (found.length > 0) return found
  throw new SupercargoError('notFound', 'no-such-driver', `there is no driver ${name} in ${namespace}`, {
    hint: `supercargo status -n ${namespace} lists those that are there`,
  })
}

/** The one driver that the name means; of an application that ran several times, the youngest. */
export async function findDriver(
  client: ApiClient,
  namespace: string,
  name: string,
  signal: AbortSignal,
): Promise<Pod> {
  return (await findDrivers(client, namespace, name, signal))[0]!
}

export function describeDriver(pod: Pod): DriverRow {
  const container = driverContainer(pod)
  const verdict = verdictOf(pod, container, 'driver')
  const { metadata, status } = pod
  return {
    namespace: metadata.namespace ?? '',
    pod: metadata.name,
    application: metadata.labels?.[nameLabel] ?? '',
    id: metadata.labels?.[selectorLabel] ?? '',
    phase: status?.phase ?? 'Unknown',
    container,
    state:
      verdict === undefined
        ? driverPhase(pod, container)
        : verdict.kind === 'failed'
          ? verdict.error.message
          : `the driver ended with ${verdict.exitCode}${verdict.reason}`,
    exitCode: verdict?.kind === 'ended' ? verdict.exitCode : undefined,
    startedAt: status?.startTime === undefined ? undefined : String(status.startTime),
  }
}

export async function describeExecutors(client: ApiClient, pod: Pod, signal: AbortSignal): Promise<string | undefined> {
  const { namespace, labels } = pod.metadata
  const labelSelector = `${selectorLabel}=${labels?.[selectorLabel] ?? ''},${roleLabel}=executor`
  const { items } = await listObjects(client, podPath, { namespace, labelSelector }, signal)
  return executorPhase(items as readonly Pod[], 'spark-kubernetes-executor')
}

/** The driver's objects, executors and staged files go with it. False when it was gone already. */
export function killDriver(client: ApiClient, pod: Pod, signal: AbortSignal): Promise<boolean> {
  const { namespace = 'default', name, uid } = pod.metadata
  return deleteObject(client, { path: podPath, namespace, name }, { uid }, signal)
}

/** By its name, else the last one, where Spark puts it. */
export function driverContainer(pod: Pod): string {
  const containers = (pod.spec?.containers ?? []) as readonly { name: string }[]
  const found = containers.find(({ name }) => name === 'spark-kubernetes-driver') ?? containers.at(-1)
  return found?.name ?? 'spark-kubernetes-driver'
}

function created(pod: Pod): number {
  return Date.parse(String(pod.metadata.creationTimestamp))
}
