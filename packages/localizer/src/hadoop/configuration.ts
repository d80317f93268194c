/** Hadoop's configuration as its own clients would see it: the site files of a directory, then the plan's properties. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Environment, type Plan, printable, SupercargoError } from '@supercargo/protocol'
import { abortReason, fromFileSystemError, isErrno } from '@supercargo/transfer'
import { parseSiteFile } from './site-file.ts'

export interface HadoopConfiguration {
  /**
   * The value with its references replaced and without white space around it. Undefined for a key that nobody set: the defaults
   * of Hadoop's jars are not in it. Throws kind `invalid` when references nest deeper than Hadoop follows them.
   */
  get(key: string): string | undefined
  /** Every key that is set, by its current name. */
  keys(): Iterable<string>
}

export type HadoopSettings = NonNullable<Plan['hadoop']>

/** Read in this order, as `HdfsConfiguration` does. */
const siteFiles = ['core-site.xml', 'hdfs-site.xml'] as const
const siteFileBytesMax = 16 * 2 ** 20
/** Hadoop gives up after as many replacements in one value. */
const replacementsMax = 20
const sparkPrefix = 'spark.hadoop.'

/** Old names that are still written, as Hadoop's own tables of deprecations have them. */
const currentNames: Readonly<Record<string, string>> = {
  'fs.default.name': 'fs.defaultFS',
  'dfs.federation.nameservices': 'dfs.nameservices',
  'dfs.http.address': 'dfs.namenode.http-address',
  'dfs.https.address': 'dfs.namenode.https-address',
  'fs.s3a.server-side-encryption-algorithm': 'fs.s3a.encryption.algorithm',
  'fs.s3a.server-side-encryption.key': 'fs.s3a.encryption.key',
}

/**
 * Reads `confDirectory` and lays `properties` on top, with or without Spark's prefix; like anything set by a program they win
 * over `<final>`. No message holds a value. `environment` answers `${env.NAME}`.
 */
export async function readHadoopConfiguration(
  settings: HadoopSettings | undefined,
  signal?: AbortSignal,
  environment: Environment = {},
): Promise<HadoopConfiguration> {
  const properties = new Map<string, string>()
  if (settings?.confDirectory !== undefined) await readDirectory(settings.confDirectory, properties, signal)
  for (const [key, value] of Object.entries(settings?.properties ?? {}))
    properties.set(currentName(key.startsWith(sparkPrefix) ? key.slice(sparkPrefix.length) : key), value)
  return {
    get: (key) => {
      const value = properties.get(currentName(key))
      return value === undefined ? undefined : replaced(key, value, properties, environment).trim()
    },
    keys: () => properties.keys(),
  }
}

async function readDirectory(
  directory: string,
  properties: Map<string, string>,
  signal: AbortSignal | undefined,
): Promise<void> {
  const finals = new Set<string>()
  let files = 0
  for (const name of siteFiles) {
    const file = join(directory, name)
    const text = await readSiteFile(file, signal)
    if (text === undefined) continue
    files++
    for (const property of parseSiteFile(text, file)) {
      const key = currentName(property.name)
      if (!finals.has(key)) properties.set(key, property.value)
      if (property.final) finals.add(key)
    }
  }
  if (files > 0) return
  throw new SupercargoError(
    'invalid',
    'no-hadoop-configuration',
    `${directory} has neither ${siteFiles.join(' nor ')}`,
    { hint: 'hadoop.confDirectory in the plan is the directory that HADOOP_CONF_DIR names elsewhere; is it mounted?' },
  )
}

/** Undefined where there is none. */
async function readSiteFile(file: string, signal: AbortSignal | undefined): Promise<string | undefined> {
  try {
    const text = await readFile(file, { encoding: 'utf8', signal })
    if (text.length <= siteFileBytesMax) return text
  } catch (error) {
    if (signal?.aborted) throw abortReason(signal)
    if (isErrno(error, 'ENOENT')) return undefined
    throw fromFileSystemError(error, `cannot read ${file}`)
  }
  throw new SupercargoError('invalid', 'bad-hadoop-configuration', `${file} is larger than ${siteFileBytesMax} bytes`)
}

/** The innermost reference first, one after the other; one that is unbound or leads back to itself stays as it is written. */
function replaced(
  key: string,
  value: string,
  properties: ReadonlyMap<string, string>,
  environment: Environment,
): string {
  const seen = new Set<string>()
  let text = value
  for (let count = 0; ; count++) {
    const match = /\$\{([^{}$\s]+)\}/.exec(text)
    if (match === null) return text
    const [reference, name] = [match[0], match[1]!]
    if (seen.has(reference)) return value
    seen.add(reference)
    const found = environmentValue(name, environment) ?? properties.get(currentName(name))
    if (found === undefined) return text
    if (count === replacementsMax)
      throw new SupercargoError(
        'invalid',
        'bad-hadoop-configuration',
        `the value of ${printable(key)} has more than ${replacementsMax} references within each other`,
      )
    text = text.slice(0, match.index) + found + text.slice(match.index + reference.length)
  }
}

/** `env.NAME`, `env.NAME-default` when it is unset, `env.NAME:-default` when it is empty too. */
function environmentValue(name: string, environment: Environment): string | undefined {
  const match = /^env\.([^:-]+)(?:(:?-)(.*))?$/.exec(name)
  if (match === null) return undefined
  const [, variable, operator, otherwise] = match
  const value = environment[variable!]
  return value === undefined || (operator === ':-' && value === '') ? otherwise : value
}

function currentName(key: string): string {
  return currentNames[key] ?? key
}
