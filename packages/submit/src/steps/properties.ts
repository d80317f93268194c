/** The last step: Spark's properties, and the small files of SPARK_CONF_DIR, in the ConfigMap that the driver mounts. */
import { SupercargoError } from '@supercargo/protocol'
import { propertiesText } from '../properties-text.ts'
import { addMount, addObject, addVolume } from '../spec.ts'
import type { Step } from './step.ts'

export const confDirectory = '/opt/spark/conf'
const fileName = 'spark.properties'
export const propertiesPath = `${confDirectory}/${fileName}`

const volume = 'spark-conf-volume-driver'
/** What Spark allows too; the API server takes a little more. */
const configMapBytesMax = 1_048_576

export const properties: Step = {
  name: "Spark's properties",
  apply: (spec, { application, inputs, configuration }) => {
    const name = `spark-drv-${application.uid}-conf-map`
    const sorted = [...spec.properties].sort(([one], [other]) => (one < other ? -1 : 1))
    const data = {
      ...Object.fromEntries(inputs.sparkConf.map((file) => [file.name, file.text])),
      [fileName]: propertiesText(sorted),
    }
    const bytes = Object.entries(data).reduce((sum, [key, text]) => sum + key.length + Buffer.byteLength(text), 0)
    const max = Number(configuration.text('spark.kubernetes.configMap.maxSize') ?? configMapBytesMax)
    if (bytes > max)
      throw new SupercargoError(
        'tooLarge',
        'configuration-too-large',
        `the configuration has ${bytes} bytes, and ${max} fit into a ConfigMap`,
        {
          hint: 'take large files out of SPARK_CONF_DIR, and send them with --files',
        },
      )
    const items = Object.keys(data).map((key) => ({ key, path: key, mode: 0o644 }))
    const next = addObject(spec, {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name, namespace: application.namespace },
      immutable: true,
      data,
    })
    return addMount(addVolume(next, 'driver', { name: volume, configMap: { name, items } }), 'driver', {
      name: volume,
      mountPath: confDirectory,
    })
  },
}
