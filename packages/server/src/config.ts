/** Reads the configuration: flags over environment over file over defaults. */
import { readFile } from 'node:fs/promises'
import { nearest, parseWith, printable, SupercargoError } from '@supercargo/protocol'
import { fromFileSystemError } from '@supercargo/transfer'
import type { z } from 'zod'
import { fromProperties } from './config-2017.ts'
import { type Config, configSchema, keysAt, listSettings } from './config-schema.ts'
import { isLoopback, splitListen } from './listen.ts'

export interface ConfigSources {
  /** By flag name without dashes (`limits-file-bytes-max`), besides `config`: the file. */
  readonly flags?: Readonly<Record<string, string | boolean | undefined>>
  readonly environment?: Readonly<Record<string, string | undefined>>
}

/** The checked, complete configuration, or an error of kind `invalid` that names the key. */
export async function loadConfig(sources: ConfigSources): Promise<Config> {
  const { flags = {}, environment = {} } = sources
  const file = flags.config ?? environment.SUPERCARGO_CONFIG
  const merged = typeof file === 'string' ? await readConfigFile(file, environment) : {}
  const what = typeof file === 'string' ? `the configuration (${file}, environment, flags)` : 'the configuration'
  refuseUnknownFlags(flags)
  for (const { key, flag, environment: name } of listSettings()) {
    const value = flags[flag.slice(2)] ?? environment[name]
    if (value !== undefined) put(merged, key.split('.'), value)
  }
  return checkConfig(merged, what)
}

/** Refuses unknown keys with the nearest known one, and what this build does not have. */
export function checkConfig(input: unknown, what = 'the configuration'): Config {
  refuseUnknownKeys(input, what)
  const config = parseWith(configSchema, input, what, 'bad-config')
  const store = checkStore(config.store)
  if (config.auth === 'none' && !config.allowAnonymous && !isLoopback(splitListen(config.listen).host)) {
    throw new SupercargoError(
      'invalid',
      'anonymous-beyond-loopback',
      `with auth none, everybody who reaches ${config.listen} may stage`,
      {
        hint: 'listen on 127.0.0.1, ask for tokens with --auth kubernetes, or say --allow-anonymous if that is meant',
      },
    )
  }
  if (config.accelRedirect !== undefined && config.trustedProxies.length === 0) {
    throw new SupercargoError('invalid', 'no-trusted-proxy', 'accelRedirect is set, and no proxy is trusted', {
      hint: 'name the address of the nginx that has the blobs in trustedProxies (127.0.0.1 where it runs beside the server)',
    })
  }
  return { ...config, store }
}

/** A directory or a bucket, and of the settings only those that belong to it. */
function checkStore(store: z.output<typeof configSchema>['store']): Config['store'] {
  const { directory, url, ...bucket } = store
  const place = url ?? directory
  if (place === undefined)
    throw new SupercargoError('invalid', 'no-store', 'no store is configured', {
      hint: 'say --store DIRECTORY or --store s3://bucket/prefix, or store.directory or store.url in the file',
    })
  if (url !== undefined && directory !== undefined)
    throw new SupercargoError('invalid', 'two-stores', 'store.directory and store.url name two stores', {
      hint: 'keep the one that is to be used',
    })
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(place)?.[1]?.toLowerCase()
  if (scheme === 's3' || scheme === 's3a') return { ...bucket, url: place }
  if (scheme !== undefined || url !== undefined)
    throw absent('store.url', `no store at ${scheme ?? 'such a place'}://`, 'use s3://bucket/prefix, or a directory')
  if (bucket.redirectDownloads)
    throw new SupercargoError('invalid', 'no-redirects', 'redirectDownloads needs a store in a bucket', {
      hint: 'leave it out; a front nginx can send the files of a directory (accelRedirect)',
    })
  return { directory: place }
}

/** The effective configuration, as a file would say it. Names of secret files are shown as `[file]`. */
export function printConfig(config: Config): string {
  return `${JSON.stringify(config, (key, value) => (key === 'keyFile' ? '[file]' : value), 2)}\n`
}

async function readConfigFile(
  file: string,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<Record<string, unknown>> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (error) {
    throw fromFileSystemError(error, `cannot read the configuration ${file}`)
  }
  if (file.endsWith('.properties')) return fromProperties(text, environment) as Record<string, unknown>
  // Only who has a file pays for its parser: the data plane's heap is to stay small.
  const { parse: parseYaml } = await import('yaml')
  let value: unknown
  try {
    value = parseYaml(text) ?? {}
  } catch (error) {
    const line = (error as { linePos?: { line: number }[] }).linePos?.[0]?.line
    throw new SupercargoError(
      'invalid',
      'bad-yaml',
      `${file} is not YAML${line === undefined ? '' : ` (line ${line})`}`,
    )
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new SupercargoError('invalid', 'bad-config', `${file} holds no keys and values`)
  }
  return value as Record<string, unknown>
}

function refuseUnknownFlags(flags: Readonly<Record<string, unknown>>): void {
  const known = ['config', ...listSettings().map(({ flag }) => flag.slice(2))]
  for (const name of Object.keys(flags)) {
    if (!known.includes(name)) throw unknown(`the option --${name}`, nearest(name, known)?.replace(/^/, '--'))
  }
}

function refuseUnknownKeys(input: unknown, what: string): void {
  const issues = configSchema.safeParse(input).error?.issues ?? []
  for (const issue of issues) {
    if (issue.code !== 'unrecognized_keys') continue
    const key = issue.keys[0]!
    const near = nearest(key, keysAt(issue.path))
    const prefix = issue.path.map((part) => `${String(part)}.`).join('')
    throw unknown(`${what}: the key ${printable(prefix + key)}`, near === undefined ? undefined : prefix + near)
  }
}

function unknown(subject: string, near: string | undefined): SupercargoError {
  return new SupercargoError(
    'invalid',
    'unknown-setting',
    `${subject} is not known`,
    near === undefined ? {} : { hint: `did you mean ${near}?` },
  )
}

function absent(setting: string, lacks: string, hint: string): SupercargoError {
  return new SupercargoError('invalid', 'not-in-this-build', `${setting}: this build has ${lacks}`, { hint })
}

function put(target: Record<string, unknown>, keys: readonly string[], value: unknown): void {
  const [first, ...rest] = keys
  if (first === undefined) return
  if (rest.length === 0) {
    target[first] = value
    return
  }
  const child = target[first]
  const next = typeof child === 'object' && child !== null ? (child as Record<string, unknown>) : {}
  target[first] = next
  put(next, rest, value)
}
