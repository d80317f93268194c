/** Completion scripts for the common shells, from the tables. */
import { nearest, SupercargoError } from '@supercargo/protocol'
import { type Command, commands } from './commands.ts'
import type { Run } from './invocation.ts'
import type { Option } from './options.ts'
import { usageError } from './settings.ts'

const shells: Readonly<Record<string, () => string>> = { bash, zsh, fish }

export const completion: Run = async ({ positionals, io }) => {
  const shell = positionals[0]!
  const script = Object.hasOwn(shells, shell) ? shells[shell] : undefined
  if (script === undefined) {
    const meant = nearest(shell, Object.keys(shells))
    throw usageError(
      `there is no completion for "${shell}"`,
      meant === undefined ? `it is one of ${Object.keys(shells).join(', ')}` : `did you mean ${meant}?`,
    )
  }
  io.stdout(script())
  return 0
}

function bash(): string {
  const cases = commands.map((command) => `    "${command.name}") words="${flags(command)}" ;;`)
  const values = choiceOptions().map(([name, choices]) => `    --${name}) words="${choices.join(' ')}" ;;`)
  const groups = groupNames().map((group) => `    ${group}) words="${verbsOf(group).join(' ')}" ;;`)
  return `# bash completion of supercargo
_supercargo() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}" words=""
  local name="\${COMP_WORDS[1]}"
  case "$name" in ${groupNames().join('|')}) [ "$COMP_CWORD" -gt 2 ] && name="$name \${COMP_WORDS[2]}" ;; esac
  case "$previous" in
${values.join('\n')}
  esac
  if [ -z "$words" ]; then
    if [ "$COMP_CWORD" -eq 1 ]; then words="${topWords().join(' ')}"
    else case "$name" in
${groups.join('\n')}
${cases.join('\n')}
    esac; fi
  fi
  if [ -n "$words" ] && { [ "$COMP_CWORD" -eq 1 ] || [[ "$current" == -* ]] || [[ "$words" != -* ]]; }
  then COMPREPLY=($(compgen -W "$words" -- "$current"))
  else COMPREPLY=($(compgen -f -- "$current"))
  fi
}
complete -o filenames -F _supercargo supercargo
`
}

function zsh(): string {
  return `#compdef supercargo
autoload -U +X bashcompinit && bashcompinit
${bash()}`
}

function fish(): string {
  const lines = topWords().map(
    (word) => `complete -c supercargo -f -n __fish_use_subcommand -a ${word} -d ${quoted(summaryOf(word))}`,
  )
  for (const group of groupNames())
    lines.push(`complete -c supercargo -f -n "__fish_seen_subcommand_from ${group}" -a "${verbsOf(group).join(' ')}"`)
  for (const command of commands) {
    const seen = command.name
      .split(' ')
      .map((word) => `__fish_seen_subcommand_from ${word}`)
      .join('; and ')
    for (const option of command.options) {
      const short = option.short === undefined ? '' : ` -s ${option.short}`
      const value =
        option.value === undefined ? '' : option.choices === undefined ? ' -r' : ` -x -a "${option.choices.join(' ')}"`
      lines.push(`complete -c supercargo -n "${seen}" -l ${option.name}${short}${value} -d ${quoted(option.help)}`)
    }
  }
  return `# fish completion of supercargo\n${lines.join('\n')}\n`
}

function flags(command: Command): string {
  return [...command.options.map((option) => `--${option.name}`), '--help'].join(' ')
}

function topWords(): string[] {
  return [...new Set(commands.map((command) => command.name.split(' ')[0]!))]
}

function groupNames(): string[] {
  return topWords().filter((word) => commands.every((command) => command.name !== word))
}

function verbsOf(group: string): string[] {
  return commands
    .filter((command) => command.name.startsWith(`${group} `))
    .map((command) => command.name.split(' ')[1]!)
}

function summaryOf(word: string): string {
  const command = commands.find((candidate) => candidate.name === word)
  if (command !== undefined) return command.summary
  if (verbsOf(word).length === 0) throw new SupercargoError('internal', 'no-summary', `"${word}" is no command`)
  return verbsOf(word).join(', ')
}

function choiceOptions(): [string, readonly string[]][] {
  const all = new Map<string, Option>(
    commands.flatMap((command) => command.options.map((option) => [option.name, option])),
  )
  return [...all.values()].flatMap((option): [string, readonly string[]][] =>
    option.choices === undefined ? [] : [[option.name, option.choices]],
  )
}

function quoted(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
}
