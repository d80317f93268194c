/** The command line of a Spark tool, taken apart so that it can be put together again with other values in the same places. */
import { basename } from 'node:path'
import { type SubmitArguments, sparkOptions } from '../arguments.ts'

/** `script`: anything that passes the options of spark-submit on, beside others of its own. */
export type Program = 'spark-submit' | 'spark-shell' | 'pyspark' | 'spark-sql' | 'script'

/** An option that stands on the command line. */
export interface GivenOption {
  /** Without dashes. */
  readonly name: string
  /** Undefined for a switch. */
  readonly value: string | undefined
  /** Where its first word stands. */
  readonly at: number
  readonly words: 1 | 2
}

export interface CommandLine {
  readonly program: Program
  /** The command first. */
  readonly words: readonly string[]
  readonly given: readonly GivenOption[]
  /** Where the application stands, if there is one. */
  readonly application: number | undefined
  /** Where more options may stand. */
  readonly room: number
}

/** What becomes of a command line. */
export interface Rewriting {
  /** By key of Spark's configuration. Said where the user said it, else added. */
  readonly settings: ReadonlyMap<string, string>
  /** Keys that are not said here any more. */
  readonly without: ReadonlySet<string>
  readonly application: string | undefined
  readonly propertiesFile: string | undefined
}

const programs: readonly Program[] = ['spark-submit', 'spark-shell', 'pyspark', 'spark-sql']
/** After these a tool only answers. */
const questions = new Set(['--help', '-h', '--version', '--kill', '--status'])

export function readCommandLine(words: readonly string[]): CommandLine {
  const name = basename(words[0] ?? '').replace(/\.cmd$/, '')
  const program = programs.find((each) => each === name) ?? 'script'
  return program === 'spark-submit' ? readStrictly(words) : readLoosely(words, program)
}

/** It asks for help, a version or another driver: nothing is to be done for it. */
export function onlyAsks({ words, application }: CommandLine): boolean {
  return words.slice(1, application).some((word) => questions.has(word))
}

/** The same options, as `submit` reads them. */
export function argumentsOf({ given, words, application }: CommandLine): SubmitArguments {
  const values = new Map<string, string[]>()
  for (const { name, value } of given) values.set(name, [...(values.get(name) ?? []), value ?? 'true'])
  return {
    given: values,
    application: application === undefined ? undefined : words[application],
    applicationArguments: application === undefined ? [] : words.slice(application + 1),
  }
}

/** As Spark decides between several: an option over --conf, and of equals the last one. Only that one stays. */
export function rewrite(line: CommandLine, { settings, without, application, propertiesFile }: Rewriting): string[] {
  const keys = line.given.map(keyOf)
  const said = new Set(keys)
  const added = [
    ...(propertiesFile === undefined || line.given.some(isPropertiesFile) ? [] : ['--properties-file', propertiesFile]),
    ...[...settings].filter(([key]) => !said.has(key)).flatMap(([key, value]) => ['--conf', `${key}=${value}`]),
  ]
  const words: string[] = []
  for (let at = 0; at <= line.words.length; at++) {
    if (at === line.room) words.push(...added)
    if (at === line.words.length) break
    const index = line.given.findIndex((each) => each.at === at)
    const option = line.given[index]
    if (option === undefined) {
      words.push(at === line.application && application !== undefined ? application : line.words[at]!)
      continue
    }
    at += option.words - 1
    const key = keys[index]
    if (key !== undefined && without.has(key)) continue
    const value = key === undefined ? undefined : settings.get(key)
    if (propertiesFile !== undefined && isPropertiesFile(option)) words.push('--properties-file', propertiesFile)
    else if (value === undefined) words.push(...line.words.slice(option.at, option.at + option.words))
    else if (decides(line.given, keys, index)) words.push(...spoken(option, key!, value))
  }
  return words
}

/** Options up to the first word that is none: the application, as spark-submit reads it. */
function readStrictly(words: readonly string[]): CommandLine {
  const given: GivenOption[] = []
  let at = 1
  while (at < words.length && words[at]!.startsWith('-')) {
    const option = optionAt(words, at)
    if (option !== undefined) given.push(option)
    at += option?.words ?? 1
  }
  return { program: 'spark-submit', words, given, application: at < words.length ? at : undefined, room: at }
}

/**
 * The shells mix Spark's options with their own, and a script has options of which nothing is known here: what is not known is
 * passed over. What looks like an application ends the options of a script.
 */
function readLoosely(words: readonly string[], program: Program): CommandLine {
  const given: GivenOption[] = []
  let application: number | undefined
  for (let at = 1; at < words.length && application === undefined; at++) {
    const option = optionAt(words, at)
    if (option !== undefined && (program !== 'script' || isSpeakable(option))) {
      given.push(option)
      at += option.words - 1
    } else if (program === 'script' && isApplication(words[at]!)) application = at
  }
  const last = given.at(-1)
  return {
    program,
    words,
    given,
    application,
    room: last === undefined ? (application ?? words.length) : last.at + last.words,
  }
}

/** `-c` and `-v` mean something else in `bash -c`, and --conf may name a file of the script's own. */
function isSpeakable({ name, value }: GivenOption): boolean {
  return name === 'conf' ? /^spark\.[^=]+=/.test(value ?? '') : name !== 'verbose'
}

/** Of Java or Python; what a script is started by (`bash run.sh`) is neither. */
function isApplication(word: string): boolean {
  return !word.startsWith('-') && /\.(jar|py|R)$/.test(word)
}

function optionAt(words: readonly string[], at: number): GivenOption | undefined {
  const word = words[at]!
  const equals = word.startsWith('--') ? word.indexOf('=') : -1
  const name = equals < 0 ? word : word.slice(0, equals)
  const option = sparkOptions.find((each) => `--${each.name}` === name || `-${each.short}` === name)
  if (option === undefined) return undefined
  if (option.value === undefined) return { name: option.name, value: undefined, at, words: 1 }
  if (equals >= 0) return { name: option.name, value: word.slice(equals + 1), at, words: 1 }
  return at + 1 < words.length ? { name: option.name, value: words[at + 1]!, at, words: 2 } : undefined
}

function isPropertiesFile({ name }: GivenOption): boolean {
  return name === 'properties-file'
}

function keyOf({ name, value }: GivenOption): string | undefined {
  if (name !== 'conf') return sparkOptions.find((each) => each.name === name)?.key
  const equals = value?.indexOf('=') ?? -1
  return equals < 1 ? undefined : value!.slice(0, equals).trim()
}

function decides(given: readonly GivenOption[], keys: readonly (string | undefined)[], index: number): boolean {
  const same = given.map((option, at) => ({ option, at })).filter(({ at }) => keys[at] === keys[index])
  const byOption = same.filter(({ option }) => option.name !== 'conf')
  return (byOption.length > 0 ? byOption : same).at(-1)!.at === index
}

function spoken({ name, words }: GivenOption, key: string, value: string): string[] {
  const text = name === 'conf' ? `${key}=${value}` : value
  return words === 1 ? [`--${name}=${text}`] : [`--${name}`, text]
}
