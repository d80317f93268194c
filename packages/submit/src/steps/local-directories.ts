/** Where the driver keeps what it shuffles and spills: volumes of the user's that are named for it, else empty ones. */
import { addMount, addVolume, setEnvironment } from '../spec.ts'
import type { Step } from './step.ts'

const prefix = 'spark-local-dir-'

export const localDirectories: Step = {
  name: 'the local directories',
  apply: (spec, { application, configuration }) => {
    const named = (spec.driver.container.volumeMounts ?? []).filter(({ name }) => name.startsWith(prefix))
    if (named.length > 0)
      return setEnvironment(spec, 'driver', {
        name: 'SPARK_LOCAL_DIRS',
        value: named.map(({ mountPath }) => mountPath).join(','),
      })
    const known = spec.driver.container.env?.find(({ name }) => name === 'SPARK_LOCAL_DIRS')?.value
    const text = known ?? configuration.text('spark.local.dir') ?? `/var/data/spark-${application.localDirectoryId}`
    const paths = text.split(',').map((path) => path.trim())
    const medium = configuration.on('spark.kubernetes.local.dirs.tmpfs') ? { medium: 'Memory' } : {}
    const mounted = paths.reduce((each, mountPath, index) => {
      const name = `${prefix}${index + 1}`
      return addMount(addVolume(each, 'driver', { name, emptyDir: medium }), 'driver', { name, mountPath })
    }, spec)
    return setEnvironment(mounted, 'driver', { name: 'SPARK_LOCAL_DIRS', value: paths.join(',') })
  },
}
