/** What a node needs besides the control plane: kubelet, kube-proxy and DNS from the Go module proxy, a container runtime from Debian. */
import { copyFile, mkdir, rm, symlink } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { fromCache } from '../cache.ts'
import { command } from '../command.ts'
import { type DebianTree, debianTree, missingApt } from '../debian-packages.ts'
import { goBuild } from '../go-build.ts'
import {
  type ControlPlaneAssets,
  kubernetesPrograms,
  missingKubernetes,
  moduleFolder,
  provisionKubernetes,
} from '../kubernetes/provision.ts'
import { copyLibraries } from '../linked-libraries.ts'
import { writeImages } from '../oci-layout.ts'
import type { Missing, Progress } from '../service.ts'
import { missingGo, missingNamespaces, missingProgram, missingRoot } from '../toolchain.ts'

export interface NodeAssets {
  readonly controlPlane: ControlPlaneAssets
  /** Holds kubelet, kube-proxy and coredns. */
  readonly programs: string
  readonly runtime: DebianTree
  /** Image layouts: what holds a pod's namespaces, and a shell for tests. */
  readonly images: readonly string[]
}

export const pauseImage = 'localhost/supercargo-test/pause:1'
/** A shell, wget and nslookup in two megabytes. */
export const shellImage = 'localhost/supercargo-test/shell:1'
export const coreDnsVersion = 'v1.14.7'

const packages: readonly string[] = [
  'containerd',
  'runc',
  'containernetworking-plugins',
  'catatonit',
  'nftables',
  'conntrack',
  'busybox',
]
const buildDiskBytes = 4_000_000_000
const treeDiskBytes = 500_000_000
const imageDiskBytes = 20_000_000

export async function missingKubernetesNode(): Promise<readonly Missing[]> {
  const programs = [
    ...missingProgram('ip', 'iproute2'),
    ...missingProgram('unshare', 'util-linux'),
    ...missingProgram('tar', 'tar'),
  ]
  const all = [
    ...missingRoot(),
    ...(await missingNamespaces()),
    ...(await missingKubernetes()),
    ...(await missingGo()),
    ...missingApt(),
    ...programs,
  ]
  return all.filter((each, index) => all.findIndex((other) => other.what === each.what) === index)
}

export async function provisionKubernetesNode(progress: Progress): Promise<NodeAssets> {
  const controlPlane = await provisionKubernetes(progress)
  const programs = await goBuild(
    {
      name: 'kubernetes-node',
      takes: `kubelet, kube-proxy, CoreDNS ${coreDnsVersion}; about 3 minutes on two cores`,
      diskBytes: buildDiskBytes,
      programs: [kubernetesPrograms(['kubelet', 'kube-proxy']), { module: moduleFolder('coredns'), packages: ['.'] }],
    },
    progress,
  )
  const runtime = await debianTree('containerd', packages, treeDiskBytes, progress)
  const binary = (file: string): string => join(runtime.directory, file)
  const pause = await smallImage(
    'pause',
    pauseImage,
    ['/pause', '-P'],
    { from: binary('usr/bin/catatonit'), to: 'pause' },
    progress,
  )
  const shell = await smallImage(
    'shell',
    shellImage,
    ['/bin/sh'],
    { from: binary('bin/busybox'), to: 'bin/busybox' },
    progress,
  )
  return { controlPlane, programs, runtime, images: [pause, shell] }
}

/** One program under another name, with the libraries that it is linked with. */
function smallImage(
  name: string,
  image: string,
  entrypoint: readonly string[],
  program: { readonly from: string; readonly to: string },
  progress: Progress,
): Promise<string> {
  return fromCache(
    {
      name: `image-${name}`,
      key: ['3', image, ...entrypoint, program.from],
      takes: 'a second',
      diskBytes: imageDiskBytes,
      build: async (directory, { signal }) => {
        const root = join(directory, 'root')
        for (const folder of ['bin', 'tmp', 'etc', 'www']) await mkdir(join(root, folder), { recursive: true })
        await copyFile(program.from, join(root, program.to))
        await copyLibraries(program.from, root)
        if (basename(program.to) === 'busybox') await nameApplets(join(root, program.to))
        const layer = join(directory, 'layer.tar')
        await command(['tar', '--numeric-owner', '--owner=0', '--group=0', '-cf', layer, '-C', root, '.'], { signal })
        await writeImages(directory, [{ name: image, layers: [layer], config: { entrypoint, env: ['PATH=/bin'] } }])
        for (const leftover of [root, layer]) await rm(leftover, { recursive: true })
      },
    },
    progress,
  )
}

/** Each applet as a name of its own, so that a shell finds it. */
async function nameApplets(busybox: string): Promise<void> {
  const applets = (await command([busybox, '--list']))
    .split('\n')
    .filter((applet) => applet !== '' && applet !== 'busybox')
  for (const applet of applets) await symlink('busybox', join(dirname(busybox), applet))
}
