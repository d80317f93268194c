/** Starts two NameNodes that share a journal, one active and one standby, and a DataNode that reports to both. */
import { cp } from 'node:fs/promises'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import {
  commonProperties,
  formatNameNode,
  host,
  type NameNodeAddresses,
  nameNodeAddresses,
  startDataNode,
  startNameNode,
  writable,
} from '../hdfs/cluster.ts'
import { configureHadoop, type Properties } from '../hdfs/hadoop-process.ts'
import type { HadoopAssets } from '../hdfs/provision.ts'
import type { Site } from '../site.ts'

export interface HdfsHaDetails extends Record<string, string> {
  /** `hdfs://cargo`: the name of the pair, which the configuration explains. */
  readonly url: string
  /** Of `nn1`, active at first, and `nn2`. */
  readonly webUrl1: string
  readonly webUrl2: string
  readonly nameNodePid1: string
  readonly nameNodePid2: string
  readonly configurationDirectory: string
  /** `haadmin -failover nn1 nn2`, `haadmin -transitionToActive --forceactive nn2`. */
  readonly hdfsCommand: string
  readonly superuser: string
}

const service = 'cargo'
const journalTimeoutMs = 60_000

export async function startHdfsHa(site: Site, assets: HadoopAssets): Promise<HdfsHaDetails> {
  const pair = { nn1: await nameNodeAddresses(site, 'namenode1'), nn2: await nameNodeAddresses(site, 'namenode2') }
  const journal = { rpc: await site.port('journal-rpc'), http: await site.port('journal-http') }
  const common = { ...(await commonProperties(site)), ...pairProperties(pair, site.directory, journal) }
  const core = { 'fs.defaultFS': `hdfs://${service}` }
  const configured = (folder: string, own: Properties): ReturnType<typeof configureHadoop> =>
    configureHadoop(site, assets, folder, { core, hdfs: { ...common, ...own } })
  const names = (node: string): string => join(site.directory, `name-${node}`)
  const first = await configured('conf', {
    'dfs.ha.namenode.id': 'nn1',
    'dfs.namenode.name.dir': `file://${names('nn1')}`,
  })
  const second = await configured('conf-nn2', {
    'dfs.ha.namenode.id': 'nn2',
    'dfs.namenode.name.dir': `file://${names('nn2')}`,
  })

  const journalNode = await first.serve('journalnode', 'org.apache.hadoop.hdfs.qjournal.server.JournalNode')
  const answers = async (signal: AbortSignal): Promise<boolean> =>
    (await fetch(`http://${host}:${journal.http}/jmx?qry=none`, { signal })).ok
  await journalNode.ready(answers, journalTimeoutMs)
  const dataNode = await startDataNode(first)
  await formatNameNode(first)
  // What `-bootstrapStandby` would fetch from the first one over HTTP: the empty file system.
  await cp(names('nn1'), names('nn2'), { recursive: true })
  const [one, two] = await Promise.all([
    startNameNode(first, 'namenode1', pair.nn1),
    startNameNode(second, 'namenode2', pair.nn2),
  ])
  await first.run('org.apache.hadoop.hdfs.tools.DFSHAAdmin', '-transitionToActive', 'nn1')
  await writable(dataNode, pair.nn1.http)
  return {
    url: `hdfs://${service}`,
    webUrl1: `http://${pair.nn1.http}`,
    webUrl2: `http://${pair.nn2.http}`,
    nameNodePid1: String(one.pid),
    nameNodePid2: String(two.pid),
    configurationDirectory: first.configurationDirectory,
    hdfsCommand: first.hdfsCommand,
    superuser: userInfo().username,
  }
}

function pairProperties(
  pair: Readonly<Record<'nn1' | 'nn2', NameNodeAddresses>>,
  directory: string,
  journal: { rpc: number; http: number },
): Properties {
  const addresses = Object.entries(pair).flatMap(([node, { rpc, http }]) => [
    [`dfs.namenode.rpc-address.${service}.${node}`, rpc],
    [`dfs.namenode.http-address.${service}.${node}`, http],
  ])
  return {
    ...Object.fromEntries(addresses),
    'dfs.nameservices': service,
    [`dfs.ha.namenodes.${service}`]: 'nn1,nn2',
    [`dfs.client.failover.proxy.provider.${service}`]:
      'org.apache.hadoop.hdfs.server.namenode.ha.ConfiguredFailoverProxyProvider',
    'dfs.ha.automatic-failover.enabled': 'false',
    'dfs.ha.fencing.methods': 'shell(/bin/true)',
    'dfs.ha.tail-edits.period': '1s',
    'dfs.namenode.shared.edits.dir': `qjournal://${host}:${journal.rpc}/${service}`,
    'dfs.journalnode.edits.dir': join(directory, 'journal'),
    'dfs.journalnode.rpc-address': `${host}:${journal.rpc}`,
    'dfs.journalnode.http-address': `${host}:${journal.http}`,
  }
}
