/** The parts of an HDFS that its variants have in common: addresses, properties, NameNode and DataNode. */
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { listens, loopback } from '../loopback.ts'
import type { Site, SiteProcess } from '../site.ts'
import type { Hadoop, Properties } from './hadoop-process.ts'
import { create, request } from './web-hdfs.ts'

/** Loopback by its name: redirects and Kerberos principals carry it. */
export const host = 'localhost'

function hostOf({ address }: Site): string {
  return address === loopback ? host : address
}

export interface NameNodeAddresses {
  readonly rpc: string
  readonly http: string
}

const startTimeoutMs = 120_000
const nameNodeClass = 'org.apache.hadoop.hdfs.server.namenode.NameNode'
const dataNodeClass = 'org.apache.hadoop.hdfs.server.datanode.DataNode'

export async function nameNodeAddresses(site: Site, name: string): Promise<NameNodeAddresses> {
  const own = hostOf(site)
  return { rpc: `${own}:${await site.port(`${name}-rpc`)}`, http: `${own}:${await site.port(`${name}-http`)}` }
}

/** Of every server and client of one instance. Who started it is the superuser. */
export async function commonProperties(site: Site): Promise<Properties> {
  const own = hostOf(site)
  return {
    'dfs.replication': '1',
    'dfs.webhdfs.enabled': 'true',
    'dfs.permissions.superusergroup': 'supergroup',
    'hadoop.http.staticuser.user': userInfo().username,
    'dfs.namenode.delegation.token.always-use': 'true',
    'dfs.namenode.datanode.registration.ip-hostname-check': 'false',
    'dfs.namenode.safemode.extension': '0',
    'dfs.heartbeat.interval': '1',
    'dfs.datanode.hostname': own,
    'dfs.datanode.address': `${own}:${await site.port('datanode')}`,
    'dfs.datanode.http.address': `${own}:${await site.port('datanode-http')}`,
    'dfs.datanode.ipc.address': `${own}:${await site.port('datanode-ipc')}`,
    'dfs.datanode.data.dir': `file://${join(site.directory, 'data')}`,
    'dfs.datanode.du.reserved': '0',
  }
}

export async function formatNameNode(hadoop: Hadoop): Promise<void> {
  await hadoop.run(nameNodeClass, '-format', '-nonInteractive', '-force')
}

/** Resolves when it answers on both ports; whether it is active or out of safe mode is another question. */
export async function startNameNode(hadoop: Hadoop, name: string, addresses: NameNodeAddresses): Promise<SiteProcess> {
  const nameNode = await hadoop.serve(name, nameNodeClass)
  const [own, port] = addresses.rpc.split(':')
  const answers = async (signal: AbortSignal): Promise<boolean> =>
    (await fetch(`http://${addresses.http}/jmx?qry=none`, { signal })).status < 500 &&
    (await listens(Number(port), own === host ? loopback : own))
  await nameNode.ready(answers, startTimeoutMs)
  return nameNode
}

export function startDataNode(hadoop: Hadoop): Promise<SiteProcess> {
  return hadoop.serve('datanode', dataNodeClass)
}

/** Waits until a file was written through this NameNode, to the DataNode and back: before, either of them may still refuse. */
export async function writable(dataNode: SiteProcess, http: string): Promise<void> {
  const probe = [`http://${http}`, '/.ready'] as const
  const user = userInfo().username
  await dataNode.ready(async () => (await create(...probe, user, 'x')) === 201, startTimeoutMs)
  await request(...probe, 'DELETE', user, { method: 'DELETE' })
}
