/** etcd, API server, controllers and scheduler with certificates of their own, on addresses that the caller chooses. */
import { generateKeyPairSync } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Authority, createAuthority, issue, type KeyPair } from '../certificates.ts'
import { tryCommand } from '../command.ts'
import type { Site } from '../site.ts'
import type { ControlPlaneAssets } from './provision.ts'

export interface ControlPlaneOptions {
  /** Where the API server listens. A cluster whose pods call it needs one that is not a loopback address. */
  readonly address: string
  /** Whether the Service `kubernetes` has this address as its endpoint. */
  readonly advertised: boolean
  readonly serviceRange: string
}

export interface ControlPlane {
  readonly server: string
  readonly authority: Authority
  readonly adminKubeconfig: string
  readonly apiserverPid: number
  /** A kubeconfig for another user of the cluster, written into its folder. */
  kubeconfigFor(name: string, commonName: string, organization?: string): Promise<string>
}

/** The first address of the range is the Service `kubernetes`. */
const kubernetesServiceAddress = (range: string): string => range.replace(/\.0\/\d+$/, '.1')
const issuer = 'https://kubernetes.default.svc.cluster.local'
const readyTimeoutMs = 180_000

export async function startControlPlane(
  site: Site,
  assets: ControlPlaneAssets,
  options: ControlPlaneOptions,
): Promise<ControlPlane> {
  const authority = await createAuthority(site.folder('pki'), 'supercargo test cluster')
  const etcd = await startEtcd(site, assets)
  const port = await site.port('api')
  const server = `https://${options.address}:${port}`
  const kubeconfigFor = async (name: string, commonName: string, organization?: string): Promise<string> => {
    const pair = await issue(authority, { name, commonName, ...(organization === undefined ? {} : { organization }) })
    return writeKubeconfig(join(site.directory, `${name}.kubeconfig`), server, authority, pair)
  }
  const adminKubeconfig = await kubeconfigFor('admin', 'admin', 'system:masters')
  const keys = await serviceAccountKeys(authority.directory)
  const apiserverArgv = await apiserver(assets, authority, keys, etcd, port, options)
  const api = await site.spawn({ name: 'kube-apiserver', argv: apiserverArgv, signal: 'SIGKILL' })
  const controllers = await kubeconfigFor('controller-manager', 'system:kube-controller-manager')
  const scheduler = await kubeconfigFor('scheduler', 'system:kube-scheduler')
  await api.ready(async () => asked(assets, adminKubeconfig, ['get', '--raw', '/readyz']), readyTimeoutMs)
  await startControllers(site, assets, authority, keys, controllers, scheduler)
  const account = ['get', 'serviceaccount', 'default', '--namespace', 'default']
  await api.ready(async () => asked(assets, adminKubeconfig, account), readyTimeoutMs)
  return { server, authority, adminKubeconfig, apiserverPid: api.pid, kubeconfigFor }
}

async function startEtcd(site: Site, assets: ControlPlaneAssets): Promise<string> {
  const client = `http://127.0.0.1:${await site.port('etcd')}`
  const peer = `http://127.0.0.1:${await site.port('etcd-peer')}`
  const urls = ['--listen-client-urls', client, '--advertise-client-urls', client, '--listen-peer-urls', peer]
  const cluster = ['--initial-advertise-peer-urls', peer, '--initial-cluster', `test=${peer}`]
  // Its state is thrown away with the instance: durability would only cost time.
  const cheap = [
    '--unsafe-no-fsync',
    '--quota-backend-bytes',
    '4294967296',
    '--auto-compaction-mode',
    'periodic',
    '--auto-compaction-retention',
    '5m',
  ]
  const argv = [
    join(assets.directory, 'etcd'),
    '--name',
    'test',
    '--data-dir',
    join(site.directory, 'etcd'),
    '--log-level',
    'warn',
  ]
  const etcd = await site.spawn({ name: 'etcd', argv: [...argv, ...urls, ...cluster, ...cheap], signal: 'SIGKILL' })
  await etcd.ready(async (signal) => (await fetch(`${client}/health`, { signal })).ok, readyTimeoutMs)
  return client
}

async function apiserver(
  assets: ControlPlaneAssets,
  authority: Authority,
  keys: KeyPair,
  etcd: string,
  port: number,
  options: ControlPlaneOptions,
): Promise<string[]> {
  const dns = [
    'localhost',
    'kubernetes',
    'kubernetes.default',
    'kubernetes.default.svc',
    'kubernetes.default.svc.cluster.local',
  ]
  const addresses = new Set(['127.0.0.1', options.address, kubernetesServiceAddress(options.serviceRange)])
  const alternativeNames = [...[...addresses].map((each) => `IP:${each}`), ...dns.map((each) => `DNS:${each}`)]
  const serving = await issue(authority, { name: 'apiserver', commonName: 'kube-apiserver', alternativeNames })
  const kubelet = await issue(authority, {
    name: 'apiserver-kubelet',
    commonName: 'kube-apiserver',
    organization: 'system:masters',
  })
  return [
    join(assets.directory, 'kube-apiserver'),
    `--etcd-servers=${etcd}`,
    `--bind-address=${options.address}`,
    `--advertise-address=${options.address}`,
    `--secure-port=${port}`,
    // Loopback addresses are refused as endpoints, so a cluster on one has no endpoint of its own.
    ...(options.advertised ? [] : ['--endpoint-reconciler-type=none']),
    `--tls-cert-file=${serving.certFile}`,
    `--tls-private-key-file=${serving.keyFile}`,
    `--client-ca-file=${authority.certFile}`,
    `--kubelet-client-certificate=${kubelet.certFile}`,
    `--kubelet-client-key=${kubelet.keyFile}`,
    '--kubelet-preferred-address-types=InternalIP',
    `--service-account-issuer=${issuer}`,
    `--service-account-key-file=${keys.certFile}`,
    `--service-account-signing-key-file=${keys.keyFile}`,
    '--authorization-mode=Node,RBAC',
    '--enable-admission-plugins=NodeRestriction',
    '--allow-privileged=true',
    `--service-cluster-ip-range=${options.serviceRange}`,
    '--profiling=false',
  ]
}

async function startControllers(
  site: Site,
  assets: ControlPlaneAssets,
  authority: Authority,
  keys: KeyPair,
  controllers: string,
  scheduler: string,
): Promise<void> {
  const common = async (name: string, kubeconfig: string): Promise<string[]> => [
    join(assets.directory, name),
    `--kubeconfig=${kubeconfig}`,
    `--authentication-kubeconfig=${kubeconfig}`,
    `--authorization-kubeconfig=${kubeconfig}`,
    '--bind-address=127.0.0.1',
    `--secure-port=${await site.port(name)}`,
    '--leader-elect=false',
  ]
  const own = [
    '--use-service-account-credentials=true',
    `--service-account-private-key-file=${keys.keyFile}`,
    `--root-ca-file=${authority.certFile}`,
    `--cluster-signing-cert-file=${authority.certFile}`,
    `--cluster-signing-key-file=${authority.keyFile}`,
  ]
  const manager = 'kube-controller-manager'
  await site.spawn({ name: manager, argv: [...(await common(manager, controllers)), ...own], signal: 'SIGKILL' })
  await site.spawn({ name: 'kube-scheduler', argv: await common('kube-scheduler', scheduler), signal: 'SIGKILL' })
}

/** The pair that signs service account tokens: the public key takes the place of the certificate. */
async function serviceAccountKeys(directory: string): Promise<KeyPair> {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const pair = { certFile: join(directory, 'service-account.pub'), keyFile: join(directory, 'service-account.key') }
  await writeFile(pair.certFile, publicKey.export({ type: 'spki', format: 'pem' }))
  await writeFile(pair.keyFile, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 })
  return pair
}

async function writeKubeconfig(file: string, server: string, authority: Authority, pair: KeyPair): Promise<string> {
  const data = async (path: string): Promise<string> => (await readFile(path)).toString('base64')
  const name = 'supercargo-test'
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': name,
    contexts: [{ name, context: { cluster: name, user: name } }],
    clusters: [{ name, cluster: { server, 'certificate-authority-data': await data(authority.certFile) } }],
    users: [
      {
        name,
        user: { 'client-certificate-data': await data(pair.certFile), 'client-key-data': await data(pair.keyFile) },
      },
    ],
  }
  await writeFile(file, JSON.stringify(config, undefined, 2), { mode: 0o600 })
  return file
}

async function asked(assets: ControlPlaneAssets, kubeconfig: string, args: readonly string[]): Promise<boolean> {
  const answer = await tryCommand([
    join(assets.directory, 'kubectl'),
    '--kubeconfig',
    kubeconfig,
    '--request-timeout=5s',
    ...args,
  ])
  return answer.exitCode === 0
}
