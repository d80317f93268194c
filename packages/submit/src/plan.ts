/** The plan: which dependency is staged, fetched, left alone, and what Spark is told about it. Pure. */
import { posix } from 'node:path'
import type { LocalPath } from '@supercargo/client'
import { SupercargoError } from '@supercargo/protocol'
import { type Dependency, dependenciesOf, placeName, type Role, type SurveyedEntry } from './dependency.ts'

export type Language = 'java' | 'python' | 'r'

/** `direct`: driver and executors localize; `driver`: the driver alone, and it serves the executors. */
export type Distribution = 'direct' | 'driver'

export interface PlanRequest {
  readonly entries: readonly SurveyedEntry[]
  readonly mainClass: string | undefined
  readonly distribution: Distribution
  /** Where everything appears in the pods. */
  readonly root: string
}

export interface SubmissionPlan {
  readonly language: Language
  /** What runs, for Java and Scala. */
  readonly mainClass: string | undefined
  /** The URI of the application in the driver. */
  readonly application: string
  /** URIs as Spark is told, in the user's order. */
  readonly jars: readonly string[]
  readonly files: readonly string[]
  readonly pyFiles: readonly string[]
  readonly archives: readonly string[]
  readonly staged: readonly LocalPath[]
  /** For the init-container beside what is staged. */
  readonly fetched: readonly { readonly uri: string; readonly to: string }[]
  readonly root: string
  readonly distribution: Distribution
  /** Jars of the image or of the staged set are read where they are, by driver and executors alike. */
  readonly executorsLocalize: boolean
}

const folders: Readonly<Record<Exclude<Role, 'main'>, string>> = {
  jars: 'spark-jars',
  files: 'spark-files',
  pyFiles: 'py-files',
  archives: 'archives',
}

const mainFolders: Readonly<Record<Language, string>> = { java: 'spark-jars', python: 'py-files', r: 'spark-files' }

/** Throws kind `invalid`, `notFound` or `conflict` for what would go wrong in the pods. */
export function planSubmission(request: PlanRequest): SubmissionPlan {
  const dependencies = checkedDependencies(request.entries)
  const main = dependencies.find(({ role }) => role === 'main')!
  const language = languageOf(main)
  checkMainClass(language, request.mainClass, main)
  const uri = (dependency: Dependency) => uriOf(dependency, language, request)
  const of = (role: Role) => dependencies.filter((each) => each.role === role)
  const jars = [...of('jars'), ...(language === 'java' ? [main] : [])]
  const localized = (each: Dependency) => each.from === 'staged' || each.from === 'fetched'
  return {
    language,
    mainClass: language === 'java' ? request.mainClass : undefined,
    application: uri(main),
    jars: jars.map(uri),
    files: of('files').map(uri),
    pyFiles: of('pyFiles').map(uri),
    archives: of('archives').map(uri),
    staged: dependencies
      .filter(({ from }) => from === 'staged')
      .map((each) => ({ path: each.source, as: target(each, language) })),
    fetched: dependencies
      .filter(({ from }) => from === 'fetched')
      .map((each) => ({ uri: each.source, to: target(each, language) })),
    root: request.root,
    distribution: request.distribution,
    executorsLocalize: request.distribution === 'direct' && jars.some(localized),
  }
}

/** What the entries stand for, each once; no two have one name. */
export function checkedDependencies(entries: readonly SurveyedEntry[]): readonly Dependency[] {
  const dependencies = withoutRepeats(entries.flatMap(dependenciesOf))
  checkNames(dependencies)
  return dependencies
}

export function needsInitContainer(plan: SubmissionPlan): boolean {
  return plan.staged.length > 0 || plan.fetched.length > 0
}

export function languageOf({ name, said, source }: Dependency): Language {
  if (/\.py$/i.test(name)) return 'python'
  if (/\.r$/i.test(name)) return 'r'
  if (/\.jar$/i.test(name)) return 'java'
  throw new SupercargoError(
    'invalid',
    'unknown-application',
    `${said} is ${source}, which is no .jar, .py or .R file`,
    {
      hint: 'spark-shell, pyspark and spark-sql run where you are: start them with supercargo wrap',
    },
  )
}

function checkMainClass(language: Language, mainClass: string | undefined, main: Dependency): void {
  if (language === 'java' && mainClass === undefined)
    throw new SupercargoError('invalid', 'main-class-missing', `--class is missing for ${main.shown}`, {
      hint: 'write --class com.example.Main before the jar',
    })
}

/** The same thing named twice for the same end is meant once: the application among the jars, for instance. */
export function withoutRepeats(dependencies: readonly Dependency[]): Dependency[] {
  const seen = new Map<string, Dependency>()
  for (const each of dependencies) {
    const kind = each.role === 'main' && /\.jar$/i.test(each.name) ? 'jars' : each.role
    const key = `${kind} ${placeName(each)} ${each.source}`
    if (!seen.has(key)) seen.set(key, each)
  }
  return [...seen.values()]
}

/** Spark copies everything into one working directory, where the second of a name replaces the first. */
export function checkNames(dependencies: readonly Dependency[]): void {
  const places = new Map<string, Dependency>()
  for (const each of dependencies) {
    const name = placeName(each)
    const other = places.get(name.normalize('NFC'))
    if (other === undefined) {
      places.set(name.normalize('NFC'), each)
      continue
    }
    const renamed = [each, other].find(({ role }) => role === 'files' || role === 'archives')
    throw new SupercargoError('conflict', 'equal-names', `${other.shown} and ${each.shown} are both called ${name}`, {
      hint: `Spark puts both into one directory, where the second replaces the first: rename one of them${
        renamed === undefined ? '' : `, or write ${basePath(renamed)}#other-name (${renamed.said})`
      }`,
    })
  }
}

function basePath({ source }: Dependency): string {
  return source.replace(/\?.*$/, '')
}

/** Below the root, in the folder that says what it is for. A new name of a file is given at once; an archive keeps its ending. */
export function target(dependency: Dependency, language: Language): string {
  const { role, name, alias } = dependency
  if (role === 'main') return posix.join(mainFolders[language], name)
  if (role === 'archives' && alias !== undefined) return posix.join(folders.archives, alias, name)
  return posix.join(folders[role], placeName(dependency))
}

/**
 * Jars are `local:`, so that every pod reads its own; where the executors have none, and for all else, `file:`, which the driver
 * serves to them. That holds on every Spark from 3.5 on.
 */
function uriOf(dependency: Dependency, language: Language, request: PlanRequest): string {
  const { role, from, alias } = dependency
  const fragment = alias === undefined ? '' : `#${alias}`
  if (from === 'image' || from === 'spark') return `${inImage(dependency)}${fragment}`
  const isJar = role === 'jars' || (role === 'main' && language === 'java')
  const scheme = isJar && request.distribution === 'direct' ? 'local' : 'file'
  const kept = role === 'archives' ? fragment : ''
  return `${scheme}://${posix.join(request.root, target(dependency, language))}${kept}`
}

/** Files of the image: `file:` is read in place by the driver and reaches the executors on every version, `local:` does not. */
function inImage({ role, from, source }: Dependency): string {
  const serves = role === 'files' || role === 'pyFiles' || role === 'archives'
  return from === 'image' && serves ? source.replace(/^local:/i, 'file:') : source
}
