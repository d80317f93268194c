/** Our images at work on a test cluster: the server behind a Service, and the init container that localizes from it. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createClient, type StagedResource, type StagingClient } from '@supercargo/client'
import { kubectl } from '../kubernetes/kubectl.ts'
import type { KubernetesNodeDetails } from '../kubernetes-node/start.ts'
import { initImage, repository, serverImage } from './product-images.ts'

export interface DeployedServer {
  /** Where pods reach it, by name. */
  readonly podUrl: string
  /** From this machine, by the address of its Service. */
  readonly client: StagingClient
  remove(): Promise<void>
}

export interface DeployedServerOptions {
  /** Of `supercargo serve`, beside those that every deployed server has. */
  readonly arguments?: readonly string[]
  /** It looks owners up in its cluster, with the rights that are shipped, and collects. */
  readonly collects?: true
}

/** The part of a pod that localizes: what a template or a manifest takes over. */
export interface LocalizingPod {
  readonly initContainers: readonly object[]
  readonly volumes: readonly object[]
  /** For whoever reads what was localized. */
  readonly mount: { readonly name: string; readonly mountPath: string; readonly readOnly: true }
}

export const dataFolder = '/var/spark-data'
const planFolder = '/etc/supercargo'
const port = 10_000
const readyTimeout = '180s'

/** What restricted Pod Security asks for, and a root that nobody can write to. */
export const restricted = {
  runAsNonRoot: true,
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  capabilities: { drop: ['ALL'] },
  seccompProfile: { type: 'RuntimeDefault' },
} as const

/** In a namespace of its own, which enforces restricted Pod Security; as a user whom no image knows. */
export async function deployServer(
  cluster: KubernetesNodeDetails,
  namespace: string,
  options: DeployedServerOptions = {},
): Promise<DeployedServer> {
  const collects = options.collects === true
  const name = 'supercargo'
  const podUrl = `http://${name}.${namespace}.svc.cluster.local:${port}`
  const arguments_ = [
    '--listen',
    `:${port}`,
    '--store',
    '/var/lib/supercargo',
    '--allow-anonymous',
    '--pod-url',
    podUrl,
    ...(collects ? ['--kube', 'auto'] : []),
    ...(options.arguments ?? []),
  ]
  const container = {
    name: 'server',
    image: serverImage,
    imagePullPolicy: 'Never',
    args: [...arguments_, '--limits-free-bytes-min', '0'],
    ports: [{ containerPort: port }],
    readinessProbe: { httpGet: { path: '/readyz', port }, periodSeconds: 1 },
    securityContext: { ...restricted, runAsUser: 1_000_650_000 },
    volumeMounts: [{ name: 'store', mountPath: '/var/lib/supercargo' }],
  }
  await apply(cluster, [
    {
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name: namespace, labels: { 'pod-security.kubernetes.io/enforce': 'restricted' } },
    },
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name, namespace },
      spec: { selector: { app: name }, ports: [{ port }] },
    },
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name, namespace },
      spec: {
        selector: { matchLabels: { app: name } },
        strategy: { type: 'Recreate' },
        template: {
          metadata: { labels: { app: name } },
          spec: {
            automountServiceAccountToken: collects,
            ...(collects ? { serviceAccountName: name } : {}),
            containers: [container],
            volumes: [{ name: 'store', emptyDir: {} }],
          },
        },
      },
    },
  ])
  if (collects) await kubectl(cluster, ['apply', '-f', '-'], await shippedRights(namespace))
  const ready = ['rollout', 'status', `deployment/${name}`, '--namespace', namespace, `--timeout=${readyTimeout}`]
  await kubectl(cluster, ready)
  const get = ['get', 'service', name, '--namespace', namespace, '-o', 'jsonpath={.spec.clusterIP}']
  const client = createClient({ server: `http://${await kubectl(cluster, get)}:${port}` })
  return {
    podUrl,
    client,
    remove: async () => {
      client.close()
      await kubectl(cluster, ['delete', 'namespace', namespace, '--wait=false'])
      if (collects) await kubectl(cluster, ['delete', '-f', '-', '--wait=false'], await shippedRights(namespace))
    },
  }
}

/** Writes the plan and the secret of a staged resource into the cluster and says how a pod localizes it. */
export async function localizing(
  cluster: KubernetesNodeDetails,
  namespace: string,
  name: string,
  podUrl: string,
  staged: Pick<StagedResource, 'resourceId' | 'resourceSecret'>,
): Promise<LocalizingPod> {
  const plan = {
    version: 1,
    root: dataFolder,
    staging: { url: podUrl },
    items: [{ resource: staged.resourceId, secretFile: `${planFolder}/secret`, to: '.' }],
  }
  const metadata = { name, namespace }
  await apply(cluster, [
    { apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { 'plan.json': JSON.stringify(plan) } },
    { apiVersion: 'v1', kind: 'Secret', metadata, stringData: { secret: staged.resourceSecret.reveal() } },
  ])
  return {
    initContainers: [
      {
        name: 'localize',
        image: initImage,
        imagePullPolicy: 'Never',
        args: [`${planFolder}/plan.json`],
        securityContext: restricted,
        volumeMounts: [
          { name: 'localized', mountPath: dataFolder },
          { name: 'plan', mountPath: planFolder, readOnly: true },
        ],
      },
    ],
    volumes: [
      { name: 'localized', emptyDir: {} },
      { name: 'plan', projected: { sources: [{ configMap: { name } }, { secret: { name } }] } },
    ],
    mount: { name: 'localized', mountPath: dataFolder, readOnly: true },
  }
}

/** What deploy/base gives the server to look owners up, under names of the namespace's own: others use the cluster, too. */
async function shippedRights(namespace: string): Promise<string> {
  const text = await readFile(join(repository, 'deploy', 'base', 'rbac.yaml'), 'utf8')
  return text
    .split(/^---$/m)
    .filter((part) => /^kind: (ServiceAccount|ClusterRole|ClusterRoleBinding)$/m.test(part))
    .filter((part) => /^ {2}name: supercargo(-server|-owners)?$/m.test(part))
    .map((part) => part.replaceAll('namespace: supercargo', `namespace: ${namespace}`))
    .map((part) => part.replaceAll(/name: supercargo-(server|owners)/g, `name: ${namespace}-$1`))
    .join('---\n')
}

async function apply(cluster: KubernetesNodeDetails, items: readonly object[]): Promise<void> {
  await kubectl(cluster, ['apply', '-f', '-'], JSON.stringify({ apiVersion: 'v1', kind: 'List', items }))
}
