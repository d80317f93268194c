/** What Spark is told on the command line so that its pods get their files and find each other. Pure. */

import type { Application } from '../application.ts'
import type { Configuration } from '../configuration.ts'
import { avoidedSchemes, avoidKey } from '../steps/dependencies.ts'
import { defaultPorts } from '../steps/driver.ts'
import { classPathInPods } from './class-path.ts'
import type { Rewriting } from './command-line.ts'
import type { Address, WrapPlan } from './plan.ts'
import type { PodTemplate, WrapPods } from './pods.ts'

/** Of a driver that runs in this pod. */
export interface DriverHere {
  /** Its executors belong to it; undefined where they are in another namespace. */
  readonly pod: string | undefined
  readonly ip: string
  /** Where the executors find it; undefined where the user said it. */
  readonly host: string | undefined
}

export interface SettingsRequest {
  readonly plan: WrapPlan
  readonly pods: WrapPods
  readonly configuration: Configuration
  readonly application: Application
  /** Where relative paths begin. */
  readonly directory: string
  /** Where Spark finds the templates and the properties. */
  readonly files: WrapFiles
  /** By key: what the command does not say. */
  readonly unsaid: ReadonlyMap<string, string>
  /** The capability URL, with a slash at its end. */
  readonly capability: string | undefined
  readonly here: DriverHere | undefined
  /** Of the kubeconfig; undefined where the command says it itself. */
  readonly context: string | undefined
}

export interface WrapFiles {
  readonly driverTemplate: string
  readonly executorTemplate: string
  readonly properties: string
}

export interface Settings {
  readonly rewriting: Rewriting
  /** For the properties file: what no other user of this machine may read in the list of processes. */
  readonly hidden: ReadonlyMap<string, string>
}

export function settingsOf(request: SettingsRequest): Settings {
  const { plan, pods, configuration, application, files } = request
  const settings = new Map(request.unsaid)
  const hidden = new Map<string, string>()
  if (request.context !== undefined) settings.set('spark.kubernetes.context', request.context)
  if (configuration.text('spark.kubernetes.namespace') !== application.namespace)
    settings.set('spark.kubernetes.namespace', application.namespace)
  for (const [key, addresses] of plan.lists) {
    const text = addresses.map((address) => written(address, request.capability)).join(',')
    if (addresses.some((address) => typeof address !== 'string')) hidden.set(key, text)
    else settings.set(key, text)
  }
  if (plan.manner === 'cluster') {
    if (configuration.text('spark.kubernetes.driver.pod.name') === undefined)
      settings.set('spark.kubernetes.driver.pod.name', application.driverPod)
    if (plan.localized.executorsLocalize) settings.set(avoidKey, avoidedSchemes(configuration))
    setClassPath(settings, 'spark.driver.extraClassPath', request)
  } else {
    if (request.here !== undefined) setDriverHere(settings, request.here, configuration)
    keepHost(settings, configuration)
  }
  setClassPath(settings, 'spark.executor.extraClassPath', request)
  setTemplate(settings, 'driver', pods.driver, files.driverTemplate)
  setTemplate(settings, 'executor', pods.executor, files.executorTemplate)
  return {
    rewriting: {
      settings,
      without: new Set(hidden.keys()),
      application: plan.application,
      propertiesFile: hidden.size === 0 ? undefined : files.properties,
    },
    hidden,
  }
}

function written(address: Address, capability: string | undefined): string {
  return typeof address === 'string' ? address : `${capability ?? ''}${address.path}${address.fragment}`
}

function setClassPath(
  settings: Map<string, string>,
  key: string,
  { configuration, plan, directory }: SettingsRequest,
): void {
  const text = classPathInPods(configuration.text(key), plan.places, directory)
  if (text !== undefined) settings.set(key, text)
}

/** Ports are fixed so that a NetworkPolicy can name them; a second driver in the pod takes the next ones. */
function setDriverHere(
  settings: Map<string, string>,
  { pod, ip, host }: DriverHere,
  configuration: Configuration,
): void {
  const set = (key: string, value: string): void => {
    if (configuration.text(key) === undefined) settings.set(key, value)
  }
  if (pod !== undefined) set('spark.kubernetes.driver.pod.name', pod)
  if (host !== undefined) set('spark.driver.host', host)
  set('spark.driver.bindAddress', ip)
  set('spark.driver.port', String(defaultPorts.driver))
  if (configuration.text('spark.blockManager.port') === undefined)
    set('spark.driver.blockManager.port', String(defaultPorts.blockManager))
}

/** Since 4.3 executors are given the address that the driver binds to instead, which from elsewhere may lead nowhere. */
function keepHost(settings: Map<string, string>, configuration: Configuration): void {
  const key = 'spark.kubernetes.executor.useDriverPodIP'
  const hasHost = settings.has('spark.driver.host') || configuration.text('spark.driver.host') !== undefined
  if (hasHost && configuration.text(key) === undefined) settings.set(key, 'false')
}

function setTemplate(
  settings: Map<string, string>,
  role: 'driver' | 'executor',
  template: PodTemplate | undefined,
  file: string,
): void {
  if (template === undefined) return
  settings.set(`spark.kubernetes.${role}.podTemplateFile`, file)
  if (template.container !== undefined)
    settings.set(`spark.kubernetes.${role}.podTemplateContainerName`, template.container)
}
