/** Our images at work on a test cluster: the server behind a Service, and the init container that localizes from it. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createClient, type StagedResource, type StagingClient } from '@supercargo/client'
import { parseAllDocuments } from 'yaml'
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
const name = 'supercargo'
const port = 10_000
const anyUser = 1_000_650_000
const readyTimeout = '180s'

interface BaseObject {
  readonly kind: string
  readonly metadata: { name: string }
  readonly roleRef?: { name: string }
  readonly spec?: unknown
}

interface DeploymentSpec {
  readonly template: {
    readonly spec: {
      readonly containers: readonly [{ readonly args: readonly string[]; readonly readinessProbe: object }]
      readonly securityContext: object
    }
  }
}

/** What restricted Pod Security asks for, and a root that nobody can write to. */
export const restricted = {
  runAsNonRoot: true,
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  capabilities: { drop: ['ALL'] },
  seccompProfile: { type: 'RuntimeDefault' },
} as const

/** What `deploy/base` has, in a namespace that enforces restricted Pod Security: as a user whom no image knows, for everybody. */
export async function deployServer(
  cluster: KubernetesNodeDetails,
  namespace: string,
  options: DeployedServerOptions = {},
): Promise<DeployedServer> {
  const metadata = { name: namespace, labels: { 'pod-security.kubernetes.io/enforce': 'restricted' } }
  await apply(cluster, [{ apiVersion: 'v1', kind: 'Namespace', metadata }])
  const rights = options.collects === true ? await ownerRights(namespace) : []
  await apply(cluster, [...(await serverObjects(namespace, options)), ...rights])
  const ready = ['rollout', 'status', `deployment/${name}`, '--namespace', namespace, `--timeout=${readyTimeout}`]
  await kubectl(cluster, ready)
  const get = ['get', 'service', name, '--namespace', namespace, '-o', 'jsonpath={.spec.clusterIP}']
  const client = createClient({ server: `http://${await kubectl(cluster, get)}:${port}` })
  return {
    podUrl: `http://${name}.${namespace}.svc:${port}`,
    client,
    remove: async () => {
      client.close()
      await kubectl(cluster, ['delete', 'namespace', namespace, '--wait=false'])
      for (const { kind, metadata } of rights)
        if (kind.startsWith('Cluster')) await kubectl(cluster, ['delete', kind, metadata.name, '--wait=false'])
    },
  }
}

/** Of the base, but for the volume, which no node here provides, and for who may stage. */
async function serverObjects(namespace: string, { arguments: more = [], collects }: DeployedServerOptions) {
  const objects = (await baseObjects('server', namespace)).filter(({ kind }) => kind !== 'PersistentVolumeClaim')
  const { template } = objects.find(({ kind }) => kind === 'Deployment')!.spec as DeploymentSpec
  const [container] = template.spec.containers
  const instead: Readonly<Record<string, readonly string[]>> = {
    '--auth=kubernetes': ['--auth=none', '--allow-anonymous'],
    '--kube=auto': collects === true ? ['--kube=auto'] : ['--kube=none'],
  }
  for (const option of Object.keys(instead))
    if (!container.args.includes(option)) throw new Error(`the base does not say ${option} any more`)
  const known = container.args.flatMap((option) => instead[option] ?? option)
  Object.assign(container, {
    image: serverImage,
    imagePullPolicy: 'Never',
    args: [...known, '--limits-free-bytes-min=0', ...more],
  })
  Object.assign(container.readinessProbe, { periodSeconds: 1 })
  Object.assign(template.spec, { volumes: [{ name: 'store', emptyDir: {} }] })
  Object.assign(template.spec.securityContext, { runAsUser: anyUser, runAsGroup: anyUser, fsGroup: anyUser })
  if (collects !== true)
    Object.assign(template.spec, { serviceAccountName: 'default', automountServiceAccountToken: false })
  return objects
}

/** What the base gives the server to look owners up, under names of the namespace's own: others use the cluster, too. */
async function ownerRights(namespace: string): Promise<readonly BaseObject[]> {
  const rights = await baseObjects('rbac', namespace)
  const used = rights.filter(({ metadata }) => /^supercargo(-server|-owners)?$/.test(metadata.name))
  for (const { kind, metadata, roleRef } of used) {
    if (!kind.startsWith('Cluster')) continue
    for (const named of [metadata, ...(roleRef === undefined ? [] : [roleRef])])
      named.name = named.name.replace(/^supercargo/, namespace)
  }
  return used
}

async function baseObjects(file: string, namespace: string): Promise<readonly BaseObject[]> {
  const text = await readFile(join(repository, 'deploy', 'base', `${file}.yaml`), 'utf8')
  return parseAllDocuments(text.replaceAll('namespace: supercargo', `namespace: ${namespace}`))
    .map((document) => document.toJS() as BaseObject | null)
    .filter((object) => object !== null)
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

async function apply(cluster: KubernetesNodeDetails, items: readonly object[]): Promise<void> {
  await kubectl(cluster, ['apply', '-f', '-'], JSON.stringify({ apiVersion: 'v1', kind: 'List', items }))
}
