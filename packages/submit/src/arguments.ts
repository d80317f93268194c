/** The command line of spark-submit: its options, and ours beside them; what follows the application belongs to the application. */
import { nearest, SupercargoError } from '@supercargo/protocol'

export interface ArgumentOption {
  /** Without dashes. */
  readonly name: string
  readonly short?: string
  /** An option without a value is a switch. */
  readonly value?: string
  /** May be given more than once. */
  readonly many?: true
}

export interface SparkOption extends ArgumentOption {
  /** The key of Spark's configuration that says the same. */
  readonly key?: string
}

export interface SubmitArguments {
  /** By option, without dashes; a switch that is on has the value `true`. */
  readonly given: ReadonlyMap<string, readonly string[]>
  /** The jar, Python or R file that is run. */
  readonly application: string | undefined
  /** As they were typed. */
  readonly applicationArguments: readonly string[]
}

/** Everything that spark-submit takes. */
export const sparkOptions: readonly SparkOption[] = [
  { name: 'master', value: 'URL', key: 'spark.master' },
  { name: 'deploy-mode', value: 'MODE', key: 'spark.submit.deployMode' },
  { name: 'class', value: 'CLASS' },
  { name: 'name', value: 'NAME', key: 'spark.app.name' },
  { name: 'jars', value: 'FILES', key: 'spark.jars' },
  { name: 'files', value: 'FILES', key: 'spark.files' },
  { name: 'py-files', value: 'FILES', key: 'spark.submit.pyFiles' },
  { name: 'archives', value: 'FILES', key: 'spark.archives' },
  { name: 'packages', value: 'COORDINATES', key: 'spark.jars.packages' },
  { name: 'exclude-packages', value: 'COORDINATES', key: 'spark.jars.excludes' },
  { name: 'repositories', value: 'URLS', key: 'spark.jars.repositories' },
  { name: 'conf', short: 'c', value: 'KEY=VALUE', many: true },
  { name: 'properties-file', value: 'FILE' },
  { name: 'load-spark-defaults' },
  { name: 'driver-memory', value: 'SIZE', key: 'spark.driver.memory' },
  { name: 'driver-cores', value: 'NUMBER', key: 'spark.driver.cores' },
  { name: 'driver-java-options', value: 'OPTIONS', key: 'spark.driver.extraJavaOptions' },
  { name: 'driver-class-path', value: 'PATHS', key: 'spark.driver.extraClassPath' },
  { name: 'driver-library-path', value: 'PATHS', key: 'spark.driver.extraLibraryPath' },
  { name: 'executor-memory', value: 'SIZE', key: 'spark.executor.memory' },
  { name: 'executor-cores', value: 'NUMBER', key: 'spark.executor.cores' },
  { name: 'num-executors', value: 'NUMBER', key: 'spark.executor.instances' },
  { name: 'total-executor-cores', value: 'NUMBER', key: 'spark.cores.max' },
  { name: 'principal', value: 'PRINCIPAL', key: 'spark.kerberos.principal' },
  { name: 'keytab', value: 'FILE', key: 'spark.kerberos.keytab' },
  { name: 'proxy-user', value: 'USER' },
  { name: 'queue', value: 'QUEUE' },
  { name: 'supervise' },
  { name: 'kill', value: 'ID' },
  { name: 'status', value: 'ID' },
  { name: 'verbose', short: 'v' },
]

/**
 * Reads `--key value` and `--key=value`, in any order, up to the first word that is no option: the application. As in
 * spark-submit the word behind an option is its value, also when it begins with a dash. Throws kind `invalid`, code `usage`.
 */
export function readSubmitArguments(
  argv: readonly string[],
  options: readonly ArgumentOption[],
  command = 'submit',
): SubmitArguments {
  const given = new Map<string, string[]>()
  let index = 0
  for (; index < argv.length; index++) {
    const word = argv[index]!
    if (!word.startsWith('-') || word === '-') break
    const { option, inline } = optionOf(word, options, command)
    if (option.value === undefined) {
      if (inline !== undefined) throw wrong(`--${option.name} is a switch and takes no value`)
      given.set(option.name, ['true'])
      continue
    }
    const value = inline ?? argv[++index]
    if (value === undefined) throw wrong(`--${option.name} needs a value: ${option.value}`)
    given.set(option.name, option.many === true ? [...(given.get(option.name) ?? []), value] : [value])
  }
  return { given, application: argv[index], applicationArguments: argv.slice(index + 1) }
}

function optionOf(
  word: string,
  options: readonly ArgumentOption[],
  command: string,
): { option: ArgumentOption; inline?: string } {
  const equals = word.startsWith('--') ? word.indexOf('=') : -1
  const name = equals < 0 ? word : word.slice(0, equals)
  const option = options.find(
    (each) => `--${each.name}` === name || (each.short !== undefined && `-${each.short}` === name),
  )
  if (option !== undefined) return equals < 0 ? { option } : { option, inline: word.slice(equals + 1) }
  const meant = name.startsWith('--')
    ? nearest(
        name,
        options.map((each) => `--${each.name}`),
      )
    : undefined
  throw wrong(
    `${command} has no option ${name}`,
    meant === undefined
      ? `options of the application stand behind the application; see supercargo ${command} --help`
      : `did you mean ${meant}?`,
  )
}

function wrong(message: string, hint?: string): SupercargoError {
  return new SupercargoError('invalid', 'usage', message, { hint })
}
