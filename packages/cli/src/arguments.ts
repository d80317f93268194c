/** The command line, read: which command, which options, which arguments; a slip gets the nearest match. */

import { parseArgs } from 'node:util'
import { nearest } from '@supercargo/protocol'
import { type Command, commands } from './commands.ts'
import type { Option } from './options.ts'
import { Settings, usageError } from './settings.ts'

export type Request =
  | { readonly kind: 'version' }
  /** Without a command, help is about everything. */
  | { readonly kind: 'help'; readonly command: Command | undefined; readonly group: string | undefined }
  | {
      readonly kind: 'run'
      readonly command: Command
      readonly positionals: readonly string[]
      readonly settings: Settings
      readonly argv: readonly string[]
    }

/** Throws wrong arguments, with a hint. */
export function readArguments(argv: readonly string[], env: Readonly<Record<string, string | undefined>>): Request {
  const [first, ...others] = argv
  if (first === '--version' || first === '-V') return { kind: 'version' }
  if (first === undefined) throw usageError('a command is missing', 'see supercargo --help')
  if (first === '--help' || first === '-h' || first === 'help') return helpFor(others)
  if (first.startsWith('-'))
    throw usageError(`${first} stands before the command`, 'write supercargo COMMAND [OPTIONS]')
  const { command, rest } = findCommand(argv)
  if (command === undefined) return { kind: 'help', command: undefined, group: first }
  const asksForHelp = command.readsHelp !== true && (rest.includes('--help') || rest.includes('-h'))
  if (command.readsArguments === true && !asksForHelp) {
    const settings = Settings.from([], new Map(), {})
    return { kind: 'run', command, positionals: [], settings, argv: rest }
  }
  const { given, positionals, help } = readOptions(command, rest)
  if (help) return { kind: 'help', command, group: undefined }
  const missing = command.positionalsMin - positionals.length
  if (missing > 0) throw usageError(`${command.name} needs ${command.usage}`, `see supercargo ${command.name} --help`)
  if (positionals.length > command.positionalsMax)
    throw usageError(
      `${command.name} does not take the argument "${positionals[command.positionalsMax]}"`,
      `see supercargo ${command.name} --help`,
    )
  return { kind: 'run', command, positionals, settings: Settings.from(command.options, given, env), argv: rest }
}

/** The command that the first one or two words name; none when they name a group and ask for help. */
export function findCommand(words: readonly string[]): { command: Command | undefined; rest: readonly string[] } {
  const [first = '', second] = words
  const single = commands.find((command) => command.name === first)
  if (single !== undefined) return { command: single, rest: words.slice(1) }
  const group = commands.filter((command) => command.name.startsWith(`${first} `))
  if (group.length > 0) {
    const double = group.find((command) => command.name === `${first} ${second}`)
    if (double !== undefined) return { command: double, rest: words.slice(2) }
    if (second === '--help' || second === '-h') return { command: undefined, rest: [] }
    const verbs = group.map((command) => command.name.slice(first.length + 1))
    const meant = second === undefined ? undefined : nearest(second, verbs)
    throw usageError(
      second === undefined || second.startsWith('-')
        ? `${first} needs a verb`
        : `"${first} ${second}" is not a command`,
      meant === undefined
        ? `it is one of ${verbs.map((verb) => `${first} ${verb}`).join(', ')}`
        : `did you mean "${first} ${meant}"?`,
    )
  }
  const meant = nearest(first, new Set(commands.flatMap((command) => [command.name.split(' ')[0]!, command.name])))
  throw usageError(
    `"${first}" is not a command`,
    meant === undefined ? 'see supercargo --help' : `did you mean "${meant}"?`,
  )
}

function helpFor(words: readonly string[]): Request {
  if (words.length === 0) return { kind: 'help', command: undefined, group: undefined }
  const isGroup = words.length === 1 && commands.some((command) => command.name.startsWith(`${words[0]} `))
  if (isGroup) return { kind: 'help', command: undefined, group: words[0] }
  return { kind: 'help', command: findCommand(words).command, group: undefined }
}

function readOptions(
  command: Command,
  argv: readonly string[],
): { given: Map<string, string[]>; positionals: string[]; help: boolean } {
  const given = new Map<string, string[]>()
  const positionals: string[] = []
  let help = false
  const { tokens } = parseArgs({
    args: [...argv],
    options: Object.fromEntries(
      command.options.map((option) => [
        option.name,
        {
          type: option.value === undefined ? ('boolean' as const) : ('string' as const),
          multiple: true,
          ...(option.short === undefined ? {} : { short: option.short }),
        },
      ]),
    ),
    strict: false,
    allowPositionals: true,
    tokens: true,
  })
  for (const token of tokens) {
    if (token.kind === 'positional') positionals.push(token.value)
    if (token.kind !== 'option') continue
    const option = command.options.find((candidate) => candidate.name === token.name)
    if (option === undefined && (token.name === 'help' || token.rawName === '-h')) help = true
    else if (option === undefined) throw unknownOption(command, token.rawName)
    else given.set(option.name, [...(given.get(option.name) ?? []), valueGiven(option, token)])
  }
  return { given, positionals, help }
}

function valueGiven(
  option: Option,
  token: { rawName: string; value?: string | undefined; inlineValue?: boolean | undefined },
): string {
  if (option.value === undefined) {
    if (token.value !== undefined) throw usageError(`${token.rawName} is a switch and takes no value`)
    return 'true'
  }
  // A value that looks like an option is one, and the value was forgotten.
  if (token.value === undefined || (token.inlineValue === false && /^-./.test(token.value)))
    throw usageError(
      `${token.rawName} needs a value: ${option.value}`,
      `write ${token.rawName}=VALUE when it begins with a dash`,
    )
  return token.value
}

function unknownOption(command: Command, rawName: string): Error {
  const names = [...command.options.map((option) => `--${option.name}`), '--help']
  const meant = rawName.startsWith('--') ? nearest(rawName, names) : undefined
  return usageError(
    `${command.name} has no option ${rawName}`,
    meant === undefined ? `see supercargo ${command.name} --help` : `did you mean ${meant}?`,
  )
}
