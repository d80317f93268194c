/** Help, from the tables. */
import { type Command, commands } from './commands.ts'
import type { Option } from './options.ts'

const width = 80

export function overview(group?: string): string {
  const shown = group === undefined ? commands : commands.filter((command) => command.name.startsWith(`${group} `))
  const column = Math.max(...shown.map((command) => command.name.length)) + 2
  const lines = shown.map((command) => `  ${command.name.padEnd(column)}${command.summary}`)
  return [
    group === undefined
      ? 'Ships local jars and files into Spark pods on Kubernetes, and clears them away\nwhen their owner is gone.'
      : `The commands of ${group}.`,
    `Usage: supercargo ${group ?? 'COMMAND'} ${group === undefined ? '[OPTIONS]' : 'COMMAND [OPTIONS]'}`,
    `Commands:\n${lines.join('\n')}`,
    'Every option has an environment variable of its name: --token-file is\nSUPERCARGO_TOKEN_FILE. Flags win over it.',
    'More: supercargo COMMAND --help, supercargo manual, supercargo --version\n',
  ].join('\n\n')
}

export function helpOf(command: Command): string {
  return [
    `${usageOf(command)}\n\n${capitalized(command.summary)}.`,
    ...command.details.map((text) => wrap(text, width, '')),
    ...(command.options.length === 0 ? [] : [`Options:\n${optionLines(command.options)}`]),
    ...(command.examples.length === 0
      ? []
      : [`Examples:\n${command.examples.map((example) => `  ${example}`).join('\n')}`]),
  ]
    .join('\n\n')
    .concat('\n')
}

export function usageOf(command: Command): string {
  const options = command.options.length === 0 ? '' : ' [OPTIONS]'
  // Where options end at the first argument, they stand before it.
  if (command.readsHelp === true) return `Usage: supercargo ${command.name}${options} ${command.usage}`
  return `Usage: supercargo ${command.name}${command.usage === '' ? '' : ` ${command.usage}`}${options}`
}

/** `-n, --namespace NAMESPACE` */
export function signature(option: Option): string {
  return `${option.short === undefined ? '' : `-${option.short}, `}--${option.name}${option.value === undefined ? '' : ` ${option.value}`}`
}

/** The help sentence with what can be chosen, the default, and the environment variable. */
export function explained(option: Option): string {
  const notes = [
    ...(option.many === undefined ? [] : ['may be repeated']),
    ...(option.choices === undefined ? [] : [option.choices.join(', ')]),
    ...(option.default === undefined ? [] : [`default: ${option.default}`]),
  ]
  return `${option.help}${notes.length === 0 ? '' : ` (${notes.join('; ')})`}`
}

export function wrap(text: string, columns: number, indent: string): string {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > columns - indent.length) {
      lines.push(line)
      line = word
    } else line = line === '' ? word : `${line} ${word}`
  }
  return [...lines, line].map((each) => indent + each).join('\n')
}

function optionLines(options: readonly Option[]): string {
  const column = 28
  return options
    .map((option) => {
      const left = `  ${option.short === undefined ? '    ' : ''}${signature(option)}`
      const right = wrap(explained(option), width, ' '.repeat(column))
      return left.length < column - 1 ? left.padEnd(column) + right.slice(column) : `${left}\n${right}`
    })
    .join('\n')
}

function capitalized(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1)
}
