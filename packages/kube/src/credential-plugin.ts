/** Credential plugins and old auth providers of a kubeconfig. The border file of @kubernetes/client-node, which is loaded for them alone. */
import type { RequestOptions } from 'node:https'
import type { Cluster, User } from '@kubernetes/client-node'
import { SupercargoError } from '@supercargo/protocol'
import type { Credentials } from './credentials.ts'
import type { ClusterEntry, UserEntry } from './kube-config-file.ts'

/** A plugin may ask its user something, in a browser for instance. */
const deadlineMs = 120_000

/** Asks the user's plugin, which keeps its answer until that expires. Kind `denied` when it has none in time. */
export async function pluginCredentials(
  cluster: ClusterEntry,
  user: UserEntry,
): Promise<() => Promise<Pick<Credentials, 'headers' | 'tls'>>> {
  const { KubeConfig } = await import('@kubernetes/client-node')
  const config = new KubeConfig()
  const { name, server } = cluster
  const { caData, caFile, skipTlsVerify: skipTLSVerify } = cluster
  config.loadFromClusterAndUser(
    { name, server, skipTLSVerify, caData, caFile } as Cluster,
    { name: user.name, exec: user.exec, authProvider: user.authProvider } as User,
  )
  return async () => {
    const options: RequestOptions = {}
    await bounded(config.applyToHTTPSOptions(options))
    const headers: Record<string, string> = {}
    for (const [key, value] of Object.entries(options.headers ?? {})) headers[key.toLowerCase()] = String(value).trim()
    const { cert, key } = options as Credentials['tls']
    return { headers, tls: { ...(cert === undefined ? {} : { cert }), ...(key === undefined ? {} : { key }) } }
  }
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
    const says = `the credential plugin of the kubeconfig did not end within ${deadlineMs} ms`
    timer = setTimeout(() => reject(failed(says)), deadlineMs)
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
