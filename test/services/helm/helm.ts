/** Helm with folders of its own, with or without a cluster; and the chart that we ship. */
import { join } from 'node:path'
import { type CommandResult, command, tryCommand } from '../command.ts'
import { repository } from '../images/product-images.ts'
import type { HelmDetails } from './start.ts'

export const chart = join(repository, 'deploy', 'chart')

/** Resolves with what it printed; a failure is an error with what it said. */
export function helm(details: HelmDetails, args: readonly string[], kubeconfig?: string): Promise<string> {
  return command([details.program, ...args], { env: helmEnvironment(details, kubeconfig) })
}

/** Resolves with whatever exit code, for what is refused. */
export function tryHelm(details: HelmDetails, args: readonly string[]): Promise<CommandResult> {
  return tryCommand([details.program, ...args], { env: helmEnvironment(details) })
}

/** Nobody's plug-ins, repositories and clusters. */
export function helmEnvironment({ home }: HelmDetails, kubeconfig = join(home, 'none')): Record<string, string> {
  return {
    HELM_CACHE_HOME: join(home, 'cache'),
    HELM_CONFIG_HOME: join(home, 'config'),
    HELM_DATA_HOME: join(home, 'data'),
    KUBECONFIG: kubeconfig,
  }
}

/** Values as options: each leaf of the tree. */
export function setting(values: object): string[] {
  return Object.entries(values).flatMap(([key, value]) => ['--set-json', `${key}=${JSON.stringify(value)}`])
}
