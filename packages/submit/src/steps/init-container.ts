/** The init-container that localizes, in the driver and, where they read their own jars, in the executors. */
import { dataMount, dataVolume, localizeContainer } from '../localize-container.ts'
import { localizePlan, planHadoopDirectory, planTokenDirectory } from '../localize-plan.ts'
import { needsInitContainer } from '../plan.ts'
import {
  type MountedVolume,
  mounted,
  type PlanContents,
  type PlanNames,
  planObjects,
  planVolume,
} from '../plan-objects.ts'
import { emptyPod } from '../pod.ts'
import { addInitContainer, addMount, addObject, addVolume, type PodRole, type Spec } from '../spec.ts'
import type { Submission } from '../submission.ts'
import { hadoopConfigMap } from './hadoop.ts'
import { tokenSecret } from './kerberos.ts'
import type { Step } from './step.ts'

export const initContainer: Step = {
  name: 'the init-container',
  apply: (spec, submission) => {
    if (!needsInitContainer(submission.plan)) return spec
    const { namespace } = submission.application
    const objects = planObjects(contentsOf(submission), namesOf(submission), { namespace })
    const driver = addTo(objects.reduce(addObject, spec), 'driver', submission)
    if (!submission.plan.executorsLocalize) return driver
    const executor = driver.executor ?? emptyPod('spark-kubernetes-executor')
    return addTo({ ...driver, executor }, 'executor', submission)
  },
}

function addTo(spec: Spec, role: PodRole, submission: Submission): Spec {
  const { root } = submission.plan
  const own = ownVolumes(submission)
  const pod = spec[role]?.fields.securityContext as { runAsUser?: number } | undefined
  const container = localizeContainer({
    ...submission.localizer,
    root,
    runAsUser: pod?.runAsUser,
    mounts: own.map(({ mount }) => mount),
  })
  let next = addVolume(spec, role, dataVolume)
  for (const { volume } of own) next = addVolume(next, role, volume)
  return addMount(addInitContainer(next, role, container), role, dataMount(root))
}

/** Volumes of the init-container alone. */
function ownVolumes(submission: Submission): readonly MountedVolume[] {
  const contents = contentsOf(submission)
  const { hadoop } = contents.plan
  const volumes = [planVolume(contents, namesOf(submission))]
  const map = hadoopConfigMap(submission)
  if (hadoop?.confDirectory !== undefined && map !== undefined)
    volumes.push(mounted({ name: 'supercargo-hadoop', configMap: { name: map } }, planHadoopDirectory))
  const tokens = tokenSecret(submission.configuration)
  if (hadoop?.tokenFile !== undefined && tokens !== undefined) {
    const items = [{ key: tokens.key, path: 'token' }]
    volumes.push(mounted({ name: 'supercargo-tokens', secret: { secretName: tokens.name, items } }, planTokenDirectory))
  }
  return volumes
}

function contentsOf(submission: Submission): PlanContents {
  const { inputs, staged } = submission
  return { plan: localizePlan(submission), secret: staged?.secret, authority: inputs.stagingCa }
}

function namesOf({ application }: Submission): PlanNames {
  return { map: `${application.prefix}-supercargo-plan`, secret: `${application.prefix}-supercargo-secret` }
}
