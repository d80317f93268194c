/** From the command line of `submit` and `doctor` to what the submission package asks for. */
import type { KubeConnection } from '@supercargo/kube'
import { SupercargoError } from '@supercargo/protocol'
import {
  type Configuration,
  connectCluster,
  type OwnOptions,
  ownKeys,
  readConfiguration,
  readSubmitArguments,
  type SubmitArguments,
} from '@supercargo/submit'
import { helpOf } from './help.ts'
import type { Invocation } from './invocation.ts'
import { chooseOwner } from './owner-options.ts'
import { Settings, usageError } from './settings.ts'

export interface SubmitCall {
  readonly args: SubmitArguments
  readonly settings: Settings
  readonly configuration: Configuration
}

/** Undefined when help was asked for, and given. What stands behind the application is the application's, `--help` too. */
export async function readCall({ argv, command, io }: Invocation): Promise<SubmitCall | undefined> {
  const help = { name: 'help', short: 'h' }
  const args = readSubmitArguments(argv, [...command.options, help])
  if (args.given.has('help')) {
    io.stdout(helpOf(command))
    return undefined
  }
  const settings = Settings.from(command.options, withoutEmpty(args.given), io.env)
  // Spark's options have environment variables too, as all have.
  const given = new Map(command.options.map(({ name }) => [name, settings.list(name)] as const))
  const all = { ...args, given: withoutEmpty(given) }
  return { args: all, settings, configuration: await readConfiguration(all, io.env) }
}

/** A script that says `--jars "$JARS"` means no jars when there are none. */
function withoutEmpty(given: ReadonlyMap<string, readonly string[]>): Map<string, readonly string[]> {
  return new Map(
    [...given]
      .map(([name, values]) => [name, values.filter((value) => value !== '')] as const)
      .filter(([, values]) => values.length > 0),
  )
}

export function ownOptionsOf({ settings, configuration }: Pick<SubmitCall, 'settings' | 'configuration'>): OwnOptions {
  return {
    server: settings.text('server') ?? configuration.text(ownKeys.server),
    podServer: settings.text('pod-server'),
    caFile: settings.text('ca-file') ?? configuration.text(ownKeys.caFile),
    initImage: settings.text('init-image') ?? configuration.text(ownKeys.initImage),
    distribution: settings.text('distribution'),
    sparkVersion: settings.text('spark-version'),
    hostAliases: settings.list('host-alias'),
    namespace: settings.text('namespace'),
    owner: ownerOf(settings),
  }
}

/** `optional`: undefined in place of a failure to find any cluster. */
export async function connectionOf(
  { settings, configuration }: Pick<SubmitCall, 'settings' | 'configuration'>,
  environment: Invocation['io']['env'],
  optional: boolean,
): Promise<KubeConnection | undefined> {
  const kubeconfig = settings.text('kubeconfig')
  const context = settings.text('context')
  try {
    return await connectCluster({ configuration, environment, kubeconfig, context })
  } catch (error) {
    if (optional && SupercargoError.is(error) && error.code === 'no-cluster') return undefined
    throw error
  }
}

function ownerOf(settings: Settings): OwnOptions['owner'] {
  const uid = settings.text('owner-uid')
  if (settings.text('owner') === undefined && uid === undefined) return undefined
  const [owner] = chooseOwner(settings).owners
  if (owner?.name === undefined || uid === undefined)
    throw usageError('the owner of a driver needs a name and a uid', 'write --owner Job/NAME --owner-uid UID')
  return { apiVersion: owner.apiVersion, kind: owner.kind, name: owner.name, uid }
}
