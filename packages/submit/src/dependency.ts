/** One dependency: what it is for, where it comes from, and what it is called in the pods. */
import { printable, SupercargoError } from '@supercargo/protocol'

export type Role = 'main' | 'jars' | 'files' | 'pyFiles' | 'archives'

/** One entry as it was written. */
export interface DependencyEntry {
  readonly role: Role
  readonly text: string
  /** Names the argument in messages: `--jars`, `the application`. */
  readonly said: string
}

/** What the disk says about an entry of this machine. A pattern may stand for many files, or for none. */
export interface LocalFact {
  readonly path: string
  readonly nature: 'file' | 'directory' | 'missing' | 'special'
}

export interface SurveyedEntry extends DependencyEntry {
  /** The new name that the user gave behind a `#`. */
  readonly alias?: string
  /** Without the alias. */
  readonly uri: string
  readonly scheme: string
  /** Only of an entry of this machine. */
  readonly local?: readonly LocalFact[]
}

export interface Dependency {
  readonly role: Role
  readonly said: string
  /** As it was written, for messages. */
  readonly shown: string
  /** The base name; Spark puts it into the working directory under this name or the alias. */
  readonly name: string
  readonly alias?: string
  /** `staged`: on this machine; `fetched`: by the init-container; `image`: is there already; `spark`: the driver reads it. */
  readonly from: 'staged' | 'fetched' | 'image' | 'spark'
  /** Absolute path on this machine when staged, else the URI. */
  readonly source: string
}

/** What the init-container can read. */
const fetchedSchemes = new Set(['http', 'https', 'hdfs', 'webhdfs', 'swebhdfs', 's3', 's3a', 's3n'])
/** Where the images of Spark work: Spark deletes what is there under a dependency's name before it copies. */
const workDirectory = '/opt/spark/work-dir'

const wanted: Readonly<Record<Role, string>> = {
  main: 'a jar, a Python file or an R file',
  jars: 'jar files, or a pattern: lib/*.jar',
  files: 'files, or a pattern: conf/*',
  pyFiles: '.py, .zip, .egg or .whl files',
  archives: 'archives',
}

/** The dependencies of an entry. Throws what Spark would only trip over in the pod. */
export function dependenciesOf(entry: SurveyedEntry): Dependency[] {
  if (entry.local === undefined) return [remote(entry)]
  if (entry.local.length === 0) throw nothingMatches(entry)
  if (entry.local.length > 1 && entry.alias !== undefined)
    throw new SupercargoError('invalid', 'alias-of-many', `${shown(entry)} gives several files one name`, {
      hint: 'name each file with a name of its own',
    })
  return entry.local.map((fact) => staged(entry, fact))
}

/** The name under which Spark puts it into the working directories. */
export function placeName(dependency: Dependency): string {
  return dependency.alias ?? dependency.name
}

function staged(entry: SurveyedEntry, { path, nature }: LocalFact): Dependency {
  const what = `${printable(path)} (${entry.said})`
  if (nature === 'missing') {
    const hint =
      entry.role === 'main'
        ? `write ${wanted.main}; options stand before it`
        : 'a comma separates two entries; is it one name with a comma, or is the path relative to another directory?'
    throw new SupercargoError('notFound', 'dependency-missing', `there is no file ${what}`, { hint })
  }
  if (nature === 'directory')
    throw new SupercargoError('invalid', 'dependency-is-directory', `${what} is a directory, and Spark takes files`, {
      hint: entry.role === 'archives' ? 'pack it: tar czf name.tar.gz -C directory .' : `write ${wanted[entry.role]}`,
    })
  if (nature === 'special') throw new SupercargoError('unsafe', 'dependency-not-a-file', `${what} is no regular file`)
  const name = path.slice(path.lastIndexOf('/') + 1)
  return named(entry, { name, from: 'staged', source: path })
}

function remote(entry: SurveyedEntry): Dependency {
  const { scheme, uri } = entry
  const path = pathOf(uri, scheme)
  const name = path.slice(path.lastIndexOf('/') + 1)
  if (name === '')
    throw new SupercargoError('invalid', 'dependency-is-directory', `${shown(entry)} names no file`, {
      hint: `write the address of one of ${wanted[entry.role]}`,
    })
  const from = scheme === 'local' ? 'image' : fetchedSchemes.has(scheme) ? 'fetched' : 'spark'
  if (from === 'image' && path.startsWith(`${workDirectory}/`))
    throw new SupercargoError(
      'invalid',
      'inside-working-directory',
      `${shown(entry)} is inside the working directory of the image`,
      {
        hint: `Spark deletes ${name} there before it copies it to the same place, and then finds nothing: put it elsewhere in the image, such as /opt/spark/jars or /opt/app`,
      },
    )
  return named(entry, { name, from, source: uri })
}

function named(entry: SurveyedEntry, rest: Pick<Dependency, 'name' | 'from' | 'source'>): Dependency {
  const { role, said, alias } = entry
  for (const each of [rest.name, ...(alias === undefined ? [] : [alias])]) {
    const fault = nameFault(each)
    if (fault === undefined) continue
    throw new SupercargoError('invalid', 'dependency-name', `${said} names ${printable(each)}: ${fault}`, {
      hint: `copy it to a name of letters, digits, ".", "_" and "-": ${each.replace(/[^\p{L}\p{N}._-]+/gu, '-')}`,
    })
  }
  return { role, said, shown: shown(entry), ...(alias === undefined ? {} : { alias }), ...rest }
}

/** Why Spark would go wrong with a name, or undefined. */
export function nameFault(name: string): string | undefined {
  if (name === '' || name === '.' || name === '..') return 'that is no name of a file'
  if (name.includes(',')) return 'Spark separates its lists by commas, and would see two names'
  if (name.includes('#')) return 'Spark takes what is behind # for a new name'
  if (/[*?[\]{}]/.test(name)) return 'Spark takes * ? [ ] { } for a pattern, and would look for other files'
  if (name.includes('/')) return 'a new name has no directory'
  if (/[\s%\\"'<>^`|:\u0000-\u001f\u007f]/.test(name))
    return 'Spark makes a URI of it, and blanks, quotes, %, \\ and : mean something else there'
  return undefined
}

function pathOf(uri: string, scheme: string): string {
  if (scheme === 'http' || scheme === 'https') {
    if (!URL.canParse(uri)) throw new SupercargoError('invalid', 'bad-uri', `${printable(uri)} is not a URL`)
    return decoded(new URL(uri).pathname)
  }
  return uri.slice(scheme.length + 1).replace(/^\/\/[^/]*/, '')
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text // A stray % stays, and is refused as a name.
  }
}

function nothingMatches(entry: SurveyedEntry): SupercargoError {
  return new SupercargoError('notFound', 'dependency-missing', `no file matches ${shown(entry)}`, {
    hint: 'quote the pattern, so that it reaches the command, and write it relative to the current directory',
  })
}

/** The query of a signed address is a credential. */
function shown({ text, said }: DependencyEntry): string {
  return `${printable(text.replace(/\/\/[^/@]*@/, '//').replace(/\?.*$/, (query) => (text.includes('://') ? '?…' : query)))} (${said})`
}
