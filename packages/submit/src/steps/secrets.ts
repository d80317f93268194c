/** Secrets of the cluster as files in the driver: `spark.kubernetes.driver.secrets.NAME=DIRECTORY`. Executors get theirs from Spark. */
import { addMount, addVolume } from '../spec.ts'
import type { Step } from './step.ts'

export const secrets: Step = {
  name: 'the mounted secrets',
  apply: (spec, { configuration }) =>
    configuration.behind('spark.kubernetes.driver.secrets.').reduce((each, [secretName, mountPath]) => {
      const name = `${secretName}-volume`
      return addMount(addVolume(each, 'driver', { name, secret: { secretName } }), 'driver', { name, mountPath })
    }, spec),
}
