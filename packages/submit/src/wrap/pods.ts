/** The pod templates that Spark is given, and the objects that its pods need: the steps of a submission that Spark does not do itself. Pure. */
import type { KubeObject } from '@supercargo/kube'
import { submissionLabel } from '../application.ts'
import { gated } from '../apply.ts'
import { localizePlan } from '../localize-plan.ts'
import { joinPod, type PodManifest } from '../pod.ts'
import { addObject, type PodRole, type Spec, setLabel } from '../spec.ts'
import { hadoopObject } from '../steps/hadoop.ts'
import { hostAliases } from '../steps/host-aliases.ts'
import { initContainer } from '../steps/init-container.ts'
import { fold } from '../steps/order.ts'
import type { Step } from '../steps/step.ts'
import { templates } from '../steps/templates.ts'
import type { Submission } from '../submission.ts'
import type { Manner } from './plan.ts'

export interface PodTemplate {
  readonly manifest: PodManifest
  /** Spark takes the first container unless it is told this. */
  readonly container: string | undefined
}

export interface WrapPods {
  /** In cluster mode. */
  readonly driver: PodTemplate | undefined
  readonly executor: PodTemplate | undefined
  readonly objects: readonly KubeObject[]
}

export interface PodsRequest {
  readonly submission: Submission
  readonly manner: Manner
  /** Holds the driver back until its objects are there. */
  readonly gate: boolean
}

export function renderPods({ submission, manner, gate }: PodsRequest): WrapPods {
  const spec = fold(submission, [templates, initContainer, hostAliases, hadoopFiles, labels])
  const driver = manner === 'cluster' ? template(spec, 'driver') : undefined
  const holds = gate && spec.objects.length > 0
  return {
    driver: driver !== undefined && holds ? { ...driver, manifest: gated(driver.manifest) } : driver,
    executor: spec.executor === undefined ? undefined : template(spec, 'executor'),
    objects: spec.objects.map((object) => labelled(object, submission)),
  }
}

/** Spark makes a ConfigMap of these too, but under a name that nobody knows in advance. */
const hadoopFiles: Step = {
  name: "Hadoop's configuration",
  apply: (spec, submission) => {
    const { plan } = submission
    if (plan.fetched.length === 0 || localizePlan(submission).hadoop?.confDirectory === undefined) return spec
    const object = hadoopObject(submission)
    return object === undefined ? spec : addObject(spec, object)
  },
}

/** By this the driver is told from another of its name, and the owner of the files is found. */
const labels: Step = {
  name: 'the labels',
  apply: (spec, { application }) => {
    const roles: readonly PodRole[] = spec.executor === undefined ? ['driver'] : ['driver', 'executor']
    return roles.reduce((each, role) => setLabel(each, role, submissionLabel, application.id), spec)
  },
}

function template(spec: Spec, role: PodRole): PodTemplate {
  const parts = spec[role]!
  return { manifest: joinPod(parts), container: parts.others.length === 0 ? undefined : parts.container.name }
}

function labelled(object: KubeObject, { application }: Submission): KubeObject {
  const { metadata } = object
  return { ...object, metadata: { ...metadata, labels: { ...metadata.labels, [submissionLabel]: application.id } } }
}
