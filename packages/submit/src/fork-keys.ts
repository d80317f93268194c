/** Keys of the 2017 fork of Spark on Kubernetes, understood as what they mean here. */
import { SupercargoError } from '@supercargo/protocol'

/** Our own settings among Spark's, for spark-defaults.conf. Each has an option of its own too, which wins. */
export const ownKeys = {
  server: 'spark.supercargo.server',
  podServer: 'spark.supercargo.podServer',
  caFile: 'spark.supercargo.caFile',
  initImage: 'spark.supercargo.initImage',
  distribution: 'spark.supercargo.distribution',
  root: 'spark.supercargo.root',
  deadline: 'spark.supercargo.localizeDeadline',
} as const

const meaning: Readonly<Record<string, string>> = {
  'spark.kubernetes.resourceStagingServer.uri': ownKeys.server,
  'spark.kubernetes.resourceStagingServer.internal.uri': ownKeys.podServer,
  'spark.ssl.kubernetes.resourceStagingServer.clientCertPem': ownKeys.caFile,
  'spark.kubernetes.initcontainer.docker.image': ownKeys.initImage,
  'spark.kubernetes.mountdependencies.mountTimeout': ownKeys.deadline,
  'spark.kubernetes.docker.image.pullPolicy': 'spark.kubernetes.container.image.pullPolicy',
  'spark.kubernetes.driver.docker.image': 'spark.kubernetes.driver.container.image',
  'spark.kubernetes.executor.docker.image': 'spark.kubernetes.executor.container.image',
}

const directories = {
  'spark.kubernetes.mountdependencies.jarsDownloadDir': '/spark-jars',
  'spark.kubernetes.mountdependencies.filesDownloadDir': '/spark-files',
} as const

interface Entry {
  readonly value: string
  readonly source: string
}

/** The same settings under today's names. A setting that is given under both keeps today's. */
export function inWordsOfToday(entries: ReadonlyMap<string, Entry>): Map<string, Entry> {
  const today = new Map<string, Entry>()
  for (const [key, entry] of entries) {
    if (key in meaning || key in directories) continue
    if (/^spark\.ssl\.kubernetes\.resourceStagingServer\.(internal\.)?trustStore/.test(key)) throw jks(key)
    today.set(key, entry)
  }
  for (const [key, entry] of entries) {
    const name = meaning[key]
    if (name !== undefined && !today.has(name)) today.set(name, entry)
    const folder = directories[key as keyof typeof directories]
    if (folder !== undefined) addRoot(today, key, folder, entry)
  }
  return today
}

/** The fork had two directories; here they are two folders of one root. */
function addRoot(today: Map<string, Entry>, key: string, folder: string, entry: Entry): void {
  const path = entry.value.replace(/\/+$/, '')
  const root = path.endsWith(folder) ? path.slice(0, -folder.length) : undefined
  const other = today.get(ownKeys.root)?.value
  if (root === undefined || !root.startsWith('/') || (other !== undefined && other !== root))
    throw new SupercargoError('invalid', 'unsupported-directory', `${key}=${entry.value} cannot be had`, {
      hint: `jars and files are two folders of one directory: end it in ${folder}, or set ${ownKeys.root}`,
    })
  today.set(ownKeys.root, { ...entry, value: root })
}

function jks(key: string): SupercargoError {
  return new SupercargoError('invalid', 'unsupported-trust-store', `${key} names a Java trust store`, {
    hint: 'give the certificate authority as PEM with --ca-file',
  })
}
