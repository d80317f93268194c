/** All steps in their order, and the fold that makes a driver's pod and its objects of them. */
import type { KubeObject } from '@supercargo/kube'
import { emptyPod, joinPod, type PodManifest } from '../pod.ts'
import { type Spec, setProperty } from '../spec.ts'
import type { Submission } from '../submission.ts'
import { dependencyKeys } from '../survey.ts'
import { account } from './account.ts'
import { command } from './command.ts'
import { dependencies } from './dependencies.ts'
import { driver } from './driver.ts'
import { environment } from './environment.ts'
import { executorTemplate } from './executor-template.ts'
import { hadoop } from './hadoop.ts'
import { hostAliases } from './host-aliases.ts'
import { initContainer } from './init-container.ts'
import { kerberos } from './kerberos.ts'
import { localDirectories } from './local-directories.ts'
import { names } from './names.ts'
import { properties } from './properties.ts'
import { secrets } from './secrets.ts'
import { service } from './service.ts'
import type { Step } from './step.ts'
import { templates } from './templates.ts'
import { volumes } from './volumes.ts'

/** Templates come first, because the others add to them; the Service follows the labels; the properties collect what all say. */
export const steps: readonly Step[] = [
  templates,
  driver,
  names,
  command,
  environment,
  service,
  account,
  secrets,
  volumes,
  localDirectories,
  hadoop,
  kerberos,
  dependencies,
  initContainer,
  hostAliases,
  executorTemplate,
  properties,
]

export interface Rendered {
  readonly pod: PodManifest
  /** To be created with the pod as their owner. */
  readonly objects: readonly KubeObject[]
}

const inCluster = 'k8s://https://kubernetes.default.svc'

export function render(submission: Submission, chosen: readonly Step[] = steps): Rendered {
  const spec = fold(submission, chosen)
  return { pod: joinPod(spec.driver), objects: spec.objects }
}

/** What the steps have said, one after the other. */
export function fold(submission: Submission, chosen: readonly Step[]): Spec {
  let spec = begin(submission)
  for (const step of chosen) spec = step.apply({ ...spec, step: step.name }, submission)
  return spec
}

/** The user's properties, without what is said in other words or is for this side alone. */
function begin({ configuration }: Submission): Spec {
  const spec: Spec = {
    driver: emptyPod('spark-kubernetes-driver'),
    executor: undefined,
    properties: new Map(configuration.entries().filter(([key]) => isForTheDriver(key))),
    objects: [],
    claims: new Map(),
    step: 'the submission',
  }
  return setProperty(spec, 'spark.master', inCluster)
}

const submittersAlone = [
  ...dependencyKeys,
  'spark.kubernetes.context',
  'spark.kubernetes.file.upload.path',
  'spark.kubernetes.driver.podTemplateFile',
  'spark.kubernetes.driver.podTemplateContainerName',
  'spark.kubernetes.executor.podTemplateFile',
  'spark.kubernetes.kerberos.krb5.path',
]

/** Credentials and paths of the submitter say nothing to the driver, and the ConfigMap is no place for them. */
function isForTheDriver(key: string): boolean {
  if (key.startsWith('spark.supercargo.') || key.startsWith('spark.kubernetes.authenticate.submission.')) return false
  if (
    /^spark\.kubernetes\.authenticate\.driver\.(caCertFile|clientKeyFile|clientCertFile|oauthToken(File)?)$/.test(key)
  )
    return false
  return !submittersAlone.includes(key)
}
