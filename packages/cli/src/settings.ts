/** The values of a command's options: flags over environment over defaults. */
import { SupercargoError, usageExitCode } from '@supercargo/protocol'
import { environmentName, type Option } from './options.ts'

/** Wrong arguments: the one kind of failure that ends with EX_USAGE. */
export function usageError(message: string, hint?: string): SupercargoError {
  return new SupercargoError('invalid', 'usage', message, { hint })
}

/** What a shell shows for a program that a signal ended: 128 + SIGINT. */
export const interruptedExitCode = 130

export function exitCodeOf(error: SupercargoError): number {
  return error.code === 'usage' ? usageExitCode : error.exitCode
}

export class Settings {
  readonly #values: ReadonlyMap<string, readonly string[]>

  /** What no option says and libraries go by: proxies. */
  readonly environment: Readonly<Record<string, string | undefined>>

  constructor(
    values: ReadonlyMap<string, readonly string[]>,
    environment: Readonly<Record<string, string | undefined>> = {},
  ) {
    this.#values = values
    this.environment = environment
  }

  /** `given` are the flags; a switch that is on has the value `true`. Throws wrong arguments for a value that is none of the choices. */
  static from(
    options: readonly Option[],
    given: ReadonlyMap<string, readonly string[]>,
    env: Readonly<Record<string, string | undefined>>,
  ): Settings {
    const values = new Map<string, readonly string[]>()
    for (const option of options) {
      const found = given.get(option.name) ?? fromEnvironment(option, env)
      const source = given.has(option.name) ? `--${option.name}` : environmentName(option)
      for (const value of found ?? []) check(option, value, source)
      const effective = found ?? (option.default === undefined ? undefined : [option.default])
      if (effective !== undefined) values.set(option.name, effective)
    }
    return new Settings(values, env)
  }

  /** The last one given. */
  text(name: string): string | undefined {
    return this.#values.get(name)?.at(-1)
  }

  list(name: string): readonly string[] {
    return this.#values.get(name) ?? []
  }

  on(name: string): boolean {
    return this.text(name) === 'true'
  }
}

function fromEnvironment(
  option: Option,
  env: Readonly<Record<string, string | undefined>>,
): readonly string[] | undefined {
  const name = environmentName(option)
  const text = env[name]
  if (text === undefined || text === '') return undefined
  if (option.value !== undefined) {
    return option.many === undefined ? [text] : text.split(',').map((value) => value.trim())
  }
  if (['1', 'true', 'yes', 'on'].includes(text.toLowerCase())) return ['true']
  if (['0', 'false', 'no', 'off'].includes(text.toLowerCase())) return undefined
  throw usageError(`${name} is a switch and cannot be "${text}"`, 'write true or false')
}

function check(option: Option, value: string, source: string): void {
  if (option.value !== undefined && value === '') throw usageError(`${source} has an empty value`)
  if (option.choices !== undefined && !option.choices.includes(value))
    throw usageError(`${source} cannot be "${value}"`, `it is one of ${option.choices.join(', ')}`)
}
