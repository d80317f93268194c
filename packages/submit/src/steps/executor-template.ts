/** The executors' template, in a ConfigMap that the driver reads it from. */
import { joinPod } from '../pod.ts'
import { addMount, addObject, addVolume, setProperty } from '../spec.ts'
import type { Step } from './step.ts'

const key = 'podspec-configmap-key'
const directory = '/opt/spark/pod-template'
const file = 'pod-spec-template.yml'
const volume = 'pod-template-volume'

export const executorTemplate: Step = {
  name: "the executors' template",
  apply: (spec, { application }) => {
    if (spec.executor === undefined) return spec
    const name = `${application.prefix}-driver-podspec-conf-map`
    let next = addObject(spec, {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name, namespace: application.namespace },
      immutable: true,
      // JSON is YAML.
      data: { [key]: JSON.stringify(joinPod(spec.executor), undefined, 1) },
    })
    next = addVolume(next, 'driver', { name: volume, configMap: { name, items: [{ key, path: file }] } })
    next = addMount(next, 'driver', { name: volume, mountPath: directory })
    next = setProperty(next, 'spark.kubernetes.executor.podTemplateFile', `${directory}/${file}`)
    // Spark would take the first container, and its own stands last.
    const { container, others } = spec.executor
    return others.length === 0
      ? next
      : setProperty(next, 'spark.kubernetes.executor.podTemplateContainerName', container.name)
  },
}
