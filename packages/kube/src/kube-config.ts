/** Kubeconfig files: contexts, certificates, tokens, credential plugins. The border file of @kubernetes/client-node. */
import { readFile } from 'node:fs/promises'
import type { RequestOptions } from 'node:https'
import { delimiter, dirname, isAbsolute, join } from 'node:path'
import type { KubeConfig, User } from '@kubernetes/client-node'
import {
  type Environment,
  hostOf,
  isLoopback,
  parseProxy,
  proxyFromEnvironment,
  SupercargoError,
} from '@supercargo/protocol'
import { ChangingFile } from './changing-file.ts'
import type { Credentials, KubeConnection } from './credentials.ts'

export interface KubeConfigOptions {
  /** `--kubeconfig`: then this file alone, and it must exist. */
  readonly kubeconfig?: string | undefined
  /** `--context`; else the file's current context. */
  readonly context?: string | undefined
  readonly environment: Environment
}

/** A credential plugin may ask its user something, in a browser for instance. */
const credentialDeadlineMs = 120_000

/** The connection of a kubeconfig, or undefined when there is no file. Kind `invalid` when there is one that cannot be used. */
export async function kubeConfigConnection(options: KubeConfigOptions): Promise<KubeConnection | undefined> {
  const files = await readFiles(options)
  if (files.length === 0) return undefined
  let loaded = await load(files, options)
  const { cluster, namespace } = loaded
  const server = new URL(cluster.server)
  const proxy =
    cluster.proxyUrl === undefined
      ? proxyFromEnvironment(server, options.environment)
      : parseProxy(cluster.proxyUrl, `proxy-url of cluster ${cluster.name}`)
  return {
    server,
    namespace,
    proxy,
    credentials: () => loaded.credentials(),
    // The library keeps a plugin's credential until it expires, whatever the API server says: only a fresh load forgets it.
    renew: async () => {
      if (loaded.isStatic) return false
      loaded = await load(await readFiles(options), options)
      return true
    },
  }
}

interface Loaded {
  readonly cluster: NonNullable<ReturnType<KubeConfig['getCurrentCluster']>>
  readonly namespace: string | undefined
  /** Nothing in it can change by asking again. */
  readonly isStatic: boolean
  credentials(): Promise<Credentials>
}

interface ConfigFile {
  readonly path: string
  readonly text: string
}

async function readFiles(options: KubeConfigOptions): Promise<readonly ConfigFile[]> {
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
  const files: ConfigFile[] = []
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

async function load(files: readonly ConfigFile[], options: KubeConfigOptions): Promise<Loaded> {
  const library = await import('@kubernetes/client-node')
  const config = new library.KubeConfig()
  const tokenFiles = new Map<string, string>()
  for (const file of files) {
    const part = new library.KubeConfig()
    try {
      part.loadFromString(file.text)
      part.makePathsAbsolute(dirname(file.path))
      for (const [user, path] of tokenFilesOf(library.loadYaml(file.text), dirname(file.path))) {
        if (config.getUser(user) === null) tokenFiles.set(user, path)
      }
    } catch (error) {
      // The library's message may quote the file, which holds credentials.
      const says = `the kubeconfig ${file.path} is not valid`
      throw new SupercargoError('invalid', 'bad-kubeconfig', says, { context: { error: (error as Error).name } })
    }
    mergeFirstWins(config, part)
  }
  return select(config, tokenFiles, options)
}

/** As kubectl merges: of two entries with one name the first counts, where the library throws. */
function mergeFirstWins(config: KubeConfig, part: KubeConfig): void {
  config.currentContext ??= part.currentContext
  for (const each of part.clusters) if (!config.clusters.some(({ name }) => name === each.name)) config.addCluster(each)
  for (const each of part.users) if (!config.users.some(({ name }) => name === each.name)) config.addUser(each)
  for (const each of part.contexts) if (!config.contexts.some(({ name }) => name === each.name)) config.addContext(each)
}

/** `users[].user.tokenFile`, which the library does not know. */
function tokenFilesOf(document: unknown, directory: string): readonly (readonly [string, string])[] {
  const users = (document as { users?: { name?: string; user?: { tokenFile?: string } }[] } | undefined)?.users
  return (Array.isArray(users) ? users : []).flatMap((entry) => {
    const path = entry.user?.tokenFile
    if (typeof path !== 'string' || typeof entry.name !== 'string') return []
    return [[entry.name, isAbsolute(path) ? path : join(directory, path)] as const]
  })
}

function select(config: KubeConfig, tokenFiles: ReadonlyMap<string, string>, options: KubeConfigOptions): Loaded {
  const wanted = options.context ?? config.getCurrentContext()
  const context = config.contexts.find(({ name }) => name === wanted)
  if (context === undefined) {
    const says = wanted ? `the kubeconfig has no context "${wanted}"` : 'the kubeconfig has no current context'
    const hint = `name one with --context: ${config.contexts.map(({ name }) => name).join(', ') || 'it has none'}`
    throw new SupercargoError('invalid', 'kube-context-not-found', says, { hint })
  }
  // The library leaves the authority out when a context has no user: an empty user makes it look.
  const anonymous: User = { name: 'supercargo-anonymous' }
  const user = config.getUser(context.user) ?? anonymous
  const cluster = config.getCluster(context.cluster)
  if (cluster === null || !URL.canParse(cluster.server)) {
    const says = `context "${wanted}" of the kubeconfig names cluster "${context.cluster}", which is missing or has no address`
    throw new SupercargoError('invalid', 'bad-kubeconfig', says)
  }
  config.loadFromClusterAndUser(cluster, user)
  const tokenPath = tokenFiles.get(user.name)
  const tokenFile = tokenPath === undefined ? undefined : new ChangingFile(tokenPath, `the token of user ${user.name}`)
  const isStatic = user.exec == null && user.authProvider == null && tokenFile === undefined && user.certFile == null
  const credentials = (): Promise<Credentials> => ask(config, tokenFile)
  return { cluster, namespace: context.namespace, isStatic, credentials }
}

async function ask(config: KubeConfig, tokenFile: ChangingFile | undefined): Promise<Credentials> {
  const server = new URL(config.getCurrentCluster()!.server)
  const options: RequestOptions & { auth?: string } = {}
  if (server.protocol === 'https:') await bounded(config.applyToHTTPSOptions(options))
  const headers: Record<string, string> = {}
  for (const [name, value] of Object.entries(options.headers ?? {})) headers[name.toLowerCase()] = String(value).trim()
  if (options.auth) headers.authorization = `Basic ${Buffer.from(options.auth).toString('base64')}`
  if (tokenFile !== undefined) headers.authorization = `Bearer ${await tokenFile.read()}`
  if (server.protocol !== 'https:') checkPlain(server, config.getCurrentUser()!, headers)
  const { ca, cert, key, servername, rejectUnauthorized } = options as Credentials['tls']
  return { headers, tls: { ca, cert, key, servername, rejectUnauthorized } }
}

/** Plain HTTP is for `kubectl proxy` on this machine: it carries no credential anywhere. */
function checkPlain(server: URL, user: User, headers: Readonly<Record<string, string>>): void {
  const bare = !user.token && user.exec == null && user.authProvider == null && headers.authorization === undefined
  if (server.protocol === 'http:' && (bare || isLoopback(hostOf(server)))) return
  const says = `the API server ${server.origin} is not https, so no credential is sent to it`
  throw new SupercargoError('invalid', 'kube-not-https', says, { hint: 'use an https address in the kubeconfig' })
}

/** The library starts a credential plugin without a time limit, and puts what the plugin printed into its message. */
async function bounded(work: Promise<unknown>): Promise<void> {
  const failed = (says: string, cause?: unknown): SupercargoError =>
    new SupercargoError('denied', 'kube-credential-failed', says, {
      cause,
      status: 401,
      hint: 'run kubectl with the same kubeconfig: does it ask you to log in?',
    })
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    const says = `the credential plugin of the kubeconfig did not end within ${credentialDeadlineMs} ms`
    timer = setTimeout(() => reject(failed(says)), credentialDeadlineMs)
  })
  try {
    await Promise.race([work, late])
  } catch (error) {
    if (SupercargoError.is(error)) throw error
    const code = (error as NodeJS.ErrnoException).code
    throw failed(`the credentials of the kubeconfig cannot be had${code === undefined ? '' : ` (${code})`}`)
  } finally {
    clearTimeout(timer)
  }
}
