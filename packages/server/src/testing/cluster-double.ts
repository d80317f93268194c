/** The API server double with people, pods and rights, and an authorizer that asks it. */
import { ApiClient } from '@supercargo/kube'
import { FaultyApiServer } from '@supercargo/kube/testing'
import type { Authorizer } from '../auth/authorizer.ts'
import { type ClusterAuthorizerOptions, createClusterAuthorizer } from '../auth/cluster-authorizer.ts'

/** A token is told from a secret by its form: three parts. */
export const tokens = {
  /** May create in `spark`. */
  stager: 'head.stager.sign',
  /** May do everything everywhere. */
  admin: 'head.admin.sign',
  /** May look at, and delete in, `spark`. */
  keeper: 'head.keeper.sign',
  /** Known, and without any right. */
  nobody: 'head.nobody.sign',
  /** Of no account. */
  unknown: 'head.unknown.sign',
  /** Of another audience. */
  foreign: 'head.foreign.sign',
} as const

export interface ClusterDouble {
  readonly api: FaultyApiServer
  /** Another authorizer on the same cluster, that remembers nothing yet. */
  authorizer(options?: Partial<ClusterAuthorizerOptions>): Authorizer
  /** A pod in the cluster, and the token that is bound to it. */
  pod(name: string, metadata?: object): { readonly token: string; readonly uid: string }
  stop(): Promise<void>
}

const rights: Readonly<Record<string, (verb: string, namespace: string | undefined) => boolean>> = {
  'system:serviceaccount:spark:stager': (verb, namespace) => verb === 'create' && namespace === 'spark',
  'system:serviceaccount:spark:keeper': (verb, namespace) => verb !== 'create' && namespace === 'spark',
  admin: () => true,
}

export async function startClusterDouble(): Promise<ClusterDouble> {
  const api = await FaultyApiServer.start()
  for (const name of ['spark', 'other']) api.cluster.put({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } })
  const account = (name: string) => ({ username: `system:serviceaccount:spark:${name}`, uid: name })
  for (const name of ['stager', 'keeper', 'nobody'] as const)
    api.tokens.set(tokens[name], { audiences: ['supercargo'], user: account(name) })
  api.tokens.set(tokens.admin, { audiences: ['supercargo'], user: { username: 'admin' } })
  api.tokens.set(tokens.foreign, { audiences: ['https://kubernetes.default.svc'], user: { username: 'admin' } })
  api.rules.allows = ({ user, resourceAttributes }) => {
    const { group, resource, verb, namespace } = resourceAttributes ?? {}
    if (group !== 'supercargo.io' || resource !== 'bundles') return false
    return rights[user ?? '']?.(verb ?? '', namespace) ?? false
  }
  const open: Authorizer[] = []
  return {
    api,
    authorizer: (options) => {
      const client = new ApiClient(api.connection)
      const authorizer = createClusterAuthorizer(client, { audience: 'supercargo', anonymousV0: false, ...options })
      open.push(authorizer)
      return authorizer
    },
    pod: (name, metadata = {}) => {
      const { uid, namespace } = api.cluster.put({
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { namespace: 'spark', name, ...metadata },
      }).metadata
      const token = `head.pod-${uid}.sign`
      const extra = {
        'authentication.kubernetes.io/pod-name': [name],
        'authentication.kubernetes.io/pod-uid': [uid],
      }
      const user = { username: `system:serviceaccount:${namespace}:default`, uid: 'default', extra }
      api.tokens.set(token, { audiences: ['supercargo'], user })
      return { token, uid }
    },
    stop: async () => {
      for (const authorizer of open) await authorizer.close()
      await api.stop()
    },
  }
}
