/** The driver's environment: what Spark's entry point needs, what the user says, and values from Secrets. */
import { SupercargoError } from '@supercargo/protocol'
import { type Spec, setEnvironment } from '../spec.ts'
import { confDirectory } from './properties.ts'
import type { Step } from './step.ts'

export const environment: Step = {
  name: "the driver's environment",
  apply: (spec, { application, configuration, user, plan }) => {
    const given = configuration.behind('spark.kubernetes.driverEnv.')
    let next = given.reduce((each, [name, value]) => setEnvironment(each, 'driver', { name, value }), spec)
    if (!given.some(([name]) => name === 'SPARK_USER'))
      next = setEnvironment(next, 'driver', { name: 'SPARK_USER', value: user })
    next = setEnvironment(next, 'driver', { name: 'SPARK_APPLICATION_ID', value: application.id })
    next = setEnvironment(next, 'driver', { name: 'SPARK_CONF_DIR', value: confDirectory })
    const podIp = { fieldRef: { apiVersion: 'v1', fieldPath: 'status.podIP' } }
    next = setEnvironment(next, 'driver', { name: 'SPARK_DRIVER_BIND_ADDRESS', valueFrom: podIp })
    for (const [name, text] of configuration.behind('spark.kubernetes.driver.secretKeyRef.'))
      next = setEnvironment(next, 'driver', { name, valueFrom: { secretKeyRef: secretKey(name, text) } })
    if (plan.language !== 'python') return next
    next = fromProperty(next, 'PYSPARK_PYTHON', configuration.text('spark.pyspark.python'))
    return fromProperty(
      next,
      'PYSPARK_DRIVER_PYTHON',
      configuration.text('spark.pyspark.driver.python') ?? configuration.text('spark.pyspark.python'),
    )
  },
}

function fromProperty(spec: Spec, name: string, value: string | undefined): Spec {
  const known = spec.driver.container.env?.some((each) => each.name === name) === true
  return value === undefined || known ? spec : setEnvironment(spec, 'driver', { name, value })
}

function secretKey(variable: string, text: string): { readonly name: string; readonly key: string } {
  const colon = text.indexOf(':')
  if (colon > 0 && colon < text.length - 1) return { name: text.slice(0, colon), key: text.slice(colon + 1) }
  throw new SupercargoError(
    'invalid',
    'bad-secret-reference',
    `spark.kubernetes.driver.secretKeyRef.${variable} is "${text}", which names no key of a Secret`,
    { hint: 'write NAME:KEY' },
  )
}
