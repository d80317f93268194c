/** Hadoop's configuration: a ConfigMap that is there, or one made of the submitter's HADOOP_CONF_DIR; in all pods. */
import type { KubeObject } from '@supercargo/kube'
import { SupercargoError } from '@supercargo/protocol'
import { addMount, addObject, addVolume, setEnvironment, setProperty } from '../spec.ts'
import type { Submission } from '../submission.ts'
import type { Step } from './step.ts'

const hadoopDirectory = '/opt/hadoop/conf'
const hadoopVolume = 'hadoop-properties'

export const hadoop: Step = {
  name: "Hadoop's configuration",
  apply: (spec, submission) => {
    const name = hadoopConfigMap(submission)
    if (name === undefined) return spec
    let next = spec
    const object = hadoopObject(submission)
    if (object !== undefined) next = addObject(next, object)
    next = addVolume(next, 'driver', { name: hadoopVolume, configMap: { name } })
    next = addMount(next, 'driver', { name: hadoopVolume, mountPath: hadoopDirectory, readOnly: true })
    next = setEnvironment(next, 'driver', { name: 'HADOOP_CONF_DIR', value: hadoopDirectory })
    // Spark mounts it into the executors by this.
    return setProperty(next, 'spark.kubernetes.executor.hadoopConfigMapName', name)
  },
}

/** The ConfigMap of the submitter's own files, where there are any. */
export function hadoopObject(submission: Submission): KubeObject | undefined {
  const { application, inputs } = submission
  const name = hadoopConfigMap(submission)
  if (name === undefined || inputs.hadoopConf === undefined) return undefined
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name, namespace: application.namespace },
    immutable: true,
    data: Object.fromEntries(inputs.hadoopConf.map((file) => [file.name, file.text])),
  }
}

/** The name of the ConfigMap, or undefined without any. */
export function hadoopConfigMap({ application, configuration, inputs }: Submission): string | undefined {
  const existing = configuration.text('spark.kubernetes.hadoop.configMapName')
  if (existing !== undefined && inputs.hadoopConf !== undefined)
    throw new SupercargoError(
      'conflict',
      'two-hadoop-configurations',
      'both HADOOP_CONF_DIR and spark.kubernetes.hadoop.configMapName are set',
      { hint: 'unset HADOOP_CONF_DIR to use the ConfigMap, or leave the ConfigMap out to send the directory' },
    )
  return existing ?? (inputs.hadoopConf === undefined ? undefined : `${application.prefix}-hadoop-config`)
}
