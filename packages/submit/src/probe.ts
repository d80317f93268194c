/** What only a pod can tell: whether it reaches the staging server, and whether the image has what `local:` names. */
import {
  type ApiClient,
  builtInPath,
  createObject,
  deleteObject,
  followPods,
  type KubeObject,
  type Pod,
  podPath,
} from '@supercargo/kube'
import { routes, SupercargoError } from '@supercargo/protocol'
import { takeChance } from './application.ts'
import { type Finding, fault } from './finding.ts'
import { planDirectory, planPath } from './localize-plan.ts'
import { verdictOf } from './phases.ts'
import { localizerFailure } from './termination.ts'

export interface ProbeRequest {
  readonly client: ApiClient
  readonly namespace: string
  /** As the pods see it. */
  readonly podServer: string | undefined
  readonly initImage: string | undefined
  readonly sparkImage: string | undefined
  /** Paths that `local:` names. */
  readonly imagePaths: readonly string[]
  readonly pullPolicy: string
  readonly nowMs: number
}

interface Probe {
  readonly pod: KubeObject
  /** Of a ConfigMap of the pod's name, which goes with it. */
  readonly data: Readonly<Record<string, string>> | undefined
}

const probeTimeoutMs = 120_000
const removalTimeoutMs = 10_000
const container = 'probe'

/** Each probe is a pod of its own that is removed at once. */
export async function probe(request: ProbeRequest, signal: AbortSignal): Promise<readonly Finding[]> {
  const findings: Promise<Finding>[] = []
  const { podServer, initImage, sparkImage, imagePaths } = request
  if (podServer !== undefined && initImage !== undefined)
    findings.push(
      tried(() =>
        run(
          request,
          reachPod(request, podServer, initImage),
          `a pod reaches the staging server at ${podServer}`,
          signal,
        ),
      ),
    )
  if (sparkImage !== undefined && imagePaths.length > 0)
    findings.push(
      tried(() =>
        run(request, imagePod(request, sparkImage), `the image ${sparkImage} has ${imagePaths.join(', ')}`, signal),
      ),
    )
  return Promise.all(findings)
}

/** The localizer itself, with a plan of one item that is always there. */
function reachPod(request: ProbeRequest, podServer: string, image: string): Probe {
  const plan = {
    version: 1,
    root: '/data',
    items: [{ uri: `${podServer.replace(/\/$/, '')}${routes.live}`, to: 'probe' }],
    limits: { attemptsMax: 2, deadlineMs: 30_000 },
  }
  const name = nameOf(request, 'reach')
  const volumeMounts = [
    { name: 'plan', mountPath: planDirectory, readOnly: true },
    { name: 'data', mountPath: plan.root },
  ]
  const volumes = [
    { name: 'plan', configMap: { name } },
    { name: 'data', emptyDir: {} },
  ]
  return {
    pod: pod(request, name, { image, args: [planPath], volumeMounts }, { volumes }),
    data: { 'plan.json': JSON.stringify(plan) },
  }
}

function imagePod(request: ProbeRequest, image: string): Probe {
  const script = 'for path in "$@"; do [ -e "$path" ] || { echo "$path is not in the image"; exit 66; }; done'
  const command = ['sh', '-c', script, 'probe', ...request.imagePaths]
  return { pod: pod(request, nameOf(request, 'image'), { image, command }, {}), data: undefined }
}

function nameOf({ nowMs }: ProbeRequest, what: string): string {
  return `supercargo-doctor-${what}-${takeChance(nowMs).uid}`
}

function pod(
  { namespace, pullPolicy: imagePullPolicy }: ProbeRequest,
  name: string,
  rest: object,
  spec: object,
): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace },
    spec: {
      ...spec,
      restartPolicy: 'Never',
      activeDeadlineSeconds: probeTimeoutMs / 1000,
      automountServiceAccountToken: false,
      containers: [{ name: container, imagePullPolicy, terminationMessagePolicy: 'FallbackToLogsOnError', ...rest }],
    },
  }
}

async function run(request: ProbeRequest, what: Probe, good: string, signal: AbortSignal): Promise<Finding> {
  const { client, namespace } = request
  const made = await createObject(client, podPath, what.pod, signal)
  const { name, uid } = made.metadata
  const within = AbortSignal.any([signal, AbortSignal.timeout(probeTimeoutMs)])
  try {
    if (what.data !== undefined) {
      const ownerReferences = [{ apiVersion: 'v1', kind: 'Pod', name, uid }]
      const map = { metadata: { name, namespace, ownerReferences }, data: what.data }
      await createObject(client, builtInPath('v1', 'ConfigMap'), map, signal)
    }
    for await (const event of followPods(client, { namespace, name }, {}, within)) {
      if (event.type === 'listed') continue
      const verdict = verdictOf(event.pod, container, 'driver')
      if (verdict?.kind === 'failed') throw verdict.error
      if (verdict?.kind === 'ended' && verdict.exitCode === 0) return { verdict: 'good', says: good }
      if (verdict?.kind === 'ended')
        throw localizerFailure(messageOf(event.pod), verdict.exitCode, 'the pod that was tried')
    }
    throw new SupercargoError('unavailable', 'probe-unanswered', 'the pod that was tried did not end')
  } finally {
    await deleteObject(client, { path: podPath, namespace, name }, { uid }, AbortSignal.timeout(removalTimeoutMs))
  }
}

async function tried(work: () => Promise<Finding>): Promise<Finding> {
  try {
    return await work()
  } catch (error) {
    if (!SupercargoError.is(error)) throw error
    return fault(error)
  }
}

function messageOf({ status }: Pod): string | undefined {
  return status?.containerStatuses?.[0]?.state?.terminated?.message
}
