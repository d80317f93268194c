/** Starts a whole cluster of one node: control plane on this machine, kubelet, containers, DNS and service addresses in a sandbox. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type ControlPlane, startControlPlane } from '../kubernetes/control-plane.ts'
import { kubectl } from '../kubernetes/kubectl.ts'
import type { KubernetesDetails } from '../kubernetes/start.ts'
import type { Site } from '../site.ts'
import type { NodeAssets } from './provision.ts'
import { importer, importImage, runtimeSocket, startRuntime } from './runtime.ts'
import { openSandbox, type Sandbox } from './sandbox.ts'

export interface KubernetesNodeDetails extends KubernetesDetails {
  /** Servers on this address are seen by pods, and by nothing outside this machine. */
  readonly hostAddress: string
  readonly nodeAddress: string
  /** The name of the control group, in every hierarchy, under which everything of the node is. */
  readonly controlGroup: string
  /** The argument vector, as JSON, of a program that reads an image from its standard input. */
  readonly importCommand: string
}

const nodeName = 'node'
const readyTimeoutMs = 180_000
const kubeletPort = 10250
const dnsReadyPort = 8181

export async function startKubernetesNode(site: Site, assets: NodeAssets): Promise<KubernetesNodeDetails> {
  const sandbox = await openSandbox(site, join(assets.runtime.directory, 'usr/bin/catatonit'))
  const [plane] = await Promise.all([
    startControlPlane(site, assets.controlPlane, {
      address: sandbox.hostAddress,
      advertised: true,
      serviceRange: sandbox.serviceRange,
    }),
    startRuntime(site, sandbox, assets),
  ])
  const importCommand = importer(sandbox, assets.runtime.directory)
  for (const image of assets.images) await importImage(importCommand, image, site.signal)
  const admin = { kubeconfig: plane.adminKubeconfig, binDirectory: assets.controlPlane.directory }
  await Promise.all([
    startKubelet(site, sandbox, assets, plane, admin),
    startProxy(sandbox, assets, plane),
    startDns(site, sandbox, assets, plane, admin),
  ])
  return {
    server: plane.server,
    caFile: plane.authority.certFile,
    ...admin,
    apiserverPid: String(plane.apiserverPid),
    hostAddress: sandbox.hostAddress,
    nodeAddress: sandbox.nodeAddress,
    controlGroup: sandbox.controlGroup,
    importCommand: JSON.stringify(importCommand),
  }
}

type Admin = Parameters<typeof kubectl>[0]

async function startKubelet(
  site: Site,
  sandbox: Sandbox,
  assets: NodeAssets,
  plane: ControlPlane,
  admin: Admin,
): Promise<void> {
  const kubeconfig = await plane.kubeconfigFor('kubelet', `system:node:${nodeName}`, 'system:nodes')
  // Its sockets are below its root, and the path of a socket must be short, wherever the instance is.
  const root = '/run/kubelet'
  await sandbox.run(['sh', '-c', 'mkdir -p "$1" && mount --bind "$0" "$1"', site.folder('kubelet'), root])
  const resolver = join(site.directory, 'resolv.conf')
  await writeFile(resolver, '')
  const configuration = {
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    address: sandbox.nodeAddress,
    port: kubeletPort,
    readOnlyPort: 0,
    healthzBindAddress: '127.0.0.1',
    containerRuntimeEndpoint: `unix://${runtimeSocket}`,
    authentication: {
      anonymous: { enabled: false },
      webhook: { enabled: true },
      x509: { clientCAFile: plane.authority.certFile },
    },
    authorization: { mode: 'Webhook' },
    clusterDomain: 'cluster.local',
    clusterDNS: [sandbox.dnsAddress],
    resolvConf: resolver,
    cgroupDriver: 'cgroupfs',
    cgroupsPerQOS: false,
    enforceNodeAllocatable: [],
    failCgroupV1: false,
    failSwapOn: false,
    makeIPTablesUtilChains: false,
    oomScoreAdj: 0,
    volumePluginDir: join(root, 'volume-plugins'),
    podLogsDir: join(root, 'logs'),
    // The disk is shared with everything else on this machine: its filling is not this node's business.
    evictionHard: {
      'memory.available': '10Mi',
      'nodefs.available': '0%',
      'imagefs.available': '0%',
      'nodefs.inodesFree': '0%',
    },
    imageGCHighThresholdPercent: 100,
    imageGCLowThresholdPercent: 99,
    nodeStatusUpdateFrequency: '5s',
    syncFrequency: '5s',
    serializeImagePulls: false,
  }
  const file = join(site.directory, 'kubelet.json')
  await writeFile(file, JSON.stringify(configuration, undefined, 2))
  const flags = [
    `--config=${file}`,
    `--kubeconfig=${kubeconfig}`,
    `--hostname-override=${nodeName}`,
    `--node-ip=${sandbox.nodeAddress}`,
  ]
  const argv = [join(assets.programs, 'kubelet'), ...flags, `--root-dir=${root}`, `--cert-dir=${join(root, 'pki')}`]
  const kubelet = await sandbox.spawn({ name: 'kubelet', argv, env: assets.runtime.env })
  const condition = ['get', 'node', nodeName, '-o', 'jsonpath={.status.conditions[?(@.type=="Ready")].status}']
  await kubelet.ready(async () => (await kubectl(admin, condition).catch(() => '')) === 'True', readyTimeoutMs)
}

async function startProxy(sandbox: Sandbox, assets: NodeAssets, plane: ControlPlane): Promise<void> {
  const kubeconfig = await plane.kubeconfigFor('proxy', 'system:kube-proxy')
  const argv = [
    join(assets.programs, 'kube-proxy'),
    `--kubeconfig=${kubeconfig}`,
    `--hostname-override=${nodeName}`,
    '--proxy-mode=nftables',
    `--nodeport-addresses=${sandbox.nodeAddress}/32`,
    '--conntrack-max-per-core=0',
    '--conntrack-min=0',
    '--conntrack-tcp-timeout-established=0s',
    '--conntrack-tcp-timeout-close-wait=0s',
    `--healthz-bind-address=${sandbox.nodeAddress}:10256`,
  ]
  const proxy = await sandbox.spawn({ name: 'kube-proxy', argv, env: assets.runtime.env })
  await proxy.ready(
    async (signal) => (await fetch(`http://${sandbox.nodeAddress}:10256/livez`, { signal })).status > 0,
    readyTimeoutMs,
  )
}

/** DNS is a process of the node behind the usual Service. Names outside the cluster fail at once. */
async function startDns(
  site: Site,
  sandbox: Sandbox,
  assets: NodeAssets,
  plane: ControlPlane,
  admin: Admin,
): Promise<void> {
  const kubeconfig = await plane.kubeconfigFor('dns', 'dns', 'system:masters')
  const file = join(site.directory, 'Corefile')
  await writeFile(
    file,
    `.:53 {
  bind ${sandbox.nodeAddress}
  ready ${sandbox.nodeAddress}:${dnsReadyPort}
  errors
  kubernetes cluster.local in-addr.arpa {
    kubeconfig ${kubeconfig}
    pods insecure
    ttl 1
  }
  loadbalance
}
`,
  )
  const dns = await sandbox.spawn({
    name: 'coredns',
    argv: [join(assets.programs, 'coredns'), '-conf', file],
    env: assets.runtime.env,
  })
  await kubectl(admin, ['apply', '-f', '-'], JSON.stringify(dnsObjects(sandbox)))
  await dns.ready(
    async (signal) => (await fetch(`http://${sandbox.nodeAddress}:${dnsReadyPort}/ready`, { signal })).ok,
    readyTimeoutMs,
  )
}

function dnsObjects(sandbox: Sandbox): unknown {
  const ports = [
    { name: 'dns', port: 53, protocol: 'UDP' },
    { name: 'dns-tcp', port: 53, protocol: 'TCP' },
  ]
  const metadata = { name: 'kube-dns', namespace: 'kube-system' }
  const service = { apiVersion: 'v1', kind: 'Service', metadata, spec: { clusterIP: sandbox.dnsAddress, ports } }
  const slice = {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { ...metadata, labels: { 'kubernetes.io/service-name': 'kube-dns' } },
    addressType: 'IPv4',
    ports,
    endpoints: [{ addresses: [sandbox.nodeAddress] }],
  }
  return { apiVersion: 'v1', kind: 'List', items: [service, slice] }
}
