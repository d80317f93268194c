/** The container runtime of the node, and how images get into it. */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { command, tryCommand } from '../command.ts'
import type { Site } from '../site.ts'
import { type NodeAssets, pauseImage } from './provision.ts'
import type { Sandbox } from './sandbox.ts'

/** Inside the sandbox `/run` is its own, and a socket's path must be short. */
export const runtimeSocket = '/run/containerd/containerd.sock'

const readyTimeoutMs = 180_000
const importTimeoutMs = 300_000

export async function startRuntime(site: Site, sandbox: Sandbox, assets: NodeAssets): Promise<void> {
  const tree = assets.runtime.directory
  const networks = site.folder('cni')
  await writeFile(join(networks, '10-test.conflist'), JSON.stringify(network(site, sandbox)))
  const file = join(site.directory, 'containerd.toml')
  await mkdir(site.folder('opt'), { recursive: true })
  await writeFile(
    file,
    `version = 2
root = "${site.folder('containerd')}"
state = "/run/containerd"
[grpc]
  address = "${runtimeSocket}"
[plugins."io.containerd.internal.v1.opt"]
  path = "${site.folder('opt')}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${pauseImage}"
  stream_server_address = "127.0.0.1"
  restrict_oom_score_adj = true
  disable_apparmor = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "${join(tree, 'usr/lib/cni')}"
    conf_dir = "${networks}"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
`,
  )
  const argv = [join(tree, 'usr/bin/containerd'), '--config', file]
  const containerd = await sandbox.spawn({ name: 'containerd', argv, env: assets.runtime.env })
  await containerd.ready(
    async () => (await tryCommand([...client(sandbox, tree), 'version'])).exitCode === 0,
    readyTimeoutMs,
  )
}

/** The command line that reads an image from its standard input. */
export function importer(sandbox: Sandbox, tree: string): string[] {
  return [...client(sandbox, tree), 'images', 'import', '-']
}

/** Hands an image layout to a runtime; one that is there already is only looked at. */
export async function importImage(
  importCommand: readonly string[],
  layout: string,
  signal?: AbortSignal,
): Promise<void> {
  const script = 'set -o pipefail; layout=$1; shift; tar -C "$layout" --exclude=.complete.json -cf - . | "$@"'
  const argv = ['bash', '-c', script, 'bash', layout, ...importCommand]
  await command(argv, { timeoutMs: importTimeoutMs, ...(signal === undefined ? {} : { signal }) })
}

function client(sandbox: Sandbox, tree: string): string[] {
  return sandbox.enter([join(tree, 'usr/bin/ctr'), '--address', runtimeSocket, '--namespace', 'k8s.io'])
}

/** Everything between pods is routed, so that a Service reaches a pod on its own node, and a pod itself. */
function network(site: Site, sandbox: Sandbox): unknown {
  const ranges = [[{ subnet: sandbox.podRange }]]
  const ipam = { type: 'host-local', dataDir: site.folder('cni-addresses'), ranges, routes: [{ dst: '0.0.0.0/0' }] }
  return { cniVersion: '0.4.0', name: 'test', plugins: [{ type: 'ptp', ipMasq: false, ipam }] }
}
