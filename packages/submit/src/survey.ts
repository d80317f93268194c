/** Looks at what the user named: splits the lists, and asks the disk about everything that is on this machine. */
import { glob, stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { SupercargoError } from '@supercargo/protocol'
import { fromFileSystemError, isErrno } from '@supercargo/transfer'
import type { Configuration } from './configuration.ts'
import type { DependencyEntry, LocalFact, Role, SurveyedEntry } from './dependency.ts'

/** Files that one pattern may stand for. */
const matchesMax = 10_000

const lists: readonly { readonly role: Role; readonly key: string }[] = [
  { role: 'jars', key: 'spark.jars' },
  { role: 'files', key: 'spark.files' },
  { role: 'pyFiles', key: 'spark.submit.pyFiles' },
  { role: 'archives', key: 'spark.archives' },
]

/** The keys whose values are dependencies. */
export const dependencyKeys: readonly string[] = lists.map(({ key }) => key)

/** Every entry in its order, the application first where there is one. `directory` is where relative paths begin. */
export async function surveyDependencies(
  application: string | undefined,
  configuration: Configuration,
  directory: string,
): Promise<SurveyedEntry[]> {
  const entries: DependencyEntry[] =
    application === undefined ? [] : [{ role: 'main', text: application, said: 'the application' }]
  for (const { role, key } of lists) {
    for (const text of splitList(configuration.get(key) ?? ''))
      entries.push({ role, text, said: configuration.said(key) })
  }
  return surveyEntries(entries, directory)
}

/** The entries of one comma-separated list. */
export function splitList(text: string): string[] {
  return text
    .split(',')
    .map((each) => each.trim())
    .filter((each) => each !== '')
}

export function surveyEntries(entries: readonly DependencyEntry[], directory: string): Promise<SurveyedEntry[]> {
  return Promise.all(entries.map((entry) => survey(entry, directory)))
}

async function survey(entry: DependencyEntry, directory: string): Promise<SurveyedEntry> {
  const scheme = /^([A-Za-z][A-Za-z0-9+.-]*):/.exec(entry.text)?.[1]?.toLowerCase()
  const { uri, alias } = takesAlias(entry.role) ? splitAlias(entry.text) : { uri: entry.text, alias: undefined }
  const named = { ...entry, uri, ...(alias === undefined ? {} : { alias }), scheme: scheme ?? 'file' }
  if (scheme !== undefined && scheme !== 'file') return named
  const path = resolve(directory, scheme === 'file' ? pathOfUri(uri) : uri)
  const fact = await look(path)
  const isPattern = fact.nature === 'missing' && /[*?[\]{}]/.test(path)
  return { ...named, local: isPattern ? await matches(path) : [fact] }
}

/** Spark gives a new name to files and archives alone. */
function takesAlias(role: Role): boolean {
  return role === 'files' || role === 'archives'
}

function splitAlias(text: string): { uri: string; alias: string | undefined } {
  const hash = text.indexOf('#')
  return hash < 0 ? { uri: text, alias: undefined } : { uri: text.slice(0, hash), alias: text.slice(hash + 1) }
}

/** `file:///a%20b` is a URI, `file:a b` a path behind a word. */
function pathOfUri(uri: string): string {
  if (!/^file:\//i.test(uri)) return uri.slice('file:'.length)
  try {
    return fileURLToPath(uri)
  } catch (error) {
    throw new SupercargoError('invalid', 'bad-uri', `${uri} names no file of this machine`, {
      cause: error,
      hint: 'write file:///path/to/it',
    })
  }
}

async function look(path: string): Promise<LocalFact> {
  try {
    const status = await stat(path)
    return { path, nature: status.isFile() ? 'file' : status.isDirectory() ? 'directory' : 'special' }
  } catch (error) {
    if (isErrno(error, 'ENOENT') || isErrno(error, 'ENOTDIR')) return { path, nature: 'missing' }
    throw fromFileSystemError(error, `cannot read ${path}`)
  }
}

async function matches(pattern: string): Promise<LocalFact[]> {
  const paths: string[] = []
  for await (const path of glob(pattern)) {
    if (paths.push(path) > matchesMax)
      throw new SupercargoError('tooLarge', 'too-many-matches', `${pattern} stands for more than ${matchesMax} files`)
  }
  const facts = await Promise.all(paths.sort().map(look))
  // A directory that a pattern meets was not asked for by name.
  return facts.filter(({ nature }) => nature === 'file')
}
