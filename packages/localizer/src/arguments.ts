/** The command line of the localizer: `supercargo localize PLAN`, flags over environment over defaults. */
import { existsSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { parseSize, printable, SupercargoError } from '@supercargo/protocol'

export interface LocalizeArguments {
  readonly plan: string
  /** Undefined: no log is written. */
  readonly terminationLog: string | undefined
  readonly memoryBudgetBytes: number | undefined
  readonly json: boolean
  readonly quiet: boolean
}

/** What kubelet mounts into every container for the reason of its end. */
export const terminationLogDefault = '/dev/termination-log'

type Environment = Readonly<Record<string, string | undefined>>

/** Throws kind `invalid`, code `usage`. */
export function readArguments(argv: readonly string[], env: Environment): LocalizeArguments {
  const { values, positionals } = parse(argv)
  const [plan, ...more] = positionals
  if (plan === undefined) throw usage('no plan is given', 'write supercargo localize PLAN')
  if (more.length > 0) throw usage(`one plan is localized at a time; ${printable(more[0]!)} is too much`)
  const budget = values['memory-budget'] ?? setting(env, 'SUPERCARGO_MEMORY_BUDGET')
  return {
    plan,
    terminationLog: terminationLogOf(argv, env),
    memoryBudgetBytes: budget === undefined ? undefined : parseSize(budget),
    json: isJsonWanted(argv, env),
    quiet: values.quiet ?? isOn(setting(env, 'SUPERCARGO_QUIET')),
  }
}

/** Also of a command line that is wrong in everything else: its failure is to be read in the pod's status too. */
export function terminationLogOf(argv: readonly string[], env: Environment): string | undefined {
  const index = argv.findIndex(
    (argument) => argument === '--termination-log' || argument.startsWith('--termination-log='),
  )
  const named =
    index < 0
      ? undefined
      : argv[index]!.includes('=')
        ? argv[index]!.slice('--termination-log='.length)
        : argv[index + 1]
  return (
    named ??
    setting(env, 'SUPERCARGO_TERMINATION_LOG') ??
    (existsSync(terminationLogDefault) ? terminationLogDefault : undefined)
  )
}

/** Undefined when it is not said, or said wrongly: then the command itself tells. */
export function memoryBudgetAsked(argv: readonly string[], env: Environment): number | undefined {
  try {
    return readArguments(argv, env).memoryBudgetBytes
  } catch {
    // The command is about to say the same, with its exit code.
    return undefined
  }
}

/** Also of a command line that is wrong. */
export function isJsonWanted(argv: readonly string[], env: Environment): boolean {
  return argv.includes('--json') || isOn(setting(env, 'SUPERCARGO_JSON'))
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        'termination-log': { type: 'string' },
        'memory-budget': { type: 'string' },
        json: { type: 'boolean' },
        quiet: { type: 'boolean', short: 'q' },
      },
    })
  } catch (error) {
    throw usage((error as Error).message.replace(/\. .*$/s, ''), 'see supercargo localize --help')
  }
}

function setting(env: Environment, name: string): string | undefined {
  return env[name] === '' ? undefined : env[name]
}

function isOn(text: string | undefined): boolean {
  return text !== undefined && ['1', 'true', 'yes', 'on'].includes(text.toLowerCase())
}

function usage(message: string, hint?: string): SupercargoError {
  return new SupercargoError('invalid', 'usage', message, { hint })
}
