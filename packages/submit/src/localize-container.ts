/** The container that localizes, and its volumes: the same in a driver, an executor and any other pod. */
import { SupercargoError } from '@supercargo/protocol'
import { planPath } from './localize-plan.ts'
import type { Container, Volume, VolumeMount } from './pod.ts'

export interface LocalizeContainer {
  readonly image: string | undefined
  readonly pullPolicy: string
  /** Where everything appears. */
  readonly root: string
  /** Of the pod, where that is said. */
  readonly runAsUser: number | undefined
  /** Of the plan, and of what else it reads. */
  readonly mounts: readonly VolumeMount[]
}

export const initContainerName = 'supercargo-localize'
export const dataVolume: Volume = { name: 'supercargo-data', emptyDir: {} }

export function localizeContainer({ image, pullPolicy, root, runAsUser, mounts }: LocalizeContainer): Container {
  checkInitImage(image)
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
      ...(runAsUser === 0 ? { runAsUser: 65_532 } : {}),
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
      seccompProfile: { type: 'RuntimeDefault' },
    },
    volumeMounts: [{ name: dataVolume.name, mountPath: root }, ...mounts],
  }
}

/** For the containers that use the files. Whatever else the pod does, what was verified stays as it is. */
export function dataMount(root: string): VolumeMount {
  return { name: dataVolume.name, mountPath: root, readOnly: true }
}

export function checkInitImage(image: string | undefined): asserts image is string {
  if (image !== undefined) return
  throw new SupercargoError('invalid', 'init-image-missing', 'no image is named for the init-container', {
    hint: 'name the image of the localizer with --init-image, or spark.supercargo.initImage in spark-defaults.conf',
  })
}
