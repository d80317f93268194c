/** What kubeconfig files say: the cluster, the user and the namespace of a context, merged as kubectl merges them. */
import { dirname, isAbsolute, join } from 'node:path'
import { SupercargoError } from '@supercargo/protocol'
import { parse } from 'yaml'
import { z } from 'zod'

export interface KubeConfigFile {
  readonly path: string
  readonly text: string
}

/** Its files are absolute. */
export interface ClusterEntry {
  readonly name: string
  readonly server: string
  readonly caData?: string | undefined
  readonly caFile?: string | undefined
  readonly skipTlsVerify: boolean
  readonly tlsServerName?: string | undefined
  readonly proxyUrl?: string | undefined
}

/** Its files are absolute. */
export interface UserEntry {
  readonly name: string
  readonly certData?: string | undefined
  readonly certFile?: string | undefined
  readonly keyData?: string | undefined
  readonly keyFile?: string | undefined
  readonly token?: string | undefined
  readonly tokenFile?: string | undefined
  readonly username?: string | undefined
  readonly password?: string | undefined
  readonly impersonate?: string | undefined
  /** What a credential plugin is told, as it stands there. */
  readonly exec?: unknown
  readonly authProvider?: unknown
}

export interface ContextEntry {
  readonly cluster: ClusterEntry
  /** Undefined when the context names none, or one that is not there. */
  readonly user: UserEntry | undefined
  readonly namespace: string | undefined
}

/** The context of this name, else the current one. Kind `invalid` when the files have no such context, or are none. */
export function readContext(files: readonly KubeConfigFile[], context: string | undefined): ContextEntry {
  const parts = files.map(readPart)
  const all = <T extends { readonly name: string }>(entries: (part: Part) => readonly T[]): ReadonlyMap<string, T> =>
    // Of two entries with one name the first counts.
    new Map(
      parts
        .flatMap(entries)
        .reverse()
        .map((entry) => [entry.name, entry] as const),
    )
  const contexts = all((part) => part.contexts)
  const wanted = context ?? parts.find((part) => part.current !== undefined)?.current
  const found = contexts.get(wanted ?? '')
  if (found === undefined) {
    const says = wanted ? `the kubeconfig has no context "${wanted}"` : 'the kubeconfig has no current context'
    const names = [...new Set(parts.flatMap((part) => part.contexts.map(({ name }) => name)))]
    const hint = `name one with --context: ${names.join(', ') || 'it has none'}`
    throw new SupercargoError('invalid', 'kube-context-not-found', says, { hint })
  }
  const cluster = all((part) => part.clusters).get(found.cluster)
  if (cluster === undefined || !URL.canParse(cluster.server)) {
    const says = `context "${wanted}" of the kubeconfig names cluster "${found.cluster}", which is missing or has no address`
    throw new SupercargoError('invalid', 'bad-kubeconfig', says)
  }
  const user = found.user === undefined ? undefined : all((part) => part.users).get(found.user)
  return { cluster, user, namespace: found.namespace }
}

interface Part {
  readonly current: string | undefined
  readonly clusters: readonly ClusterEntry[]
  readonly users: readonly UserEntry[]
  readonly contexts: readonly {
    readonly name: string
    readonly cluster: string
    readonly user?: string | undefined
    readonly namespace?: string | undefined
  }[]
}

/** An empty text means the same as none. */
const text = z
  .string()
  .nullish()
  .transform((value) => value || undefined)
const list = <T extends z.ZodType>(entry: T) =>
  z
    .array(entry)
    .nullish()
    .transform((value) => value ?? [])

const schema = z.object({
  'current-context': text,
  clusters: list(
    z.object({
      name: z.string().min(1),
      cluster: z.object({
        server: z.string().min(1),
        'certificate-authority-data': text,
        'certificate-authority': text,
        'insecure-skip-tls-verify': z.boolean().nullish(),
        'tls-server-name': text,
        'proxy-url': text,
      }),
    }),
  ),
  users: list(
    z.object({
      name: z.string().min(1),
      user: z
        .object({
          'client-certificate-data': text,
          'client-certificate': text,
          'client-key-data': text,
          'client-key': text,
          token: text,
          tokenFile: text,
          username: text,
          password: text,
          as: text,
          exec: z.unknown().optional(),
          'auth-provider': z.unknown().optional(),
        })
        .nullish(),
    }),
  ),
  contexts: list(
    z.object({
      name: z.string().min(1),
      context: z.object({ cluster: z.string().min(1), user: text, namespace: text }),
    }),
  ),
})

function readPart({ path, text: content }: KubeConfigFile): Part {
  const beside = (file: string | undefined): string | undefined =>
    file === undefined || isAbsolute(file) ? file : join(dirname(path), file)
  try {
    const document = schema.parse(parse(content, { logLevel: 'error' }) ?? {})
    return {
      current: document['current-context'],
      clusters: document.clusters.map(({ name, cluster }) => ({
        name,
        server: cluster.server,
        caData: cluster['certificate-authority-data'],
        caFile: beside(cluster['certificate-authority']),
        skipTlsVerify: cluster['insecure-skip-tls-verify'] === true,
        tlsServerName: cluster['tls-server-name'],
        proxyUrl: cluster['proxy-url'],
      })),
      users: document.users.map(({ name, user }) => ({
        name,
        certData: user?.['client-certificate-data'],
        certFile: beside(user?.['client-certificate']),
        keyData: user?.['client-key-data'],
        keyFile: beside(user?.['client-key']),
        token: user?.token,
        tokenFile: beside(user?.tokenFile),
        username: user?.username,
        password: user?.password,
        impersonate: user?.as,
        exec: user?.exec ?? undefined,
        authProvider: user?.['auth-provider'] ?? undefined,
      })),
      contexts: document.contexts.map(({ name, context }) => ({ name, ...context })),
    }
  } catch (error) {
    // The parser's message may quote the file, which holds credentials.
    const says = `the kubeconfig ${path} is not valid`
    throw new SupercargoError('invalid', 'bad-kubeconfig', says, { context: { error: (error as Error).name } })
  }
}
