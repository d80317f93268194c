/** Spark's configuration as a submission sees it: options over --conf over the properties file or spark-defaults.conf. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseProperties, SupercargoError } from '@supercargo/protocol'
import { type SubmitArguments, sparkOptions } from './arguments.ts'
import { inWordsOfToday } from './fork-keys.ts'

export type Environment = Readonly<Record<string, string | undefined>>

interface Entry {
  readonly value: string
  /** Where it was said: `--jars`, `--conf`, the name of a file. */
  readonly source: string
}

/** How the source of a setting begins when it is a file. */
const fileSource = 'the file '

/** Immutable; keys are those of Spark. */
export class Configuration {
  readonly #entries: ReadonlyMap<string, Entry>

  constructor(entries: Iterable<readonly [string, Entry]>) {
    this.#entries = new Map(entries)
  }

  /** For tests and for what is not a command line. */
  static of(values: Readonly<Record<string, string>>): Configuration {
    return new Configuration(Object.entries(values).map(([key, value]) => [key, { value, source: '--conf' }]))
  }

  get(key: string): string | undefined {
    return this.#entries.get(key)?.value
  }

  /** The same key, but an empty value counts as none. */
  text(key: string): string | undefined {
    const value = this.get(key)?.trim()
    return value === '' ? undefined : value
  }

  on(key: string): boolean {
    return this.text(key)?.toLowerCase() === 'true'
  }

  /** Where the key was said, for messages: `--jars`, `--conf spark.jars`, `spark.jars in the file /x`. */
  said(key: string): string {
    const source = this.#entries.get(key)?.source ?? '--conf'
    if (source === '--conf') return `--conf ${key}`
    return source.startsWith('--') ? source : `${key} in ${source}`
  }

  /** What stands behind the prefix, and the value, in the order of the names. */
  behind(prefix: string): readonly (readonly [string, string])[] {
    return [...this.#entries]
      .filter(([key]) => key.startsWith(prefix) && key.length > prefix.length)
      .map(([key, { value }]) => [key.slice(prefix.length), value] as const)
      .sort(([one], [other]) => (one < other ? -1 : 1))
  }

  /** With one more setting, where the key says nothing yet. `source` is for messages. */
  or(key: string, value: string | undefined, source: string): Configuration {
    if (value === undefined || this.text(key) !== undefined) return this
    return new Configuration([...this.#entries, [key, { value, source }]])
  }

  /** What files said, not the command line. */
  fromFiles(): readonly (readonly [string, string])[] {
    return this.entries().filter(([key]) => this.#entries.get(key)!.source.startsWith(fileSource))
  }

  entries(): readonly (readonly [string, string])[] {
    return [...this.#entries].map(([key, { value }]) => [key, value] as const).sort(([a], [b]) => (a < b ? -1 : 1))
  }
}

/** Reads the files that the arguments and the environment name. Keys that are not Spark's are left out, as Spark does. */
export async function readConfiguration(args: SubmitArguments, environment: Environment): Promise<Configuration> {
  const entries = new Map<string, Entry>()
  const add = (key: string, value: string, source: string): void => {
    if (key.startsWith('spark.') && !entries.has(key)) entries.set(key, { value, source })
  }
  for (const option of sparkOptions) {
    const value = args.given.get(option.name)?.at(-1)
    if (option.key !== undefined && value !== undefined) add(option.key, value, `--${option.name}`)
  }
  const confs = new Map((args.given.get('conf') ?? []).map(readConf))
  for (const [key, value] of confs) add(key, value, '--conf')
  const named = args.given.get('properties-file')?.at(-1)
  if (named !== undefined)
    for (const [key, value] of await readProperties(named, true)) add(key, value, `${fileSource}${named}`)
  const defaults = defaultsFile(environment)
  if (defaults !== undefined && (named === undefined || args.given.has('load-spark-defaults')))
    for (const [key, value] of await readProperties(defaults, false)) add(key, value, `${fileSource}${defaults}`)
  return new Configuration(inWordsOfToday(entries))
}

/** `SPARK_CONF_DIR`, else `conf` below `SPARK_HOME`. */
export function sparkConfDirectory(environment: Environment): string | undefined {
  if (environment.SPARK_CONF_DIR) return environment.SPARK_CONF_DIR
  return environment.SPARK_HOME ? join(environment.SPARK_HOME, 'conf') : undefined
}

function defaultsFile(environment: Environment): string | undefined {
  const directory = sparkConfDirectory(environment)
  return directory === undefined ? undefined : join(directory, 'spark-defaults.conf')
}

function readConf(text: string): [string, string] {
  const equals = text.indexOf('=')
  if (equals < 1)
    throw new SupercargoError('invalid', 'usage', `--conf ${text} is not a setting`, { hint: 'write --conf KEY=VALUE' })
  return [text.slice(0, equals).trim(), text.slice(equals + 1)]
}

async function readProperties(file: string, required: boolean): Promise<ReadonlyMap<string, string>> {
  try {
    const read = parseProperties(await readFile(file, 'utf8'))
    return new Map([...read].map(([key, value]) => [key, value.trim()]))
  } catch (error) {
    if (!required && (error as NodeJS.ErrnoException).code === 'ENOENT') return new Map()
    if (SupercargoError.is(error)) throw error
    throw new SupercargoError('notFound', 'properties-file-unreadable', `the properties file ${file} cannot be read`, {
      cause: error,
      hint: 'name a file of Java properties: spark.executor.memory 2g',
    })
  }
}
