/** Ceph's monitor, object daemon and S3 gateway from Debian's archive, unpacked beside the system. */
import { type DebianTree, debianTree, missingApt } from '../debian-packages.ts'
import type { Missing, Progress } from '../service.ts'

const packages: readonly string[] = [
  'ceph-base',
  'ceph-mon',
  'ceph-osd',
  'radosgw',
  'ceph-common',
  'librados2',
  'python3-rados',
]
const diskBytes = 500_000_000

export async function missingS3Ceph(): Promise<readonly Missing[]> {
  return missingApt()
}

export function provisionS3Ceph(progress: Progress): Promise<DebianTree> {
  return debianTree('ceph', packages, diskBytes, progress)
}
