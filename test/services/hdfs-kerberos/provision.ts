/** Hadoop's jars, and MIT's key distribution centre from Debian's archive. */
import { type DebianTree, debianTree, missingApt } from '../debian-packages.ts'
import { type HadoopAssets, missingHadoop, provisionHadoop } from '../hdfs/provision.ts'
import type { Missing, Progress } from '../service.ts'

export interface HdfsKerberosAssets {
  readonly hadoop: HadoopAssets
  readonly kerberos: DebianTree
}

const packages: readonly string[] = ['krb5-kdc', 'krb5-admin-server', 'krb5-user']
const diskBytes = 60_000_000

export async function missingHdfsKerberos(): Promise<readonly Missing[]> {
  return [...(await missingHadoop()), ...missingApt()]
}

export async function provisionHdfsKerberos(progress: Progress): Promise<HdfsKerberosAssets> {
  return {
    hadoop: await provisionHadoop(progress),
    kerberos: await debianTree('kerberos', packages, diskBytes, progress),
  }
}
