/** The fork's `spark-init.properties` as plans: one root for the jars, one for the files (2017 key names and defaults). */
import {
  type Plan,
  parseDuration,
  parseWith,
  planSchema,
  printable,
  routes,
  SupercargoError,
} from '@supercargo/protocol'
import type { FetchItem, Item, RootPlan } from './root-plan.ts'
import { isPattern } from './sources/glob.ts'

const server = 'spark.kubernetes.resourceStagingServer.uri'
const tls = 'spark.ssl.kubernetes.resourceStagingServer'
const timeout = 'spark.kubernetes.mountdependencies.mountTimeout'

/** The keys of one kind of dependency, with the paths that the fork's pods mount when a key is absent. */
const kinds = [
  {
    identifier: 'spark.kubernetes.initcontainer.downloadJarsResourceIdentifier',
    secret: [
      'spark.kubernetes.initcontainer.downloadJarsSecretLocation',
      '/mnt/secrets/spark-init/downloadSubmittedJarsSecret',
    ],
    remote: 'spark.kubernetes.initcontainer.remoteJars',
    directory: ['spark.kubernetes.mountdependencies.jarsDownloadDir', '/var/spark-data/spark-jars'],
  },
  {
    identifier: 'spark.kubernetes.initcontainer.downloadFilesResourceIdentifier',
    secret: [
      'spark.kubernetes.initcontainer.downloadFilesSecretLocation',
      '/mnt/secrets/spark-init/downloadSubmittedFilesSecret',
    ],
    remote: 'spark.kubernetes.initcontainer.remoteFiles',
    directory: ['spark.kubernetes.mountdependencies.filesDownloadDir', '/var/spark-data/spark-files'],
  },
] as const

/**
 * Plans for the jars and the files. Unknown keys are ignored, as the fork does. `confDirectory` is the directory with Hadoop's
 * XML that the pod's environment names. Throws kind `invalid`.
 */
export function forkPlans(properties: ReadonlyMap<string, string>, confDirectory?: string): RootPlan[] {
  const http = stagingTrust(properties)
  const hadoop = hadoopSettings(properties, confDirectory)
  const limits = downloadLimits(properties)
  const plans: RootPlan[] = []
  for (const kind of kinds) {
    const items: Item[] = []
    const bundle = bundleItem(properties, kind.identifier, setting(properties, kind.secret))
    if (bundle !== undefined) items.push(bundle)
    for (const uri of listOf(properties.get(kind.remote))) items.push(...remoteItems(uri, kind.remote))
    const root = setting(properties, kind.directory)
    const base = parseWith(
      planSchema,
      { version: 1, root, items: [], ...http, ...hadoop, ...limits },
      'the properties file',
    ) as Plan
    const shared = plans.find((plan) => plan.root === root)
    if (shared === undefined) plans.push({ ...base, items })
    else plans[plans.indexOf(shared)] = { ...shared, items: [...shared.items, ...items] }
  }
  return plans
}

/** The 2017 bundle: fetched with the raw secret, unpacked into the root. Both the server and the identifier must be given. */
function bundleItem(
  properties: ReadonlyMap<string, string>,
  identifierKey: string,
  secretFile: string,
): FetchItem | undefined {
  const base = properties.get(server)?.trim()
  const identifier = properties.get(identifierKey)?.trim()
  if (base === undefined || base === '' || identifier === undefined || identifier === '') return undefined
  if (!URL.canParse(base)) throw new SupercargoError('invalid', 'bad-uri', `${server}: ${printable(base)} is not a URI`)
  return { uri: base.replace(/\/+$/, '') + routes.v0.resource(identifier), to: '.', unpack: true, secretFile }
}

/** What a pattern matches goes under its own names; any other remote URI under its last path segment; a tar archive is unpacked beside itself too, as Spark's fetcher did. */
function remoteItems(uri: string, key: string): FetchItem[] {
  if (/^(s3[an]?|hdfs|s?webhdfs):/i.test(uri) && isPattern(withoutQuery(uri))) return [{ uri, to: '.', unpack: false }]
  const to = lastSegment(uri)
  if (to === undefined) {
    throw new SupercargoError(
      'invalid',
      'no-file-name',
      `${key}: the URI ${printable(withoutQuery(uri))} has no file name`,
    )
  }
  const file: FetchItem = { uri, to, unpack: false }
  return /\.(tar\.gz|tgz|tar)$/.test(to) ? [file, { uri, to: '.', unpack: true }] : [file]
}

function lastSegment(uri: string): string | undefined {
  if (!URL.canParse(uri)) return undefined
  const segment = new URL(uri).pathname.split('/').at(-1)!
  try {
    const name = decodeURIComponent(segment)
    return name === '' ? undefined : name
  } catch {
    // A stray % is part of the name, as for a browser.
    return segment
  }
}

/** The certificate of the staging server is given as a PEM file; a Java trust store cannot be read here. */
function stagingTrust(properties: ReadonlyMap<string, string>): { http?: Plan['http'] } {
  const base = properties.get(server)?.trim()
  const certificate = properties.get(`${tls}.clientCertPem`)?.replace(/^(file|local):(\/\/)?/, '')
  if (certificate === undefined && properties.has(`${tls}.trustStore`)) {
    throw new SupercargoError('invalid', 'trust-store', `${tls}.trustStore: a Java trust store cannot be read`, {
      hint: `give the certificate as a PEM file with ${tls}.clientCertPem`,
    })
  }
  if (base === undefined || certificate === undefined || !URL.canParse(base)) return {}
  return { http: { [new URL(base).origin]: { caFile: certificate } } }
}

/** What the fork's own fetcher gave to Hadoop's file systems. */
function hadoopSettings(properties: ReadonlyMap<string, string>, confDirectory = ''): { hadoop?: Plan['hadoop'] } {
  const own = [...properties].filter(([key]) => key.startsWith('spark.hadoop.'))
  if (own.length === 0 && confDirectory === '') return {}
  return {
    hadoop: { ...(confDirectory === '' ? {} : { confDirectory }), properties: Object.fromEntries(own) },
  }
}

/** A bare number is minutes, as in the fork; what it sets bounds the whole run here. */
function downloadLimits(properties: ReadonlyMap<string, string>): { limits?: { deadlineMs: number } } {
  const text = properties.get(timeout)?.trim()
  if (text === undefined || text === '') return {}
  return { limits: { deadlineMs: Math.max(1, parseDuration(/^\d+$/.test(text) ? `${text}m` : text)) } }
}

/** A key's value, or the default beside it. */
function setting(properties: ReadonlyMap<string, string>, [key, otherwise]: readonly [string, string]): string {
  return properties.get(key)?.trim() || otherwise
}

function listOf(value: string | undefined): string[] {
  return (value ?? '')
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
}

function withoutQuery(uri: string): string {
  return uri.replace(/[?#].*$/, '').replace(/\/\/[^/@]*@/, '//')
}
