/** The driver's pod and container: image, resources, ports, where it may run, and the properties that make it a driver. */
import { SupercargoError } from '@supercargo/protocol'
import type { Application } from '../application.ts'
import type { Configuration } from '../configuration.ts'
import { driverMemory, overheadFactor } from '../memory.ts'
import { editContainer, type Spec, setContainerField, setField, setProperty } from '../spec.ts'
import type { Submission } from '../submission.ts'
import type { Step } from './step.ts'

export const defaultPorts = { driver: 7078, blockManager: 7079, ui: 4040 }

export const driver: Step = {
  name: "the driver's pod",
  apply: (spec, submission) => {
    const { configuration, application } = submission
    let next = setContainerField(spec, 'driver', 'image', driverImage(configuration, application))
    const policy = configuration.text('spark.kubernetes.container.image.pullPolicy') ?? 'IfNotPresent'
    next = setContainerField(next, 'driver', 'imagePullPolicy', policy)
    next = setContainerField(next, 'driver', 'resources', resources(spec, submission))
    next = addPorts(next, driverPorts(configuration))
    // What a driver said last is in its status then, where a failure is looked for first.
    next = setContainerField(next, 'driver', 'terminationMessagePolicy', 'FallbackToLogsOnError')
    next = setField(next, 'driver', 'restartPolicy', 'Never')
    next = placement(next, configuration)
    return ownProperties(next, submission)
  },
}

export interface DriverPorts {
  readonly driver: number
  readonly blockManager: number
  readonly ui: number
}

export function driverPorts(configuration: Configuration): DriverPorts {
  const port = (key: string, fallback: number): number => {
    const text = configuration.text(key)
    const value = text === undefined ? fallback : Number(text)
    if (Number.isInteger(value) && value > 0 && value < 65_536) return value
    throw new SupercargoError('invalid', 'bad-port', `${configuration.said(key)} is "${text}", which is no port`, {
      hint: 'write a number from 1 to 65535: pods and NetworkPolicies have to know it in advance',
    })
  }
  return {
    driver: port('spark.driver.port', defaultPorts.driver),
    blockManager: port('spark.driver.blockManager.port', port('spark.blockManager.port', defaultPorts.blockManager)),
    ui: port('spark.ui.port', defaultPorts.ui),
  }
}

export function driverImage(configuration: Configuration, { sparkVersion }: Pick<Application, 'sparkVersion'>): string {
  const image =
    configuration.text('spark.kubernetes.driver.container.image') ??
    configuration.text('spark.kubernetes.container.image')
  if (image === undefined)
    throw new SupercargoError('invalid', 'image-missing', 'no image is named for the driver', {
      hint: 'write --conf spark.kubernetes.container.image=apache/spark:4.1.2',
    })
  return withVersion(image, sparkVersion)
}

function withVersion(image: string, version: string | undefined): string {
  if (!image.includes('{{SPARK_VERSION}}')) return image
  if (version !== undefined) return image.replaceAll('{{SPARK_VERSION}}', version)
  throw new SupercargoError('invalid', 'version-missing', `the image ${image} asks for the version of Spark`, {
    hint: 'say it with --spark-version',
  })
}

function resources(spec: Spec, { configuration, plan }: Submission): object {
  const memory = `${driverMemory(configuration, overheadFactor(configuration, plan.language))}Mi`
  const cpu =
    configuration.text('spark.kubernetes.driver.request.cores') ?? configuration.text('spark.driver.cores') ?? '1'
  const cpuLimit = configuration.text('spark.kubernetes.driver.limit.cores')
  const own = (spec.driver.container.resources ?? {}) as { requests?: object; limits?: object }
  return {
    ...own,
    requests: { ...own.requests, cpu, memory },
    limits: { ...own.limits, ...(cpuLimit === undefined ? {} : { cpu: cpuLimit }), memory, ...devices(configuration) },
  }
}

/** `spark.driver.resource.gpu.{amount,vendor}` becomes a limit of `vendor/gpu`. */
function devices(configuration: Configuration): Record<string, string> {
  const prefix = 'spark.driver.resource.'
  const limits: Record<string, string> = {}
  for (const [rest, amount] of configuration.behind(prefix)) {
    if (!rest.endsWith('.amount')) continue
    const name = rest.slice(0, -'.amount'.length)
    const vendor = configuration.text(`${prefix}${name}.vendor`)
    if (vendor === undefined)
      throw new SupercargoError('invalid', 'vendor-missing', `${prefix}${name}.amount is set without a vendor`, {
        hint: `set ${prefix}${name}.vendor, such as nvidia.com`,
      })
    limits[`${vendor}/${name}`] = amount
  }
  return limits
}

function addPorts(spec: Spec, ports: DriverPorts): Spec {
  const wanted = [
    { name: 'driver-rpc-port', containerPort: ports.driver, protocol: 'TCP' },
    { name: 'blockmanager', containerPort: ports.blockManager, protocol: 'TCP' },
    { name: 'spark-ui', containerPort: ports.ui, protocol: 'TCP' },
  ]
  return editContainer(spec, 'driver', (container) => ({
    ...container,
    ports: [...(container.ports ?? []).filter(({ name }) => !wanted.some((each) => each.name === name)), ...wanted],
  }))
}

function placement(spec: Spec, configuration: Configuration): Spec {
  const selectors = Object.fromEntries([
    ...configuration.behind('spark.kubernetes.node.selector.'),
    ...configuration.behind('spark.kubernetes.driver.node.selector.'),
  ])
  const pull = (configuration.text('spark.kubernetes.container.image.pullSecrets') ?? '')
    .split(',')
    .map((name) => ({ name: name.trim() }))
    .filter(({ name }) => name !== '')
  const scheduler =
    configuration.text('spark.kubernetes.driver.scheduler.name') ??
    configuration.text('spark.kubernetes.scheduler.name')
  const { nodeSelector, imagePullSecrets } = spec.driver.fields as {
    nodeSelector?: object
    imagePullSecrets?: object[]
  }
  let next = spec
  if (Object.keys(selectors).length > 0)
    next = setField(next, 'driver', 'nodeSelector', { ...nodeSelector, ...selectors })
  if (pull.length > 0) next = setField(next, 'driver', 'imagePullSecrets', [...(imagePullSecrets ?? []), ...pull])
  return scheduler === undefined ? next : setField(next, 'driver', 'schedulerName', scheduler)
}

/** Without these a driver runs alone, hangs, or looks for its pods elsewhere. */
function ownProperties(spec: Spec, { application, configuration, plan }: Submission): Spec {
  const ports = driverPorts(configuration)
  const properties: Record<string, string> = {
    'spark.app.id': application.id,
    'spark.app.name': application.name,
    'spark.app.submitTime': String(application.submittedAtMs),
    'spark.submit.deployMode': 'cluster',
    'spark.kubernetes.submitInDriver': 'true',
    'spark.kubernetes.driver.pod.name': application.driverPod,
    'spark.kubernetes.namespace': application.namespace,
    'spark.kubernetes.resource.type': plan.language,
    'spark.kubernetes.memoryOverheadFactor': String(overheadFactor(configuration, plan.language)),
    'spark.driver.port': String(ports.driver),
    'spark.driver.blockManager.port': String(ports.blockManager),
  }
  const { sparkVersion } = application
  for (const key of ['spark.kubernetes.container.image', 'spark.kubernetes.executor.container.image']) {
    const image = configuration.text(key)
    if (image?.includes('{{')) properties[key] = withVersion(image, sparkVersion)
  }
  // An image for the driver alone leaves the executors without one, and then the driver hangs.
  if (
    !configuration.text('spark.kubernetes.container.image') &&
    !configuration.text('spark.kubernetes.executor.container.image')
  )
    properties['spark.kubernetes.executor.container.image'] = driverImage(configuration, application)
  return Object.entries(properties).reduce((each, [key, value]) => setProperty(each, key, value), spec)
}
