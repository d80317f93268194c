/** kubectl against a test cluster, as any of its users. */
import { join } from 'node:path'
import { type CommandResult, command, tryCommand } from '../command.ts'

export interface KubectlTarget {
  readonly kubeconfig: string
  readonly binDirectory: string
}

/** Resolves with what it printed; a failure is an error with what it said. */
export function kubectl(target: KubectlTarget, args: readonly string[], input?: string): Promise<string> {
  return command(argv(target, args), input === undefined ? {} : { input })
}

/** Resolves with whatever exit code, for answers that are refusals. */
export function tryKubectl(target: KubectlTarget, args: readonly string[], input?: string): Promise<CommandResult> {
  return tryCommand(argv(target, args), input === undefined ? {} : { input })
}

function argv(target: KubectlTarget, args: readonly string[]): string[] {
  return [join(target.binDirectory, 'kubectl'), '--kubeconfig', target.kubeconfig, ...args]
}
