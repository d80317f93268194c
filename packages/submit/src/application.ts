/** Who the application is: its id and the names of its objects, made as Spark's own client makes them. */
import { randomBytes, randomUUID } from 'node:crypto'
import { SupercargoError } from '@supercargo/protocol'
import type { Configuration } from './configuration.ts'

/** What is random, so that a test can say it. */
export interface Chance {
  /** 32 hex digits. */
  readonly applicationId: string
  /** Makes the names of objects unique. */
  readonly uid: string
  readonly localDirectoryId: string
}

export interface Application extends Chance {
  readonly name: string
  readonly namespace: string
  /** Of the names of its objects. */
  readonly prefix: string
  /** `spark.app.id`, and the label by which everything of it is found. */
  readonly id: string
  readonly driverPod: string
  readonly driverService: string
  readonly sparkVersion: string | undefined
  readonly submittedAtMs: number
}

export const roleLabel = 'spark-role'
export const selectorLabel = 'spark-app-selector'
export const nameLabel = 'spark-app-name'
/** By this the next submission finds the gated pods whose client has died. */
export const submissionLabel = 'supercargo.io/submission'

const labelCharactersMax = 63
const nameCharactersMax = 253
/** Of the application's name in the names of objects: room for what Spark and we add to it. */
const prefixNameCharactersMax = 180

export function takeChance(nowMs: number): Chance {
  const time = BigInt(nowMs) & ((1n << 40n) - 1n)
  return {
    applicationId: randomUUID().replaceAll('-', ''),
    uid: `${randomBytes(3).toString('hex')}${time.toString(16).padStart(10, '0')}`,
    localDirectoryId: randomUUID(),
  }
}

export interface ApplicationRequest {
  readonly configuration: Configuration
  readonly namespace: string
  readonly mainClass: string | undefined
  /** As it was written. */
  readonly application: string
  readonly sparkVersion: string | undefined
  readonly chance: Chance
  readonly nowMs: number
}

export function describeApplication(request: ApplicationRequest): Application {
  const { configuration, chance, mainClass, application, namespace } = request
  const name = configuration.text('spark.app.name') ?? mainClass ?? application.slice(application.lastIndexOf('/') + 1)
  const prefix = `${prefixName(name)}-${chance.uid}`
  const service = `${prefix}-driver-svc`
  const driverPod = configuration.text('spark.kubernetes.driver.pod.name') ?? `${prefix}-driver`
  checkObjectName(driverPod, configuration.said('spark.kubernetes.driver.pod.name'))
  return {
    ...chance,
    name,
    namespace,
    prefix,
    id: configuration.text('spark.app.id') ?? `spark-${chance.applicationId}`,
    driverPod,
    driverService: service.length <= labelCharactersMax ? service : `spark-${chance.uid}-driver-svc`,
    sparkVersion: request.sparkVersion,
    submittedAtMs: request.nowMs,
  }
}

/** Lower case, letters, digits and single dashes; it begins with a letter. */
function prefixName(name: string): string {
  const plain = name
    .trim()
    .toLowerCase()
    .replace(/[^a-z0-9-]/g, '-')
    .replace(/-+/g, '-')
    .replace(/^-/, '')
    .replace(/^[0-9]/, 'x')
    .slice(0, prefixNameCharactersMax)
    .replace(/-$/, '')
  return plain === '' ? 'spark' : plain
}

/** As a label takes it: what does not fit becomes a dash, and it begins and ends with a letter or digit. */
export function labelValue(text: string): string {
  return text
    .trim()
    .toLowerCase()
    .replace(/[^a-z0-9-]/g, '-')
    .replace(/-+/g, '-')
    .slice(0, labelCharactersMax)
    .replace(/^[^a-z0-9]+|[^a-z0-9]+$/g, '')
}

function checkObjectName(name: string, said: string): void {
  if (name.length <= nameCharactersMax && /^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/.test(name)) return
  throw new SupercargoError('invalid', 'bad-pod-name', `${said} is "${name}", which is no name of a pod`, {
    hint: `write lower-case letters, digits, "-" and ".", at most ${nameCharactersMax}`,
  })
}

/** The version that the image's tag names, when it names one. */
export function versionOfImage(image: string | undefined): string | undefined {
  return /:(?:v|spark-?)?(\d+\.\d+\.\d+(?:-preview\d+)?)(?:[-.][^/]*)?$/.exec(image ?? '')?.[1]
}
