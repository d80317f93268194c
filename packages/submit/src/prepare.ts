/** From arguments to a submission that lacks only what the server will say: reads files and the configuration, and refuses early. */
import { userInfo } from 'node:os'
import { resolve } from 'node:path'
import { parseDuration, SupercargoError } from '@supercargo/protocol'
import { describeApplication, takeChance, versionOfImage } from './application.ts'
import type { SubmitArguments } from './arguments.ts'
import type { Configuration, Environment } from './configuration.ts'
import { ownKeys } from './fork-keys.ts'
import { readInputs } from './inputs.ts'
import { checkInitImage } from './localize-container.ts'
import { type Distribution, needsInitContainer, planSubmission } from './plan.ts'
import { driverImage } from './steps/driver.ts'
import type { LocalizerSettings, OwnerName, Submission } from './submission.ts'
import { surveyDependencies } from './survey.ts'

/** Our own options; what is undefined is looked up in Spark's configuration. */
export interface OwnOptions {
  /** The staging server as this machine sees it. */
  readonly server: string | undefined
  /** As the pods see it, where that differs. */
  readonly podServer: string | undefined
  /** The staging server's authority, PEM, also for the pods. */
  readonly caFile: string | undefined
  readonly initImage: string | undefined
  readonly distribution: string | undefined
  readonly sparkVersion: string | undefined
  /** `IP=name,name` */
  readonly hostAliases: readonly string[]
  readonly namespace: string | undefined
  /** What the driver goes with. */
  readonly owner: OwnerName | undefined
}

export interface PrepareRequest {
  readonly args: SubmitArguments
  readonly own: OwnOptions
  readonly environment: Environment
  /** Where relative paths begin. */
  readonly directory: string
  /** Of the kubeconfig's context or of the pod; asked when nothing else names one, after all that can be refused before. */
  readonly contextNamespace: () => Promise<string | undefined>
  readonly configuration: Configuration
  readonly nowMs: number
}

export interface Prepared {
  /** With nothing staged yet. */
  readonly submission: Submission
  /** Where to stage. */
  readonly server: string
}

export const rootDefault = '/var/spark-data'

export async function prepare(request: PrepareRequest): Promise<Prepared> {
  const { args, own, configuration, environment } = request
  checkMode(configuration)
  const application = args.application
  if (application === undefined)
    throw new SupercargoError('invalid', 'usage', 'submit needs the application: a jar, a Python file or an R file', {
      hint: 'see supercargo submit --help',
    })
  const mainClass = args.given.get('class')?.at(-1)
  const image = driverImage(configuration, { sparkVersion: own.sparkVersion })
  const entries = await surveyDependencies(application, configuration, request.directory)
  const plan = planSubmission({
    entries,
    mainClass,
    distribution: distributionOf(own.distribution ?? configuration.text(ownKeys.distribution)),
    root: configuration.text(ownKeys.root) ?? rootDefault,
  })
  const server = own.server ?? configuration.text(ownKeys.server)
  const localizer = localizerSettings(configuration, own)
  if (plan.staged.length > 0) checkServers(server, localizer.server)
  const caFile = own.caFile ?? configuration.text(ownKeys.caFile)
  if (needsInitContainer(plan)) checkInitImage(localizer.image)
  const inputs = await readInputs({
    configuration,
    environment,
    directory: request.directory,
    caFile: caFile === undefined ? undefined : resolve(request.directory, caFile),
  })
  const namespace =
    own.namespace ?? configuration.text('spark.kubernetes.namespace') ?? (await request.contextNamespace()) ?? 'default'
  return {
    server: server ?? '',
    submission: {
      application: describeApplication({
        configuration,
        mainClass,
        application,
        namespace,
        sparkVersion: own.sparkVersion ?? versionOfImage(image),
        chance: takeChance(request.nowMs),
        nowMs: request.nowMs,
      }),
      configuration,
      plan,
      applicationArguments: args.applicationArguments,
      proxyUser: args.given.get('proxy-user')?.at(-1),
      user: environment.HADOOP_USER_NAME ?? environment.SPARK_USER ?? userName(environment),
      inputs,
      localizer,
      hostAliases: own.hostAliases.map(readHostAlias),
      owner: own.owner,
      staged: undefined,
    },
  }
}

/** Options over Spark's configuration. */
export function localizerSettings(configuration: Configuration, own: OwnOptions): LocalizerSettings {
  const deadline = configuration.text(ownKeys.deadline)
  const server = own.server ?? configuration.text(ownKeys.server)
  return {
    image: own.initImage ?? configuration.text(ownKeys.initImage),
    pullPolicy: configuration.text('spark.kubernetes.container.image.pullPolicy') ?? 'IfNotPresent',
    server: own.podServer ?? configuration.text(ownKeys.podServer) ?? server ?? '',
    deadlineMs: deadline === undefined ? undefined : parseDuration(deadline),
  }
}

function checkMode(configuration: Configuration): void {
  if ((configuration.text('spark.submit.deployMode') ?? 'cluster') === 'cluster') return
  throw new SupercargoError(
    'invalid',
    'client-mode',
    'submit starts a driver in the cluster, and client mode is for one that runs here',
    {
      hint: 'leave --deploy-mode out; for a driver that runs here: supercargo wrap -- spark-submit …',
    },
  )
}

export function distributionOf(text: string | undefined): Distribution {
  if (text === undefined || text === 'direct' || text === 'driver') return text ?? 'direct'
  throw new SupercargoError('invalid', 'usage', `--distribution cannot be "${text}"`, {
    hint: 'it is direct or driver',
  })
}

/** A pod that asks 127.0.0.1 asks itself. */
export function checkServers(server: string | undefined, podServer: string): asserts server is string {
  if (server === undefined)
    throw new SupercargoError('invalid', 'server-missing', 'there are files to stage, and no staging server is named', {
      hint: 'name it with --server, SUPERCARGO_SERVER or spark.supercargo.server in spark-defaults.conf',
    })
  const url = URL.canParse(podServer) ? new URL(podServer) : undefined
  if (url === undefined || !['http:', 'https:'].includes(url.protocol))
    throw new SupercargoError('invalid', 'bad-server', `the staging server ${podServer} is no http or https address`)
  if (/^(localhost|127\..*|\[::1\]|0\.0\.0\.0)$/.test(url.hostname))
    throw new SupercargoError(
      'invalid',
      'server-of-this-machine',
      `the pods cannot reach the staging server at ${url.origin}`,
      {
        hint: 'say how they reach it: --pod-server http://supercargo.supercargo:10000',
      },
    )
}

export function readHostAlias(text: string): { readonly ip: string; readonly hostnames: readonly string[] } {
  const equals = text.indexOf('=')
  const hostnames = text
    .slice(equals + 1)
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '')
  if (equals > 0 && hostnames.length > 0) return { ip: text.slice(0, equals), hostnames }
  throw new SupercargoError('invalid', 'usage', `--host-alias ${text} is no alias`, { hint: 'write IP=NAME,NAME' })
}

function userName(environment: Environment): string {
  try {
    return userInfo().username
  } catch {
    return environment.USER ?? 'spark' // A user id without a name, as in many pods.
  }
}
