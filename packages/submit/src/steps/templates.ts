/** The user's pod templates: what the pods are before any other step adds to them. */
import { addMount, addVolume, type PodRole, type Spec } from '../spec.ts'
import type { Step } from './step.ts'

export const templates: Step = {
  name: 'the pod template',
  apply: (spec, { inputs }) => {
    const { driverTemplate, executorTemplate } = inputs
    const driver = driverTemplate === undefined ? spec : kept({ ...spec, driver: driverTemplate }, 'driver')
    return executorTemplate === undefined ? driver : kept({ ...driver, executor: executorTemplate }, 'executor')
  },
}

/** Its volumes and mounts are claimed, so that a step that needs the same place says so and replaces nothing. */
function kept(spec: Spec, role: PodRole): Spec {
  const { volumes, container } = spec[role]!
  const withVolumes = volumes.reduce((each, volume) => addVolume(each, role, volume), spec)
  return (container.volumeMounts ?? []).reduce((each, mount) => addMount(each, role, mount), withVolumes)
}
