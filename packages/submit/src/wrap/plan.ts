/** What becomes of each dependency of a wrapped command: which is staged, where the pods find it, what Spark is told. Pure. */
import { posix } from 'node:path'
import type { LocalPath } from '@supercargo/client'
import { type Dependency, dependenciesOf, type Role, type SurveyedEntry } from '../dependency.ts'
import { checkNames, type Language, languageOf, type SubmissionPlan, target, withoutRepeats } from '../plan.ts'

/**
 * `cluster`: the driver is a pod, and localizes as the executors do. `client`: the driver is here; the executors localize the
 * jars, and what else there is Spark's driver gives them, as it always does. `served`: all comes from the driver.
 */
export type Manner = 'cluster' | 'client' | 'served'

/** A URI, or a file of the resource that is read by its capability URL, once there is one. */
export type Address = string | { readonly path: string; readonly fragment: string }

export interface WrapPlan {
  readonly manner: Manner
  /** For the init-container: what it localizes, and where. */
  readonly localized: SubmissionPlan
  /** All that goes to the staging server: what is localized, and what Spark reads by URL. */
  readonly staged: readonly LocalPath[]
  /** By key of Spark's configuration; lists that stay as they are have no entry. */
  readonly lists: ReadonlyMap<string, readonly Address[]>
  /** Undefined when it stays as it is. */
  readonly application: string | undefined
  /** Paths in the pods by paths on this machine, for class paths. */
  readonly places: ReadonlyMap<string, string>
}

export interface WrapPlanRequest {
  readonly entries: readonly SurveyedEntry[]
  readonly manner: Manner
  /** Where everything appears in the pods. */
  readonly root: string
}

const keys: readonly (readonly [Exclude<Role, 'main'>, string])[] = [
  ['jars', 'spark.jars'],
  ['files', 'spark.files'],
  ['pyFiles', 'spark.submit.pyFiles'],
  ['archives', 'spark.archives'],
]

/** Throws what would go wrong in the pods, as the plan of a submission does. */
export function planWrap({ entries, manner, root }: WrapPlanRequest): WrapPlan {
  const dependencies = manner === 'served' ? [] : withoutRepeats(entries.flatMap(dependenciesOf))
  checkNames(dependencies)
  const main = dependencies.find(({ role }) => role === 'main')
  const language = main === undefined ? 'java' : mainLanguage(main, manner)
  const where = (each: Dependency): string => posix.join(root, target(each, language))
  const localized = dependencies.filter((each) => isLocalized(each, manner, language))
  const byUrl = dependencies.filter(
    (each) => manner === 'cluster' && each.from === 'staged' && !localized.includes(each),
  )
  const addressOf = (each: Dependency): Address => {
    if (localized.includes(each)) return `local://${where(each)}`
    const fragment = each.alias === undefined ? '' : `#${each.alias}`
    if (!byUrl.includes(each)) return `${each.source}${fragment}`
    return { path: target(each, language), fragment: each.role === 'archives' ? fragment : '' }
  }
  const changes = (each: Dependency): boolean => localized.includes(each) || byUrl.includes(each)
  const asLocal = (each: Dependency): LocalPath => ({ path: each.source, as: target(each, language) })
  const stagedHere = localized.filter(({ from }) => from === 'staged')
  return {
    manner,
    localized: {
      language,
      mainClass: undefined,
      application: '',
      jars: [],
      files: [],
      pyFiles: [],
      archives: [],
      staged: stagedHere.map(asLocal),
      fetched: localized
        .filter(({ from }) => from === 'fetched')
        .map((each) => ({ uri: each.source, to: target(each, language) })),
      root,
      distribution: 'direct',
      executorsLocalize: localized.some((each) => isJar(each, language)),
    },
    staged: [...stagedHere, ...byUrl].map(asLocal),
    lists: new Map(
      keys
        .map(([role, key]) => [key, dependencies.filter((each) => each.role === role)] as const)
        .filter(([, list]) => list.some(changes))
        .map(([key, list]) => [key, list.map(addressOf)]),
    ),
    application: main !== undefined && changes(main) ? (addressOf(main) as string) : undefined,
    places: new Map(stagedHere.map((each) => [each.source, where(each)])),
  }
}

/** In client mode the driver reads its application itself, whatever it is called. */
function mainLanguage(main: Dependency, manner: Manner): Language {
  if (manner === 'cluster') return languageOf(main)
  return /\.py$/i.test(main.name) ? 'python' : /\.r$/i.test(main.name) ? 'r' : 'java'
}

/**
 * Jars may be `local:` on every Spark. Files, modules and archives may not: on 3.5 a `local:` file reaches no executor, and an
 * archive does on none. The driver of client mode is not in a pod: what Spark fetches by itself stays as it is.
 */
function isLocalized(each: Dependency, manner: Manner, language: Language): boolean {
  if (each.from !== 'staged' && each.from !== 'fetched') return false
  if (manner === 'client') return each.from === 'staged' && isJar(each, language)
  return each.role === 'main' || each.role === 'jars'
}

function isJar({ role, name }: Dependency, language: Language): boolean {
  return role === 'jars' || (role === 'main' && language === 'java' && /\.jar$/i.test(name))
}
