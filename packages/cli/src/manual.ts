/** The manual page, from the tables: as text to read here, or as a source for man(1). */
import { kindTable, usageExitCode } from '@supercargo/protocol'
import { findCommand } from './arguments.ts'
import { type Command, commands } from './commands.ts'
import { explained, helpOf, overview, signature } from './help.ts'
import type { Run } from './invocation.ts'
import { environmentName } from './options.ts'

export const manual: Run = async ({ positionals, settings, io }) => {
  const shown = positionals.length === 0 ? commands : [findCommand(positionals).command].filter((c) => c !== undefined)
  io.stdout(settings.on('roff') ? roff(shown) : text(shown))
  return 0
}

function text(shown: readonly Command[]): string {
  const rule = `\n${'-'.repeat(72)}\n\n`
  const pages = shown.map(helpOf)
  return shown.length === 1
    ? pages[0]!
    : [
        overview(),
        ...pages,
        `Exit codes:\n\n${exitCodes()
          .map(([code, what]) => `  ${String(code).padEnd(5)}${what}`)
          .join('\n')}\n`,
      ].join(rule)
}

function roff(shown: readonly Command[]): string {
  const lines = ['.TH SUPERCARGO 1', '.SH NAME', 'supercargo \\- ships local files into Spark pods on Kubernetes']
  for (const command of shown) {
    lines.push(`.SH ${escaped(command.name).toUpperCase()}`, `.B supercargo ${escaped(command.name)}`)
    lines.push(escaped(`${command.usage} [OPTIONS]`.trim()), '.PP', `${escaped(command.summary)}.`)
    for (const paragraph of command.details) lines.push('.PP', escaped(paragraph))
    for (const option of command.options) {
      lines.push(
        '.TP',
        `.B ${escaped(signature(option))}`,
        escaped(`${explained(option)} [${environmentName(option)}]`),
      )
    }
    for (const example of command.examples) lines.push('.PP', '.EX', escaped(example), '.EE')
  }
  lines.push('.SH EXIT STATUS')
  for (const [code, what] of exitCodes()) lines.push('.TP', `.B ${code}`, escaped(what))
  return `${lines.join('\n')}\n`
}

/** Every code once, with the kinds of failure that end with it. */
function exitCodes(): [number, string][] {
  const kinds = Map.groupBy(Object.entries(kindTable), ([, row]) => row.exitCode)
  const failures = [...kinds].map(([code, rows]): [number, string] => [code, rows.map(([kind]) => kind).join(', ')])
  return [
    [0, 'done'],
    [usageExitCode, 'wrong arguments'],
    ...failures.sort(([a], [b]) => a - b),
    [130, 'stopped by a signal'],
  ]
}

/** A dash is a minus, a backslash is itself, and a line never begins with a control character. */
function escaped(line: string): string {
  return line
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replace(/^([.'])/, '\\&$1')
}
