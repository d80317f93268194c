/** Starts a NameNode and a DataNode that believe nobody without a ticket or a delegation token. */
import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  commonProperties,
  formatNameNode,
  host,
  nameNodeAddresses,
  startDataNode,
  startNameNode,
} from '../hdfs/cluster.ts'
import { configureHadoop, type Properties } from '../hdfs/hadoop-process.ts'
import type { Site } from '../site.ts'
import type { HdfsKerberosAssets } from './provision.ts'
import { type Realm, startRealm } from './realm.ts'

export interface HdfsKerberosDetails extends Record<string, string> {
  readonly url: string
  readonly webUrl: string
  readonly configurationDirectory: string
  readonly hdfsCommand: string
  /** With these two in the environment, Kerberos programs and `hdfsCommand` are the user below. */
  readonly kerberosConfiguration: string
  readonly ticketCache: string
  /** Who owns the file system, as far as permissions go. */
  readonly user: string
  readonly userKeytab: string
  readonly realm: string
}

const user = 'alice'
const writableTimeoutMs = 120_000

export async function startHdfsKerberos(site: Site, assets: HdfsKerberosAssets): Promise<HdfsKerberosDetails> {
  const servers = { nn: `nn/${host}`, dn: `dn/${host}`, http: `HTTP/${host}` }
  const realm = await startRealm(site, assets.kerberos, [...Object.values(servers), user])
  const addresses = await nameNodeAddresses(site, 'namenode')
  const url = `hdfs://${addresses.rpc}`
  const core = { 'fs.defaultFS': url, ...(await secureCore(site, realm, servers.http)) }
  const hdfs = {
    ...(await commonProperties(site)),
    ...secureHdfs(realm, servers),
    'dfs.namenode.rpc-address': addresses.rpc,
    'dfs.namenode.http-address': addresses.http,
    'dfs.namenode.name.dir': `file://${join(site.directory, 'name')}`,
  }
  const login = await realm.login(user)
  const hadoop = await configureHadoop(site, assets.hadoop, 'conf', { core, hdfs }, login)
  await formatNameNode(hadoop)
  const dataNode = await startDataNode(hadoop)
  await startNameNode(hadoop, 'namenode', addresses)
  const probe = join(site.directory, 'probe')
  await writeFile(probe, 'ready')
  const written = async (): Promise<boolean> => {
    await hadoop.run('org.apache.hadoop.fs.FsShell', '-put', '-f', probe, '/.ready')
    return true
  }
  await dataNode.ready(() => written().catch(() => false), writableTimeoutMs)
  return {
    url,
    webUrl: `http://${addresses.http}`,
    configurationDirectory: hadoop.configurationDirectory,
    hdfsCommand: hadoop.hdfsCommand,
    kerberosConfiguration: login.KRB5_CONFIG!,
    ticketCache: login.KRB5CCNAME!,
    user,
    userKeytab: realm.keytab(user),
    realm: realm.name,
  }
}

/** Since Hadoop 3.5 WebHDFS is guarded by the filter of all its pages, and no longer by one of its own. */
async function secureCore(site: Site, realm: Realm, http: string): Promise<Properties> {
  const secret = join(site.directory, 'http-secret')
  await writeFile(secret, randomBytes(32).toString('hex'), { mode: 0o600 })
  return {
    'hadoop.security.authentication': 'kerberos',
    'hadoop.security.authorization': 'true',
    'hadoop.user.group.static.mapping.overrides': `${user}=supergroup`,
    'hadoop.http.authentication.type': 'kerberos',
    'hadoop.http.authentication.kerberos.principal': `${http}@${realm.name}`,
    'hadoop.http.authentication.kerberos.keytab': realm.keytab(http),
    'hadoop.http.authentication.signature.secret.file': secret,
    'hadoop.http.filter.initializers': 'org.apache.hadoop.security.AuthenticationFilterInitializer',
  }
}

function secureHdfs(realm: Realm, servers: { nn: string; dn: string; http: string }): Properties {
  const full = (principal: string): string => `${principal}@${realm.name}`
  return {
    'dfs.block.access.token.enable': 'true',
    'dfs.namenode.kerberos.principal': full(servers.nn),
    'dfs.namenode.keytab.file': realm.keytab(servers.nn),
    'dfs.datanode.kerberos.principal': full(servers.dn),
    'dfs.datanode.keytab.file': realm.keytab(servers.dn),
    'dfs.namenode.kerberos.internal.spnego.principal': full(servers.http),
    'dfs.web.authentication.kerberos.principal': full(servers.http),
    'dfs.web.authentication.kerberos.keytab': realm.keytab(servers.http),
    // Without it the DataNode wants ports below 1024, or TLS.
    'ignore.secure.ports.for.testing': 'true',
  }
}
