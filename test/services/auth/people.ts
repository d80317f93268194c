/** Accounts, tokens and rights in a test cluster, as an admin makes them with kubectl, and the manifests that we ship. */
import { createPrivateKey, createSign } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { ApiClient, kubeConfigConnection } from '@supercargo/kube'
import { type KubectlTarget, kubectl, tryKubectl } from '../kubernetes/kubectl.ts'
import type { KubernetesDetails } from '../kubernetes/start.ts'
import { until } from '../until.ts'

/** What is applied to a cluster. */
export const deploy = resolve(import.meta.dirname, '..', '..', '..', 'deploy')
export const serverAccount = { namespace: 'supercargo', name: 'supercargo' }

export interface Account {
  readonly namespace: string
  readonly name: string
}

export async function createNamespaces(cluster: KubernetesDetails, names: readonly string[]): Promise<void> {
  for (const name of names) await kubectl(cluster, ['create', 'namespace', name])
  for (const name of names) {
    const account = ['get', 'serviceaccount', 'default', '--namespace', name]
    await until(`the account of ${name}`, async () => (await tryKubectl(cluster, account)).exitCode === 0, {
      timeoutMs: 30_000,
    })
  }
}

export async function createAccount(cluster: KubernetesDetails, account: Account): Promise<void> {
  await kubectl(cluster, ['create', 'serviceaccount', account.name, '--namespace', account.namespace])
}

/** Binds a ClusterRole in one namespace. */
export async function bind(cluster: KubernetesDetails, role: string, account: Account, namespace: string) {
  const subject = `--serviceaccount=${account.namespace}:${account.name}`
  const name = `${role}-${account.name}`
  await kubectl(cluster, ['create', 'rolebinding', name, `--clusterrole=${role}`, subject, '--namespace', namespace])
}

/** A token as `kubectl create token` makes it: for an audience, bound to a pod where one is named. */
export async function tokenOf(
  cluster: KubernetesDetails,
  account: Account,
  options: { readonly audience?: string; readonly pod?: { readonly name: string; readonly uid: string } } = {},
): Promise<string> {
  const { audience, pod } = options
  const binding =
    pod === undefined ? [] : ['--bound-object-kind=Pod', '--bound-object-name', pod.name, '--bound-object-uid', pod.uid]
  const meant = audience === undefined ? [] : ['--audience', audience]
  const args = ['create', 'token', account.name, '--namespace', account.namespace, ...meant, ...binding]
  return (await kubectl(cluster, args)).trim()
}

/** The same token, signed anew with the cluster's own key, over another time. */
export function inThePast(cluster: KubernetesDetails, token: string, hours: number): string {
  const [head, claims] = token.split('.') as [string, string]
  const known = JSON.parse(Buffer.from(claims, 'base64url').toString()) as Record<string, number>
  const shiftS = hours * 3600
  const shifted = { ...known, iat: known.iat! - shiftS, nbf: known.nbf! - shiftS, exp: known.exp! - shiftS }
  const text = `${head}.${Buffer.from(JSON.stringify(shifted)).toString('base64url')}`
  const key = createPrivateKey(readFileSync(join(dirname(cluster.caFile), 'service-account.key')))
  return `${text}.${createSign('RSA-SHA256').update(text).sign(key, 'base64url')}`
}

/** A kubeconfig that shows this token, and reaches the API server at `server`. */
export function kubeconfigOf(cluster: KubernetesDetails, file: string, token: string, server = cluster.server): string {
  const name = 'account'
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': name,
    contexts: [{ name, context: { cluster: name, user: name } }],
    clusters: [{ name, cluster: { server, 'certificate-authority': cluster.caFile } }],
    users: [{ name, user: { token } }],
  }
  writeFileSync(file, JSON.stringify(config), { mode: 0o600 })
  return file
}

export async function clientOf(kubeconfig: string): Promise<ApiClient> {
  return new ApiClient((await kubeConfigConnection({ kubeconfig, environment: {} }))!)
}

/** `kubectl auth can-i`, asked by the account itself. `where` is a namespace, or all of them. */
export async function canI(target: KubectlTarget, what: string, where: string | undefined): Promise<boolean> {
  const scope = where === undefined ? ['--all-namespaces'] : ['--namespace', where]
  const answer = await tryKubectl(target, ['auth', 'can-i', ...what.split(' '), ...scope])
  const said = answer.stdout.trim().split('\n').at(-1)
  if (said !== 'yes' && said !== 'no') throw new Error(`kubectl auth can-i ${what}: ${answer.stdout}${answer.stderr}`)
  return said === 'yes'
}

/** The right to the virtual resource. `kubectl auth can-i` drops the group of what is not installed, so it asks for another. */
export async function canBundles(target: KubectlTarget, verb: string, namespace: string): Promise<boolean> {
  const resourceAttributes = { group: 'supercargo.io', resource: 'bundles', verb, namespace }
  const review = {
    apiVersion: 'authorization.k8s.io/v1',
    kind: 'SelfSubjectAccessReview',
    spec: { resourceAttributes },
  }
  const answer = await kubectl(target, ['create', '--validate=false', '-o', 'json', '-f', '-'], JSON.stringify(review))
  return (JSON.parse(answer) as { status: { allowed: boolean } }).status.allowed
}

/** The kinds of the Spark operators, as far as a list needs them. */
export async function defineSparkKinds(cluster: KubernetesDetails): Promise<void> {
  const kinds = [
    ['sparkoperator.k8s.io', 'v1beta2', 'SparkApplication'],
    ['sparkoperator.k8s.io', 'v1beta2', 'ScheduledSparkApplication'],
    ['spark.apache.org', 'v1', 'SparkApplication'],
  ] as const
  for (const [group, version, kind] of kinds) {
    const plural = `${kind.toLowerCase()}s`
    const openAPIV3Schema = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true }
    const definition = {
      apiVersion: 'apiextensions.k8s.io/v1',
      kind: 'CustomResourceDefinition',
      metadata: {
        name: `${plural}.${group}`,
        // Groups of Kubernetes' own domain are looked at before they are served.
        annotations: { 'api-approved.kubernetes.io': 'unapproved, for a test' },
      },
      spec: {
        group,
        names: { kind, plural, singular: kind.toLowerCase(), listKind: `${kind}List` },
        scope: 'Namespaced',
        versions: [{ name: version, served: true, storage: true, schema: { openAPIV3Schema } }],
      },
    }
    await kubectl(cluster, ['create', '-f', '-'], JSON.stringify(definition))
    await kubectl(cluster, ['wait', '--for=condition=Established', `crd/${plural}.${group}`, '--timeout=30s'])
    const served = ['get', '--raw', `/apis/${group}/${version}/${plural}`]
    await until(`${plural}.${group}`, async () => (await tryKubectl(cluster, served)).exitCode === 0, {
      timeoutMs: 30_000,
    })
  }
}

/** A pod that no node runs, with what it belongs to. */
export async function createPod(
  cluster: KubernetesDetails,
  namespace: string,
  name: string,
  metadata: object = {},
): Promise<{ readonly name: string; readonly uid: string }> {
  const spec = { containers: [{ name: 'main', image: 'none' }], schedulingGates: [{ name: 'supercargo.io/test' }] }
  const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { ...metadata, namespace, name }, spec }
  const made = await kubectl(cluster, ['create', '-o', 'json', '-f', '-'], JSON.stringify(pod))
  return { name, uid: (JSON.parse(made) as { metadata: { uid: string } }).metadata.uid }
}
