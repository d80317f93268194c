/** Starts one NameNode and one DataNode without security: who one claims to be is believed. */
import { userInfo } from 'node:os'
import { join } from 'node:path'
import type { Site } from '../site.ts'
import {
  commonProperties,
  formatNameNode,
  nameNodeAddresses,
  startDataNode,
  startNameNode,
  writable,
} from './cluster.ts'
import { configureHadoop } from './hadoop-process.ts'
import type { HadoopAssets } from './provision.ts'

export interface HdfsDetails extends Record<string, string> {
  /** `hdfs://…`, over RPC. */
  readonly url: string
  /** `http://…`, to which `/webhdfs/v1/…` is added. */
  readonly webUrl: string
  readonly configurationDirectory: string
  readonly hdfsCommand: string
  readonly superuser: string
}

export async function startHdfs(site: Site, assets: HadoopAssets): Promise<HdfsDetails> {
  const addresses = await nameNodeAddresses(site, 'namenode')
  const url = `hdfs://${addresses.rpc}`
  const hadoop = await configureHadoop(site, assets, 'conf', {
    core: { 'fs.defaultFS': url },
    hdfs: {
      ...(await commonProperties(site)),
      'dfs.namenode.rpc-address': addresses.rpc,
      'dfs.namenode.http-address': addresses.http,
      'dfs.namenode.name.dir': `file://${join(site.directory, 'name')}`,
    },
  })
  await formatNameNode(hadoop)
  const dataNode = await startDataNode(hadoop)
  await startNameNode(hadoop, 'namenode', addresses)
  await writable(dataNode, addresses.http)
  const { configurationDirectory, hdfsCommand } = hadoop
  return {
    url,
    webUrl: `http://${addresses.http}`,
    configurationDirectory,
    hdfsCommand,
    superuser: userInfo().username,
  }
}

export function hdfsExports(
  details: Pick<HdfsDetails, 'url' | 'configurationDirectory' | 'hdfsCommand'>,
): Record<string, string> {
  return { HDFS_URL: details.url, HADOOP_CONF_DIR: details.configurationDirectory, HDFS_COMMAND: details.hdfsCommand }
}
