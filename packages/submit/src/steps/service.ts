/** The headless Service through which the executors find the driver. */
import { SupercargoError } from '@supercargo/protocol'
import { selectorLabel } from '../application.ts'
import type { Configuration } from '../configuration.ts'
import { addObject, setProperty } from '../spec.ts'
import { driverPorts } from './driver.ts'
import type { Step } from './step.ts'

export const service: Step = {
  name: "the driver's Service",
  apply: (spec, { application, configuration }) => {
    for (const key of ['spark.driver.host', 'spark.driver.bindAddress']) {
      if (configuration.text(key) === undefined) continue
      throw new SupercargoError('invalid', 'driver-address-set', `${configuration.said(key)} is set`, {
        hint: 'the driver gets a Service of its own, and its address is that: leave the setting out',
      })
    }
    const { id, driverService: name, namespace } = application
    const ports = driverPorts(configuration)
    const labels = Object.fromEntries(configuration.behind('spark.kubernetes.driver.service.label.'))
    const annotations = Object.fromEntries(configuration.behind('spark.kubernetes.driver.service.annotation.'))
    const next = addObject(spec, {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: {
        name,
        namespace,
        // The driver deletes what carries this label when it ends.
        labels: { ...labels, [selectorLabel]: id },
        ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
      },
      spec: {
        clusterIP: 'None',
        selector: spec.driver.metadata.labels,
        ...families(configuration),
        ports: [
          { name: 'driver-rpc-port', port: ports.driver, targetPort: ports.driver },
          { name: 'blockmanager', port: ports.blockManager, targetPort: ports.blockManager },
          { name: 'spark-ui', port: ports.ui, targetPort: ports.ui },
        ],
      },
    })
    return setProperty(next, 'spark.driver.host', `${name}.${namespace}.svc`)
  },
}

function families(configuration: Configuration): object {
  const policy = configuration.text('spark.kubernetes.driver.service.ipFamilyPolicy')
  const list = configuration.text('spark.kubernetes.driver.service.ipFamilies')
  return {
    ...(policy === undefined ? {} : { ipFamilyPolicy: policy }),
    ...(list === undefined ? {} : { ipFamilies: list.split(',').map((each) => each.trim()) }),
  }
}
