/** Names, labels and annotations: those by which Spark's tools, NetworkPolicies and queues find the driver. */
import { SupercargoError } from '@supercargo/protocol'
import { labelValue, nameLabel, roleLabel, selectorLabel, submissionLabel } from '../application.ts'
import { editPod, type Spec, setAnnotation, setLabel } from '../spec.ts'
import type { Submission } from '../submission.ts'
import type { Step } from './step.ts'

const reserved = ['spark-version', selectorLabel, nameLabel, roleLabel]

export const names: Step = {
  name: 'the names and labels of the driver',
  apply: (spec, submission) => {
    const { application, configuration, owner } = submission
    const { driverPod: name, namespace } = application
    let next = editPod(spec, 'driver', (pod) => ({ ...pod, metadata: { ...pod.metadata, name, namespace } }))
    next = driverLabels(next, submission)
    for (const [key, value] of configuration.behind('spark.kubernetes.driver.label.')) {
      if (reserved.includes(key))
        throw new SupercargoError('invalid', 'reserved-label', `the label ${key} is Spark's own`, {
          hint: `leave spark.kubernetes.driver.label.${key} out`,
        })
      next = setLabel(next, 'driver', key, substituted(value, application.id))
    }
    for (const [key, value] of configuration.behind('spark.kubernetes.driver.annotation.'))
      next = setAnnotation(next, 'driver', key, substituted(value, application.id))
    if (owner === undefined) return next
    const reference = { ...owner, controller: false }
    return editPod(next, 'driver', (pod) => ({
      ...pod,
      metadata: {
        ...pod.metadata,
        ownerReferences: [...((pod.metadata.ownerReferences as object[]) ?? []), reference],
      },
    }))
  },
}

function driverLabels(spec: Spec, { application }: Submission): Spec {
  const labels: Record<string, string> = {
    [selectorLabel]: application.id,
    [nameLabel]: labelValue(application.name),
    [roleLabel]: 'driver',
    [submissionLabel]: application.id,
  }
  if (application.sparkVersion !== undefined) labels['spark-version'] = application.sparkVersion
  return Object.entries(labels).reduce((each, [key, value]) => setLabel(each, 'driver', key, value), spec)
}

function substituted(value: string, id: string): string {
  return value.replaceAll('{{APP_ID}}', id)
}
