/** Names for addresses that the cluster's DNS does not know, such as those of a HDFS outside, in driver and executors. */
import { emptyPod } from '../pod.ts'
import { type PodRole, type Spec, setField } from '../spec.ts'
import type { Step } from './step.ts'

export const hostAliases: Step = {
  name: 'the host aliases',
  apply: (spec, submission) => {
    if (submission.hostAliases.length === 0) return spec
    const add = (each: Spec, role: PodRole): Spec => {
      const own = (each[role]?.fields.hostAliases as object[] | undefined) ?? []
      return setField(each, role, 'hostAliases', [...own, ...submission.hostAliases])
    }
    return add(add({ ...spec, executor: spec.executor ?? emptyPod('spark-kubernetes-executor') }, 'driver'), 'executor')
  },
}
