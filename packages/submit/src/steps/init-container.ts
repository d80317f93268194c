/** The init-container that localizes, in the driver and, where they read their own jars, in the executors. */
import type { KubeObject } from '@supercargo/kube'
import { SupercargoError } from '@supercargo/protocol'
import {
  localizePlan,
  planDirectory,
  planHadoopDirectory,
  planIsSecret,
  planPath,
  planTokenDirectory,
} from '../localize-plan.ts'
import { needsInitContainer } from '../plan.ts'
import { type Container, emptyPod, type Volume, type VolumeMount } from '../pod.ts'
import { addInitContainer, addMount, addObject, addVolume, type PodRole, type Spec } from '../spec.ts'
import type { Submission } from '../submission.ts'
import { hadoopConfigMap } from './hadoop.ts'
import { tokenSecret } from './kerberos.ts'
import type { Step } from './step.ts'

export const initContainerName = 'supercargo-localize'
const dataVolume = 'supercargo-data'

export const initContainer: Step = {
  name: 'the init-container',
  apply: (spec, submission) => {
    if (!needsInitContainer(submission.plan)) return spec
    const withObjects = planObjects(submission).reduce(addObject, spec)
    const driver = addTo(withObjects, 'driver', submission)
    if (!submission.plan.executorsLocalize) return driver
    return addTo(
      { ...driver, executor: driver.executor ?? emptyPod('spark-kubernetes-executor') },
      'executor',
      submission,
    )
  },
}

function addTo(spec: Spec, role: PodRole, submission: Submission): Spec {
  const { root } = submission.plan
  const own = ownVolumes(submission)
  let next = addVolume(spec, role, { name: dataVolume, emptyDir: {} })
  for (const { volume } of own) next = addVolume(next, role, volume)
  next = addInitContainer(
    next,
    role,
    container(
      spec,
      role,
      submission,
      own.map(({ mount }) => mount),
    ),
  )
  // Whatever else the pod does, what was verified stays as it is.
  return addMount(next, role, { name: dataVolume, mountPath: root, readOnly: true })
}

function container(spec: Spec, role: PodRole, submission: Submission, mounts: readonly VolumeMount[]): Container {
  const { image, pullPolicy } = submission.localizer
  if (image === undefined)
    throw new SupercargoError('invalid', 'init-image-missing', 'no image is named for the init-container', {
      hint: 'name the image of the localizer with --init-image, or spark.supercargo.initImage in spark-defaults.conf',
    })
  const podUser = (spec[role]?.fields.securityContext as { runAsUser?: number } | undefined)?.runAsUser
  return {
    name: initContainerName,
    image,
    imagePullPolicy: pullPolicy,
    args: [planPath],
    // What it asks for is less than what the pod asks for anyway: it costs no room on a node.
    resources: { requests: { cpu: '100m', memory: '128Mi' }, limits: { memory: '512Mi' } },
    terminationMessagePolicy: 'FallbackToLogsOnError',
    securityContext: {
      runAsNonRoot: true,
      // Any user of the image's will do; only a pod that runs as root has to be told.
      ...(podUser === 0 ? { runAsUser: 65_532 } : {}),
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
      seccompProfile: { type: 'RuntimeDefault' },
    },
    volumeMounts: [{ name: dataVolume, mountPath: submission.plan.root }, ...mounts],
  }
}

interface MountedVolume {
  readonly volume: Volume
  readonly mount: VolumeMount
}

/** Volumes of the init-container alone, under names that neither Spark nor a template uses. */
function ownVolumes(submission: Submission): readonly MountedVolume[] {
  const { configuration } = submission
  const names = objectNames(submission)
  const { secretItems, mapItems } = planItems(submission)
  const sources = [
    ...(mapItems.length === 0 ? [] : [{ configMap: { name: names.map, items: mapItems.map(asItem) } }]),
    ...(secretItems.length === 0 ? [] : [{ secret: { name: names.secret, items: secretItems.map(asItem) } }]),
  ]
  const volumes = [mounted({ name: 'supercargo-plan', projected: { sources } }, planDirectory)]
  const readsHadoop = localizePlan(submission).hadoop
  const map = hadoopConfigMap(submission)
  if (readsHadoop?.confDirectory !== undefined && map !== undefined)
    volumes.push(mounted({ name: 'supercargo-hadoop', configMap: { name: map } }, planHadoopDirectory))
  const tokens = tokenSecret(configuration)
  if (readsHadoop?.tokenFile !== undefined && tokens !== undefined) {
    const items = [{ key: tokens.key, path: 'token' }]
    volumes.push(mounted({ name: 'supercargo-tokens', secret: { secretName: tokens.name, items } }, planTokenDirectory))
  }
  return volumes
}

function mounted(volume: Volume, mountPath: string): MountedVolume {
  return { volume, mount: { name: volume.name, mountPath, readOnly: true } }
}

/** The plan is readable for whoever may read ConfigMaps, unless it holds keys. The resource's secret never is. */
function planObjects(submission: Submission): KubeObject[] {
  const { application, inputs, staged } = submission
  const names = objectNames(submission)
  const { secretItems, mapItems } = planItems(submission)
  const contents: Readonly<Record<string, string>> = {
    'plan.json': `${JSON.stringify(localizePlan(submission), undefined, 1)}\n`,
    'ca.crt': inputs.stagingCa ?? '',
    secret: staged?.secret.reveal() ?? '',
  }
  const metadata = (name: string) => ({ name, namespace: application.namespace })
  const objects: KubeObject[] = []
  if (mapItems.length > 0)
    objects.push({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: metadata(names.map),
      immutable: true,
      data: Object.fromEntries(mapItems.map((key) => [key, contents[key]!])),
    })
  if (secretItems.length > 0)
    objects.push({
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: metadata(names.secret),
      immutable: true,
      data: Object.fromEntries(secretItems.map((key) => [key, Buffer.from(contents[key]!).toString('base64')])),
    })
  return objects
}

function planItems(submission: Submission): {
  readonly secretItems: readonly string[]
  readonly mapItems: readonly string[]
} {
  const hidden = planIsSecret(localizePlan(submission))
  return {
    secretItems: [...(submission.plan.staged.length === 0 ? [] : ['secret']), ...(hidden ? ['plan.json'] : [])],
    mapItems: [...(hidden ? [] : ['plan.json']), ...(submission.inputs.stagingCa === undefined ? [] : ['ca.crt'])],
  }
}

function objectNames({ application }: Submission): { readonly map: string; readonly secret: string } {
  return { map: `${application.prefix}-supercargo-plan`, secret: `${application.prefix}-supercargo-secret` }
}

function asItem(key: string): { readonly key: string; readonly path: string } {
  return { key, path: key }
}
