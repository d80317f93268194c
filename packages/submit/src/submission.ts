/** Everything that the steps read: the application, its configuration and plan, what was staged, and the contents of local files. */
import type { Secret } from '@supercargo/protocol'
import type { Application } from './application.ts'
import type { Configuration } from './configuration.ts'
import type { SubmissionPlan } from './plan.ts'
import type { PodParts } from './pod.ts'

export interface Staged {
  readonly resourceId: string
  readonly secret: Secret
}

/** A file of this machine that travels in an object of the cluster. */
export interface TextFile {
  readonly name: string
  readonly text: string
}

/** A file with a secret: base64 of its bytes. */
export interface SecretFile {
  readonly name: string
  readonly base64: string
}

/** What was read on this machine before the first step. */
export interface Inputs {
  readonly driverTemplate?: PodParts
  readonly executorTemplate?: PodParts
  /** Small files of SPARK_CONF_DIR, for driver and executors. */
  readonly sparkConf: readonly TextFile[]
  /** Files of HADOOP_CONF_DIR. */
  readonly hadoopConf?: readonly TextFile[]
  readonly kerberosConf?: TextFile
  readonly keytab?: SecretFile
  /** By the key of the credentials Secret: `ca-cert`, `client-key`, `client-cert`, `oauth-token`. */
  readonly credentials: readonly SecretFile[]
  /** The authority that the pods trust for the staging server, PEM. */
  readonly stagingCa?: string
}

export interface LocalizerSettings {
  readonly image: string | undefined
  readonly pullPolicy: string
  /** Of the staging server, as the pods see it. */
  readonly server: string
  readonly deadlineMs: number | undefined
}

export interface OwnerName {
  readonly apiVersion: string
  readonly kind: string
  readonly name: string
  readonly uid: string
}

export interface Submission {
  readonly application: Application
  readonly configuration: Configuration
  readonly plan: SubmissionPlan
  readonly applicationArguments: readonly string[]
  readonly proxyUser: string | undefined
  /** Who submits, for SPARK_USER. */
  readonly user: string
  readonly inputs: Inputs
  readonly localizer: LocalizerSettings
  /** `address` to names, for /etc/hosts of all pods. */
  readonly hostAliases: readonly { readonly ip: string; readonly hostnames: readonly string[] }[]
  /** The Job in which this submission runs, if any: the driver goes with it. */
  readonly owner: OwnerName | undefined
  /** Undefined when there is nothing to stage, or in a dry run. */
  readonly staged: Staged | undefined
}

/** The names of Spark's containers, which a template may choose. */
export function containersOf({ inputs }: Submission): { readonly driver: string; readonly executor: string } {
  return {
    driver: inputs.driverTemplate?.container.name ?? 'spark-kubernetes-driver',
    executor: inputs.executorTemplate?.container.name ?? 'spark-kubernetes-executor',
  }
}
