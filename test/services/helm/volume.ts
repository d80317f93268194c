/** A volume on the disk of the test node, which has nobody who makes one when a claim asks for it. */
import { chmodSync, mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type KubectlTarget, kubectl } from '../kubernetes/kubectl.ts'

export interface NodeVolume {
  readonly name: string
  /** Where its content is on this machine. */
  readonly directory: string
  remove(): Promise<void>
}

/** For the claim of this name and namespace alone. Kept, with its content, when the claim is. */
export async function createNodeVolume(
  cluster: KubectlTarget,
  claim: { readonly namespace: string; readonly name: string },
): Promise<NodeVolume> {
  const directory = mkdtempSync(join(tmpdir(), 'supercargo-volume-'))
  // Only its owner may enter what mkdtemp makes; the node gives it to the group of the pod.
  chmodSync(directory, 0o755)
  const name = `${claim.namespace}-${claim.name}`
  const node = { key: 'kubernetes.io/hostname', operator: 'Exists' }
  const volume = {
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: { name },
    spec: {
      capacity: { storage: '20Gi' },
      accessModes: ['ReadWriteOnce'],
      persistentVolumeReclaimPolicy: 'Retain',
      claimRef: claim,
      local: { path: directory },
      nodeAffinity: { required: { nodeSelectorTerms: [{ matchExpressions: [node] }] } },
    },
  }
  await kubectl(cluster, ['create', '-f', '-'], JSON.stringify(volume))
  return {
    name,
    directory,
    async remove() {
      await kubectl(cluster, ['delete', 'persistentvolume', name, '--wait=false', '--ignore-not-found'])
      await rm(directory, { recursive: true, force: true })
    },
  }
}
