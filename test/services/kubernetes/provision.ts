/** The control plane of Kubernetes: the user's own binaries when they are complete, else built from the Go module proxy. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { missingOpenssl } from '../certificates.ts'
import { type GoProgram, goBuild } from '../go-build.ts'
import type { Missing, Progress } from '../service.ts'
import { missingGo } from '../toolchain.ts'

export interface ControlPlaneAssets {
  /** Holds etcd, kube-apiserver, kube-controller-manager, kube-scheduler and kubectl. */
  readonly directory: string
}

/** The versions that `build/` pins. */
export const kubernetesVersion = 'v1.36.3'
export const etcdVersion = 'v3.6.16'

const programs: readonly string[] = ['etcd', 'kube-apiserver', 'kube-controller-manager', 'kube-scheduler', 'kubectl']
const buildDiskBytes = 5_000_000_000

export async function missingKubernetes(): Promise<readonly Missing[]> {
  const go = ownBinaries() === undefined ? await missingGo() : []
  return [...go, ...missingOpenssl()]
}

export async function provisionKubernetes(progress: Progress): Promise<ControlPlaneAssets> {
  const own = ownBinaries()
  if (own !== undefined) return { directory: own }
  const etcd: GoProgram = { module: moduleFolder('etcd'), packages: ['.'] }
  const directory = await goBuild(
    {
      name: 'kubernetes-control-plane',
      takes: `Kubernetes ${kubernetesVersion}, etcd ${etcdVersion}; about 7 minutes on two cores, seconds when Go has built them before`,
      diskBytes: buildDiskBytes,
      programs: [etcd, kubernetesPrograms(programs.slice(1))],
    },
    progress,
  )
  return { directory }
}

/** Programs of the Kubernetes repository, told which version they are. */
export function kubernetesPrograms(names: readonly string[]): GoProgram {
  const minor = kubernetesVersion.split('.')[1]!
  const component = 'k8s.io/component-base/version'
  const facts = [
    `${component}.gitVersion=${kubernetesVersion}`,
    `${component}.gitMajor=1`,
    `${component}.gitMinor=${minor}`,
    `${component}.gitTreeState=clean`,
    `k8s.io/client-go/pkg/version.gitVersion=${kubernetesVersion}`,
  ]
  return {
    module: moduleFolder('kubernetes'),
    packages: names.map((name) => `k8s.io/kubernetes/cmd/${name}`),
    linkerFlags: facts.map((fact) => `-X ${fact}`).join(' '),
  }
}

export function moduleFolder(name: string): string {
  return join(import.meta.dirname, 'build', name)
}

/** `KUBEBUILDER_ASSETS` often holds an API server alone; a cluster needs its controllers of the same version beside it. */
function ownBinaries(): string | undefined {
  const directory = process.env.KUBEBUILDER_ASSETS
  return directory !== undefined && programs.every((name) => existsSync(join(directory, name))) ? directory : undefined
}
