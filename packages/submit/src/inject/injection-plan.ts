/** What is staged for a manifest, what each of its pods localizes, and what each Spark application is told. Pure. */
import { posix } from 'node:path'
import type { LocalPath } from '@supercargo/client'
import { encodePath, SupercargoError } from '@supercargo/protocol'
import { type Dependency, dependenciesOf, type SurveyedEntry } from '../dependency.ts'
import { checkedDependencies, languageOf, target as targetIn } from '../plan.ts'
import type { Rewriting } from './spark-application.ts'
import type { Workload } from './workload.ts'

/** A workload with the entries that its manifest names itself. */
export interface WorkloadEntries {
  readonly workload: Workload
  readonly entries: readonly SurveyedEntry[]
}

export interface WorkloadPlan {
  readonly workload: Workload
  /** By its init-container, beside what is staged. */
  readonly fetched: readonly { readonly uri: string; readonly to: string }[]
  /** Something of it is on the staging server, where Spark's own fetcher reads it. */
  readonly readsByUrl: boolean
  /** Executors read jars of their own, as the driver does. */
  readonly jarsInPlace: boolean
  /** Of a Spark application; `base` is where the files of the resource are by plain GET, and ends in a slash. */
  readonly rewriting: (base: string) => Rewriting
}

export interface InjectionPlan {
  readonly staged: readonly LocalPath[]
  readonly workloads: readonly WorkloadPlan[]
}

/** `given` are the entries of the command line, for all workloads. */
export function planInjection(
  given: readonly SurveyedEntry[],
  workloads: readonly WorkloadEntries[],
  root: string,
): InjectionPlan {
  const plans = workloads.map((each) => planWorkload(given, each, root))
  const staged = new Map<string, Dependency>()
  for (const each of plans.flatMap((plan) => plan.staged)) {
    const other = staged.get(target(each))
    if (other !== undefined && other.source !== each.source)
      throw new SupercargoError(
        'conflict',
        'equal-names',
        `${other.shown} and ${each.shown} are both called ${each.name}`,
        {
          hint: 'the workloads of one manifest share their files: rename one of them, or write two manifests',
        },
      )
    staged.set(target(each), each)
  }
  return {
    staged: [...staged].map(([as, { source }]) => ({ path: source, as })),
    workloads: plans.map(({ plan }) => plan),
  }
}

function planWorkload(
  given: readonly SurveyedEntry[],
  { workload, entries }: WorkloadEntries,
  root: string,
): { readonly plan: WorkloadPlan; readonly staged: readonly Dependency[] } {
  const dependencies = checkedDependencies([...entries, ...given])
  const isSpark = workload.form !== 'pods'
  if (!isSpark) for (const each of dependencies) checkFetched(each)
  const own = new Set(entries.map(({ said }) => said))
  const byUrl = (each: Dependency) => isSpark && each.from === 'staged' && !isCode(each)
  const fetched = dependencies.filter((each) => each.from === 'fetched' && (!isSpark || isCode(each)))
  const jarsInPlace = dependencies.some((each) => isJar(each) && (each.from === 'staged' || each.from === 'fetched'))
  const uri = (base: string) => (each: Dependency) => uriOf(each, base, root)
  return {
    staged: dependencies.filter(({ from }) => from === 'staged'),
    plan: {
      workload,
      fetched: fetched.map((each) => ({ uri: each.source, to: target(each) })),
      readsByUrl: dependencies.some(byUrl),
      jarsInPlace,
      rewriting: (base) => ({
        uris: new Map(entries.map((entry) => [entry.text, dependenciesOf(entry).map(uri(base))])),
        added: dependencies
          .filter(({ said }) => !own.has(said))
          .map((each) => ({ role: each.role, uri: uri(base)(each) })),
        jarsInPlace,
      }),
    },
  }
}

function target(dependency: Dependency): string {
  return targetIn(dependency, dependency.role === 'main' ? languageOf(dependency) : 'java')
}

/** Jars and the application are read where they are, by every pod. */
function isCode({ role }: Dependency): boolean {
  return role === 'jars' || role === 'main'
}

function isJar({ role, name }: Dependency): boolean {
  return role === 'jars' || (role === 'main' && /\.jar$/i.test(name))
}

/**
 * The operators run spark-submit in a pod of their own, where `file:` means that pod; and `local:` files, modules and archives do
 * not reach executors on every version. Those are read from the staging server by whoever needs them.
 */
function uriOf(dependency: Dependency, base: string, root: string): string {
  const { alias, from, source, role } = dependency
  const fragment = alias === undefined ? '' : `#${alias}`
  const here = from === 'staged' || from === 'fetched'
  if (here && isCode(dependency)) return `local://${posix.join(root, target(dependency))}`
  if (from !== 'staged') return `${source}${fragment}`
  return `${base}${encodePath(target(dependency))}${role === 'archives' ? fragment : ''}`
}

/** A plain pod has nobody but the init-container to fetch for it. */
function checkFetched({ from, shown }: Dependency): void {
  if (from === 'staged' || from === 'fetched') return
  const says =
    from === 'image'
      ? `${shown} is in the image already`
      : `the init-container cannot fetch ${shown}: its scheme is unknown`
  throw new SupercargoError('invalid', 'not-fetched', says, {
    hint:
      from === 'image'
        ? 'leave it out'
        : 'it fetches http, https, hdfs, webhdfs, swebhdfs, s3, s3a and s3n; files of this machine are written without a scheme',
  })
}
