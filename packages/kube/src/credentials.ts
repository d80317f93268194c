/** Where the API server is, and what proves to it who we are: asked for anew with every request. */
import { ChangingFile } from './changing-file.ts'

/** What one request carries. `tls` in the words of node:tls; connections with equal `tls` are shared. */
export interface Credentials {
  readonly headers: Readonly<Record<string, string>>
  readonly tls: {
    readonly ca?: string | Buffer | undefined
    readonly cert?: string | Buffer | undefined
    readonly key?: string | Buffer | undefined
    readonly servername?: string | undefined
    readonly rejectUnauthorized?: boolean | undefined
  }
}

export interface KubeConnection {
  /** With a base path where the cluster is behind one. */
  readonly server: URL
  /** The namespace of the context or of the pod. */
  readonly namespace: string | undefined
  /** Of the kubeconfig or the environment; undefined is a direct connection. */
  readonly proxy: URL | undefined
  /** Cheap when nothing has changed. Kind `unavailable` or `denied` when there is no credential to be had. */
  credentials(): Promise<Credentials>
  /** After a 401: true when another credential may now be had, so that the request is worth sending once more. */
  renew(): Promise<boolean>
}

export interface FileCredentials {
  readonly server: URL
  readonly namespace?: string | undefined
  readonly proxy?: URL | undefined
  readonly tokenFile: string
  readonly caFile: string
}

/** A bearer token and an authority in files that are replaced as they expire: a pod's service account. */
export function fileConnection(files: FileCredentials): KubeConnection {
  const token = new ChangingFile(files.tokenFile, 'the service account token')
  const authority = new ChangingFile(files.caFile, 'the certificate authority of the API server')
  let sent = ''
  return {
    server: files.server,
    namespace: files.namespace,
    proxy: files.proxy,
    credentials: async () => {
      const [bearer, ca] = await Promise.all([token.read(), authority.read()])
      sent = bearer
      return { headers: { authorization: `Bearer ${bearer}` }, tls: { ca } }
    },
    renew: async () => (await token.read()) !== sent,
  }
}
