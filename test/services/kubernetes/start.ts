/** Starts a control plane without nodes: everything of a real cluster's API, no pod ever runs, no root needed. */
import type { Site } from '../site.ts'
import { startControlPlane } from './control-plane.ts'
import type { ControlPlaneAssets } from './provision.ts'

export interface KubernetesDetails extends Record<string, string> {
  readonly server: string
  readonly caFile: string
  /** Of an administrator. */
  readonly kubeconfig: string
  /** Holds kubectl of the same version. */
  readonly binDirectory: string
  /** For tests that stall (SIGSTOP) or kill it. */
  readonly apiserverPid: string
}

export async function startKubernetes(site: Site, assets: ControlPlaneAssets): Promise<KubernetesDetails> {
  const plane = await startControlPlane(site, assets, {
    address: '127.0.0.1',
    advertised: false,
    serviceRange: '10.96.0.0/16',
  })
  return {
    server: plane.server,
    caFile: plane.authority.certFile,
    kubeconfig: plane.adminKubeconfig,
    binDirectory: assets.directory,
    apiserverPid: String(plane.apiserverPid),
  }
}
