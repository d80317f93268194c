/** The connection that a kubeconfig describes: which files, which cluster, and what proves to it who we are. */
import { readFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import {
  type Environment,
  hostOf,
  isLoopback,
  parseProxy,
  proxyFromEnvironment,
  SupercargoError,
} from '@supercargo/protocol'
import { ChangingFile } from './changing-file.ts'
import { pluginCredentials } from './credential-plugin.ts'
import type { Credentials, KubeConnection } from './credentials.ts'
import { type ContextEntry, type KubeConfigFile, readContext } from './kube-config-file.ts'

export interface KubeConfigOptions {
  /** `--kubeconfig`: then this file alone, and it must exist. */
  readonly kubeconfig?: string | undefined
  /** `--context`; else the file's current context. */
  readonly context?: string | undefined
  readonly environment: Environment
}

/** The connection of a kubeconfig, or undefined when there is no file. Kind `invalid` when there is one that cannot be used. */
export async function kubeConfigConnection(options: KubeConfigOptions): Promise<KubeConnection | undefined> {
  const files = await readFiles(options)
  if (files.length === 0) return undefined
  let entry = readContext(files, options.context)
  let ask = await credentialsOf(entry)
  const { cluster, namespace } = entry
  const server = new URL(cluster.server)
  const proxy =
    cluster.proxyUrl === undefined
      ? proxyFromEnvironment(server, options.environment)
      : parseProxy(cluster.proxyUrl, `proxy-url of cluster ${cluster.name}`)
  return {
    server,
    namespace,
    proxy,
    credentials: () => ask(),
    // A plugin's credential is kept until it expires, whatever the API server says: only a fresh load forgets it.
    renew: async () => {
      if (isStatic(entry)) return false
      entry = readContext(await readFiles(options), options.context)
      ask = await credentialsOf(entry)
      return true
    },
  }
}

async function readFiles(options: KubeConfigOptions): Promise<readonly KubeConfigFile[]> {
  const { kubeconfig, environment } = options
  const named = kubeconfig ?? environment.KUBECONFIG ?? ''
  const home = environment.HOME ?? environment.USERPROFILE
  const paths =
    kubeconfig !== undefined
      ? [kubeconfig]
      : named !== ''
        ? named.split(delimiter).filter((path) => path !== '')
        : home === undefined
          ? []
          : [join(home, '.kube', 'config')]
  const files: KubeConfigFile[] = []
  for (const path of paths) {
    try {
      files.push({ path, text: await readFile(path, 'utf8') })
    } catch (error) {
      // As kubectl does: a file of the list that does not exist counts as empty, one that was asked for by name must be there.
      if ((error as NodeJS.ErrnoException).code === 'ENOENT' && kubeconfig === undefined) continue
      throw new SupercargoError('invalid', 'bad-kubeconfig', `the kubeconfig ${path} cannot be read`, { cause: error })
    }
  }
  return files
}

/** Nothing in it can change by asking again. */
function isStatic({ user }: ContextEntry): boolean {
  return (
    user === undefined ||
    (user.exec === undefined &&
      user.authProvider === undefined &&
      user.tokenFile === undefined &&
      (user.certFile === undefined || user.certData !== undefined))
  )
}

/** Files are read again when they have changed; of a text and a file that say the same thing the text counts, as for kubectl. */
async function credentialsOf({ cluster, user }: ContextEntry): Promise<() => Promise<Credentials>> {
  const server = new URL(cluster.server)
  if (server.protocol !== 'https:') return async () => plain(server, user)
  const of = (name: string): string => `${name} of user ${user?.name}`
  const read = {
    ca: reader(cluster.caData, cluster.caFile, `the certificate authority of cluster ${cluster.name}`),
    cert: reader(user?.certData, user?.certFile, of('the certificate')),
    key: reader(user?.keyData, user?.keyFile, of('the key')),
  }
  const tokenFile = user?.tokenFile === undefined ? undefined : new ChangingFile(user.tokenFile, of('the token'))
  const plugin =
    user !== undefined && (user.exec !== undefined || user.authProvider !== undefined)
      ? await pluginCredentials(cluster, user)
      : undefined
  return async () => {
    // One after the other: of several that cannot be read, the same is always named.
    const ca = await read.ca()
    const cert = await read.cert()
    const key = await read.key()
    const token = await tokenFile?.read()
    const given = await plugin?.()
    const bearer = token ?? user?.token
    const basic = user?.username === undefined ? undefined : `${user.username}:${user.password ?? ''}`
    return {
      headers: {
        ...given?.headers,
        ...(basic === undefined ? {} : { authorization: `Basic ${Buffer.from(basic).toString('base64')}` }),
        ...(bearer === undefined ? {} : { authorization: `Bearer ${bearer.trim()}` }),
        ...(user?.impersonate === undefined ? {} : { 'impersonate-user': user.impersonate }),
      },
      tls: {
        ca,
        cert,
        key,
        servername: cluster.tlsServerName,
        ...(cluster.skipTlsVerify ? { rejectUnauthorized: false } : {}),
        ...given?.tls,
      },
    }
  }
}

function reader(
  data: string | undefined,
  file: string | undefined,
  what: string,
): () => Promise<Buffer | string | undefined> {
  if (data !== undefined) {
    const bytes = Buffer.from(data, 'base64')
    return async () => bytes
  }
  if (file === undefined) return async () => undefined
  const changing = new ChangingFile(file, what)
  return () => changing.read()
}

/** Plain HTTP is for `kubectl proxy` on this machine: it carries no credential anywhere. */
function plain(server: URL, user: ContextEntry['user']): Credentials {
  const { name: _, ...proofs } = user ?? { name: '' }
  const bare = Object.values(proofs).every((value) => value === undefined)
  if (server.protocol === 'http:' && (bare || isLoopback(hostOf(server)))) return { headers: {}, tls: {} }
  const says = `the API server ${server.origin} is not https, so no credential is sent to it`
  throw new SupercargoError('invalid', 'kube-not-https', says, { hint: 'use an https address in the kubeconfig' })
}
