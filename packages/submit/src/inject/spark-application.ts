/** The dependencies of a SparkApplication: where each operator keeps them, which are local, and how they are rewritten. */
import { isScalar, Scalar } from 'yaml'
import type { DependencyEntry, Role } from '../dependency.ts'
import { splitList } from '../survey.ts'
import { shownWorkload, type Workload } from './workload.ts'
import { madeSeq, type Path, removeValue, seqAt, setValue, textAt } from './yaml-place.ts'

/** By place and by what stands there now: what stood there before, null for what was added. */
export type Replaced = Readonly<Record<string, Readonly<Record<string, string | null>>>>

interface Place {
  readonly role: Role
  readonly path: Path
  /** `commas`: one text of several entries. */
  readonly form: 'scalar' | 'list' | 'commas'
}

const avoidKey = 'spark.kubernetes.jars.avoidDownloadSchemes'

/** The entries that are on this machine: without a scheme, or `file:`. The operator would look for them in its own pod. */
export function localEntries(workload: Workload): DependencyEntry[] {
  return places(workload).flatMap((place) => {
    const said = `${nameOf(workload, place)} of ${shownWorkload(workload)}`
    return read(workload, place)
      .map((text, index) => ({ role: roleOf(place, index), text, said }))
      .filter(({ text }) => /^file:/i.test(text) || !/^[a-z][a-z0-9+.-]*:/i.test(text))
  })
}

/** Takes back what was rewritten and added at an earlier time. */
export function restore(workload: Workload, replaced: Replaced): void {
  for (const place of [...places(workload), avoidPlace(workload)]) {
    const before = replaced[nameOf(workload, place)] ?? {}
    const original = (text: string): readonly string[] => {
      if (!Object.hasOwn(before, text)) return [text]
      return before[text] === null ? [] : [before[text]!]
    }
    rewrite(workload, place, original, [])
  }
}

export interface Rewriting {
  /** By the entry as it stands in the manifest: what the pods are told; a pattern may stand for several. */
  readonly uris: ReadonlyMap<string, readonly string[]>
  /** Behind the entries that are there. */
  readonly added: readonly { readonly role: Role; readonly uri: string }[]
  /** Every pod reads its own jars. */
  readonly jarsInPlace: boolean
}

/** Rewrites and adds; what is given back undoes it. */
export function rewriteApplication(workload: Workload, { uris, added, jarsInPlace }: Rewriting): Replaced {
  const replaced: Record<string, Record<string, string | null>> = {}
  const change = (place: Place, more: readonly string[]): void => {
    const before: Record<string, string | null> = {}
    rewrite(
      workload,
      place,
      (text) => {
        const made = uris.get(text) ?? [text]
        for (const [index, uri] of made.entries()) if (uri !== text) before[uri] = index === 0 ? text : null
        return made
      },
      more,
    )
    for (const uri of more) before[uri] ??= null
    if (Object.keys(before).length > 0) replaced[nameOf(workload, place)] = before
  }
  for (const place of places(workload)) {
    const more = added.filter(({ role }) => role === place.role).map(({ uri }) => uri)
    change(place, [...more, ...mainJar(workload, place, more)])
  }
  const avoid = avoidPlace(workload)
  // Without it Spark 4 makes the driver serve every jar; 3.5 does what it says without being told.
  if (jarsInPlace && !read(workload, avoid).includes('local')) change(avoid, ['local'])
  return replaced
}

/** The template of a role, which needs no webhook and is there in both operators. */
export function templatePath({ form, path }: Workload, role: 'driver' | 'executor'): Path {
  return form === 'apache' ? [...path, `${role}Spec`, 'podTemplateSpec'] : [...path, role, 'template']
}

/** Spark's container in a template. */
export function sparkContainer({ document, path }: Workload, role: 'driver' | 'executor'): string {
  const named = textAt(document, [...path, 'sparkConf', `spark.kubernetes.${role}.podTemplateContainerName`])
  return named ?? `spark-kubernetes-${role}`
}

function places({ document, form, path }: Workload): Place[] {
  if (form === 'kubeflow')
    return [
      { role: 'main', path: [...path, 'mainApplicationFile'], form: 'scalar' },
      ...(['jars', 'files', 'pyFiles', 'archives'] as const).map((role) => ({
        role,
        path: [...path, 'deps', role],
        form: 'list' as const,
      })),
    ]
  const main = Object.keys(behindMain).find((key) => textAt(document, [...path, key]) !== undefined)
  const conf = (role: Role, key: string): Place => ({ role, path: [...path, 'sparkConf', key], form: 'commas' })
  return [
    ...(main === undefined ? [] : [{ role: 'main', path: [...path, main], form: 'commas' } as const]),
    conf('jars', 'spark.jars'),
    conf('files', 'spark.files'),
    conf('pyFiles', 'spark.submit.pyFiles'),
    conf('archives', 'spark.archives'),
  ]
}

/** Where Apache's operator has the application, and what may stand behind it there. */
const behindMain: Readonly<Record<string, Role>> = { jars: 'jars', pyFiles: 'pyFiles', sparkRFiles: 'files' }

function roleOf({ role, path }: Place, index: number): Role {
  return role === 'main' && index > 0 ? (behindMain[String(path.at(-1))] ?? role) : role
}

/** Apache's operator makes the application the only jar unless `spark.jars` says something: then that has to name it too. */
function mainJar({ form, document, path }: Workload, place: Place, added: readonly string[]): string[] {
  if (form !== 'apache' || place.role !== 'jars' || added.length === 0) return []
  const main = textAt(document, [...path, 'jars'])
  return main === undefined || textAt(document, place.path) !== undefined ? [] : [main]
}

function avoidPlace({ path }: Workload): Place {
  return { role: 'jars', path: [...path, 'sparkConf', avoidKey], form: 'commas' }
}

function read({ document }: Workload, { path, form }: Place): string[] {
  if (form === 'list')
    return (seqAt(document, path)?.items ?? []).map((item) => (isScalar(item) ? String(item.value) : ''))
  const text = textAt(document, path)
  return text === undefined ? [] : form === 'commas' ? splitList(text) : [text]
}

/** Each entry becomes what `change` makes of it; `added` come behind them. */
function rewrite(
  { document }: Workload,
  { path, form }: Place,
  change: (text: string) => readonly string[],
  added: readonly string[],
): void {
  if (form !== 'list') {
    const before = textAt(document, path) ?? ''
    const entries = form === 'commas' ? splitList(before) : [before].filter((text) => text !== '')
    const changed = entries.flatMap(change)
    if (added.length === 0 && changed.join() === entries.join()) return
    const after = [...changed, ...added].join(',')
    if (after === '') removeValue(document, path)
    else setValue(document, path, after)
    return
  }
  const list = added.length === 0 ? seqAt(document, path) : madeSeq(document, path)
  if (list === undefined || list.items.length + added.length === 0) return
  list.items = list.items.flatMap((item) => {
    if (!isScalar<string>(item)) return [item]
    const [first, ...others] = change(item.value)
    if (first === undefined) return []
    // The item keeps its comments and its quotes.
    item.value = first
    return [item, ...others.map((text) => new Scalar(text))]
  })
  list.items.push(...added.map((uri) => new Scalar(uri)))
  if (list.items.length === 0) removeValue(document, path)
}

/** `deps.jars`, `sparkConf.spark.jars` */
function nameOf(workload: Workload, { path }: Place): string {
  return path.slice(workload.path.length).join('.')
}
