/** The API server as a pod sees it: address from the environment, token and authority from the service account's volume. */
import { access, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Environment, proxyFromEnvironment } from '@supercargo/protocol'
import { fileConnection, type KubeConnection } from './credentials.ts'

const serviceAccountDirectory = '/var/run/secrets/kubernetes.io/serviceaccount'

/** The connection, or undefined outside a pod. `directory` is another place for the service account's files. */
export async function inClusterConnection(
  environment: Environment,
  directory: string = serviceAccountDirectory,
): Promise<KubeConnection | undefined> {
  const host = environment.KUBERNETES_SERVICE_HOST
  const port = environment.KUBERNETES_SERVICE_PORT ?? '443'
  if (host === undefined || host === '') return undefined
  const tokenFile = join(directory, 'token')
  try {
    await access(tokenFile)
  } catch {
    return undefined // A pod without a mounted token (automountServiceAccountToken: false) talks to no API server.
  }
  const server = new URL(`https://${host.includes(':') ? `[${host}]` : host}:${port}`)
  return fileConnection({
    server,
    namespace: await ownNamespace(join(directory, 'namespace')),
    proxy: proxyFromEnvironment(server, environment),
    tokenFile,
    caFile: join(directory, 'ca.crt'),
  })
}

async function ownNamespace(path: string): Promise<string | undefined> {
  try {
    return (await readFile(path, 'utf8')).trim()
  } catch {
    return undefined // Older or hand-made volumes have no such file; whoever needs the namespace asks for it.
  }
}
