/** The cluster that `--master`, `--context` and Spark's keys name. */
import { readFile } from 'node:fs/promises'
import { findCluster, type KubeConnection } from '@supercargo/kube'
import { printable, SupercargoError } from '@supercargo/protocol'
import { fromFileSystemError } from '@supercargo/transfer'
import type { Configuration, Environment } from './configuration.ts'

export interface ClusterRequest {
  readonly configuration: Configuration
  readonly environment: Environment
  readonly kubeconfig?: string | undefined
  readonly context?: string | undefined
}

/** The connection of the kubeconfig or of the pod, to the server that the master names, with the credentials that Spark's keys name. */
export async function connectCluster(request: ClusterRequest): Promise<KubeConnection> {
  const { configuration, environment, kubeconfig } = request
  const server = masterServer(configuration.text('spark.master'))
  const context = request.context ?? configuration.text('spark.kubernetes.context')
  const found = await findCluster({ prefer: 'kubeconfig', kubeconfig, context, environment })
  const credentials = await ownCredentials(configuration)
  if (found === undefined && (server === undefined || credentials === undefined))
    throw new SupercargoError('invalid', 'no-cluster', 'no cluster is to be found', {
      hint: 'set KUBECONFIG or --kubeconfig; --master k8s://https://host:port names another server',
    })
  const base = found ?? { server: server!, namespace: undefined, proxy: undefined }
  const to = server ?? base.server
  return {
    server: to,
    namespace: base.namespace,
    proxy: base.proxy,
    credentials: async () => {
      const known = found === undefined ? { headers: {}, tls: {} } : await found.credentials()
      const all = {
        headers: credentials?.headers ?? known.headers,
        tls: { ...known.tls, ...credentials?.tls },
      }
      if (to.protocol !== 'https:' && Object.keys(all.headers).length > 0 && !isLoopback(to))
        throw new SupercargoError(
          'invalid',
          'kube-not-https',
          `${to.origin} is not https, so no credential is sent to it`,
          {
            hint: 'write --master k8s://https://…',
          },
        )
      return all
    },
    renew: async () => (found === undefined ? false : found.renew()),
  }
}

/** The API server of a `k8s://` master; undefined when the kubeconfig or the pod decides. */
export function masterServer(master: string | undefined): URL | undefined {
  if (master === undefined) return undefined
  const rest = /^k8s:\/\/(.*)$/.exec(master)?.[1]
  if (rest === undefined)
    throw new SupercargoError('invalid', 'bad-master', `--master ${printable(master)} is no Kubernetes`, {
      hint: 'write k8s://https://host:port, or leave it out to use the kubeconfig; local, yarn and standalone are for spark-submit',
    })
  if (rest === '') return undefined
  const text = /^https?:\/\//.test(rest) ? rest : `https://${rest}`
  if (!URL.canParse(text) || rest.includes('://') !== /^https?:\/\//.test(rest))
    throw new SupercargoError('invalid', 'bad-master', `--master ${printable(master)} names no server`, {
      hint: 'write k8s://https://host:port',
    })
  return new URL(text)
}

interface OwnCredentials {
  readonly headers?: Readonly<Record<string, string>>
  readonly tls: { readonly ca?: Buffer; readonly cert?: Buffer; readonly key?: Buffer }
}

async function ownCredentials(configuration: Configuration): Promise<OwnCredentials | undefined> {
  const text = (name: string) => configuration.text(`spark.kubernetes.authenticate.submission.${name}`)
  const read = async (name: string): Promise<Buffer | undefined> => {
    const path = text(name)
    if (path === undefined) return undefined
    return await readFile(path).catch((error: unknown) => {
      throw fromFileSystemError(error, `cannot read ${path}`)
    })
  }
  const [ca, key, cert, tokenBytes] = await Promise.all(
    ['caCertFile', 'clientKeyFile', 'clientCertFile', 'oauthTokenFile'].map(read),
  )
  const token = text('oauthToken') ?? tokenBytes?.toString('utf8').trim()
  if (ca === undefined && key === undefined && cert === undefined && token === undefined) return undefined
  return {
    ...(token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } }),
    tls: {
      ...(ca === undefined ? {} : { ca }),
      ...(cert === undefined ? {} : { cert }),
      ...(key === undefined ? {} : { key }),
    },
  }
}

function isLoopback({ hostname }: URL): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || hostname.startsWith('127.')
}
