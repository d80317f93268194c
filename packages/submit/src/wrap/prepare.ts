/** From a command to what is to be done for it: reads its configuration and files, looks at its master, and refuses early. */
import { join, resolve } from 'node:path'
import type { KubeConnection } from '@supercargo/kube'
import { describeApplication, takeChance } from '../application.ts'
import { masterServer } from '../cluster.ts'
import { type Configuration, type Environment, readConfiguration } from '../configuration.ts'
import { ownKeys } from '../fork-keys.ts'
import { readInputs } from '../inputs.ts'
import { checkInitImage } from '../localize-container.ts'
import { needsInitContainer } from '../plan.ts'
import {
  checkServers,
  distributionOf,
  localizerSettings,
  type OwnOptions,
  readHostAlias,
  rootDefault,
} from '../prepare.ts'
import type { Submission } from '../submission.ts'
import { surveyDependencies } from '../survey.ts'
import { argumentsOf, type CommandLine, onlyAsks, readCommandLine } from './command-line.ts'
import { type Manner, planWrap, type WrapPlan } from './plan.ts'
import { findSparkHome } from './spark-home.ts'

export interface PrepareWrapRequest {
  /** The command and its arguments. */
  readonly words: readonly string[]
  readonly own: OwnOptions
  /** What the command's Spark runs on, where its arguments do not say it. */
  readonly master: string | undefined
  readonly deployMode: string | undefined
  /** Of --context, for Spark too. */
  readonly context: string | undefined
  readonly environment: Environment
  /** Where relative paths begin. */
  readonly directory: string
  /** For the templates and links of this command. */
  readonly temporary: string
  /** To the cluster that the configuration names; undefined when there is none and none is needed. */
  readonly connect: (configuration: Configuration) => Promise<KubeConnection | undefined>
  readonly nowMs: number
}

export type PreparedWrap =
  | { readonly kind: 'untouched'; readonly words: readonly string[]; readonly why: string | undefined }
  | WrappedCommand

export interface WrappedCommand {
  readonly kind: 'wrapped'
  readonly line: CommandLine
  readonly configuration: Configuration
  readonly plan: WrapPlan
  /** With nothing staged yet. */
  readonly submission: Submission
  /** Where to stage. */
  readonly server: string
  readonly connection: KubeConnection | undefined
  /** For Spark, by key: what the command does not say. */
  readonly unsaid: ReadonlyMap<string, string>
  /** For Spark, where it was said to us alone. */
  readonly context: string | undefined
  readonly directory: string
  /** A directory that is made for the command and goes with it. */
  readonly work: string
}

/** Words that stand for an application and are none. */
const noApplication = /^(spark-internal|spark-shell|pyspark-shell(-main)?|sparkr-shell(-main)?)$/

export async function prepareWrap(request: PrepareWrapRequest): Promise<PreparedWrap> {
  const { words, own, directory } = request
  const line = readCommandLine(words)
  if (onlyAsks(line)) return { kind: 'untouched', words, why: undefined }
  const home = await findSparkHome(words[0]!, request.environment, directory)
  const environment = home === undefined ? request.environment : { ...request.environment, SPARK_HOME: home }
  const args = argumentsOf(line)
  const said = await readConfiguration(args, environment)
  const configuration = said
    .or('spark.master', request.master, '--master')
    .or('spark.submit.deployMode', request.deployMode, '--deploy-mode')
  const why = notForUs(line, configuration)
  if (why !== undefined) return { kind: 'untouched', words, why }
  const server = own.server ?? configuration.text(ownKeys.server)
  const manner = mannerOf(line, configuration, own, server)
  const chance = takeChance(request.nowMs)
  const work = join(request.temporary, `supercargo-${chance.uid}`)
  const named = args.application === undefined || noApplication.test(args.application) ? undefined : args.application
  const entries = manner === 'served' ? [] : await surveyDependencies(named, configuration, directory)
  // The same path here and in the pods: so one URI serves a driver that is here and executors that are there.
  const root = manner === 'client' ? join(work, 'data') : (configuration.text(ownKeys.root) ?? rootDefault)
  const plan = planWrap({ entries, manner, root })
  const localizer = localizerSettings(configuration, own)
  if (plan.staged.length > 0) checkServers(server, localizer.server)
  if (needsInitContainer(plan.localized)) checkInitImage(localizer.image)
  const caFile = own.caFile ?? configuration.text(ownKeys.caFile)
  const hadoop = environment.HADOOP_CONF_DIR
  const inputs = await readInputs({
    configuration,
    environment: plan.localized.fetched.length > 0 && hadoop ? { HADOOP_CONF_DIR: hadoop } : {},
    directory,
    caFile: caFile === undefined ? undefined : resolve(directory, caFile),
  })
  const connection = await request.connect(configuration)
  const namespace = own.namespace ?? configuration.text('spark.kubernetes.namespace') ?? connection?.namespace
  return {
    kind: 'wrapped',
    line,
    configuration,
    plan,
    submission: {
      application: describeApplication({
        configuration,
        mainClass: args.given.get('class')?.at(-1),
        application: named ?? line.program,
        namespace: namespace ?? 'default',
        sparkVersion: own.sparkVersion,
        chance,
        nowMs: request.nowMs,
      }),
      configuration,
      plan: plan.localized,
      applicationArguments: [],
      proxyUser: undefined,
      user: '',
      inputs,
      localizer,
      hostAliases: own.hostAliases.map(readHostAlias),
      owner: undefined,
      staged: undefined,
    },
    server: server ?? '',
    connection,
    unsaid: unsaid(line, said, configuration, connection),
    context: configuration.text('spark.kubernetes.context') === undefined ? request.context : undefined,
    directory,
    work,
  }
}

/** Why a command is run as it is, or undefined. */
function notForUs({ program }: CommandLine, configuration: Configuration): string | undefined {
  const master = configuration.text('spark.master')
  if (master?.startsWith('k8s://') === true) {
    masterServer(master)
    return undefined
  }
  if (master !== undefined) return `its master is ${master}, not Kubernetes: Spark distributes its files itself`
  if (program !== 'script') return undefined
  return 'its arguments name no master: Spark distributes its files itself; with wrap --master k8s://… the executors fetch them'
}

function mannerOf(
  { program }: CommandLine,
  configuration: Configuration,
  own: OwnOptions,
  server: string | undefined,
): Manner {
  const inCluster = configuration.text('spark.submit.deployMode') === 'cluster'
  if (inCluster && (program === 'spark-submit' || program === 'script')) return 'cluster'
  const distribution = distributionOf(own.distribution ?? configuration.text(ownKeys.distribution))
  return distribution === 'driver' || server === undefined ? 'served' : 'client'
}

/** A script says it to Spark itself. */
function unsaid(
  { program }: CommandLine,
  said: Configuration,
  configuration: Configuration,
  connection: KubeConnection | undefined,
): ReadonlyMap<string, string> {
  if (program === 'script') return new Map()
  const found = connection === undefined ? undefined : `k8s://${connection.server.href.replace(/\/$/, '')}`
  const all: readonly (readonly [string, string | undefined])[] = [
    ['spark.master', configuration.text('spark.master') ?? found],
    ['spark.submit.deployMode', configuration.text('spark.submit.deployMode')],
  ]
  return new Map(
    all.flatMap(([key, value]) => (value === undefined || said.text(key) !== undefined ? [] : [[key, value]])),
  )
}
