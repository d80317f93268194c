/** Starts a Ceph of one monitor and one daemon that keeps everything in memory, and its S3 gateway, on loopback ports. */
import { randomUUID } from 'node:crypto'
import { existsSync, mkdirSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { command, tryCommand } from '../command.ts'
import { type DebianTree, libraryFolder } from '../debian-packages.ts'
import type { S3Details } from '../s3/start.ts'
import type { Site } from '../site.ts'

const readyTimeoutMs = 180_000
const commandTimeoutMs = 120_000

interface Ceph {
  readonly env: Readonly<Record<string, string>>
  run(...argv: string[]): Promise<string>
  /** The administrator's command is a Python program. */
  admin(...args: string[]): Promise<string>
  /** Without waiting for an answer that does not come yet. */
  tryAdmin(...args: string[]): Promise<string | undefined>
}

export async function startS3Ceph(site: Site, tree: DebianTree): Promise<S3Details> {
  const ports = { v2: await site.port('mon'), v1: await site.port('mon-v1'), http: await site.port('http') }
  const cluster = { fsid: randomUUID(), monitors: `[v2:127.0.0.1:${ports.v2},v1:127.0.0.1:${ports.v1}]` }
  for (const each of ['run', 'log', 'mon.a', 'osd.0', 'rgw']) mkdirSync(join(site.directory, each), { recursive: true })
  await writeFile(join(site.directory, 'ceph.conf'), configuration(site.directory, tree.directory, cluster, ports.http))
  const ceph = programs(site, tree)
  await createKeys(ceph, site.directory)
  await startMonitor(site, ceph, cluster)
  await startDaemon(site, ceph)
  const endpoint = `http://127.0.0.1:${ports.http}`
  const gateway = await site.spawn({
    name: 'radosgw',
    argv: ['radosgw', '-n', 'client.rgw.a', '-f'],
    env: ceph.env,
    signal: 'SIGKILL',
  })
  await gateway.ready(async (signal) => (await fetch(endpoint, { signal })).ok, readyTimeoutMs)
  return { endpoint, region: 'default', ...(await createUser(ceph)) }
}

function programs(site: Site, tree: DebianTree): Ceph {
  const python = existsSync('/usr/bin/python3') ? '/usr/bin/python3' : join(tree.directory, 'usr/bin/python3')
  const env = {
    ...tree.env,
    LD_LIBRARY_PATH: `${join(tree.directory, libraryFolder, 'ceph')}:${tree.env.LD_LIBRARY_PATH}`,
    CEPH_CONF: join(site.directory, 'ceph.conf'),
    PYTHONPATH: join(tree.directory, 'usr/lib/python3/dist-packages'),
  }
  const options = { env, cwd: site.directory, site: site.directory, signal: site.signal, timeoutMs: commandTimeoutMs }
  const adminArgv = [python, join(tree.directory, 'usr/bin/ceph'), '--connect-timeout', '5']
  return {
    env,
    run: (...argv) => command(argv, options),
    admin: (...args) => command([...adminArgv, ...args], options),
    tryAdmin: async (...args) => {
      const answer = await tryCommand([...adminArgv, ...args], options)
      return answer.exitCode === 0 ? answer.stdout : undefined
    },
  }
}

async function createKeys(ceph: Ceph, directory: string): Promise<void> {
  const keyring = join(directory, 'keyring')
  const add = async (name: string, ...capabilities: [string, string][]): Promise<void> => {
    const create = existsSync(keyring) ? [] : ['--create-keyring']
    const caps = capabilities.flatMap(([daemon, right]) => ['--cap', daemon, right])
    await ceph.run('ceph-authtool', keyring, ...create, '--gen-key', '-n', name, ...caps)
  }
  await add('mon.', ['mon', 'allow *'])
  await add('client.admin', ['mon', 'allow *'], ['osd', 'allow *'], ['mgr', 'allow *'])
  await add('osd.0', ['mon', 'allow profile osd'], ['osd', 'allow *'], ['mgr', 'allow profile osd'])
  await add('client.rgw.a', ['mon', 'allow rwx'], ['osd', 'allow rwx'], ['mgr', 'allow rw'])
}

async function startMonitor(site: Site, ceph: Ceph, cluster: { fsid: string; monitors: string }): Promise<void> {
  const map = join(site.directory, 'monmap')
  await ceph.run('monmaptool', '--create', '--addv', 'a', cluster.monitors, '--fsid', cluster.fsid, map)
  await ceph.run('ceph-mon', '--mkfs', '-i', 'a', '--monmap', map, '--keyring', join(site.directory, 'keyring'))
  const argv = ['ceph-mon', '-f', '-i', 'a', '--public-addr', '127.0.0.1']
  const monitor = await site.spawn({ name: 'ceph-mon', argv, env: ceph.env, signal: 'SIGKILL' })
  await monitor.ready(async () => (await ceph.tryAdmin('status')) !== undefined, readyTimeoutMs)
}

/** The daemon stays down unless its store and the monitor know it by the same identity. */
async function startDaemon(site: Site, ceph: Ceph): Promise<void> {
  const identity = randomUUID()
  await ceph.admin('osd', 'new', identity)
  await ceph.run('ceph-osd', '-i', '0', '--mkfs', '--osd-uuid', identity)
  const daemon = await site.spawn({
    name: 'ceph-osd',
    argv: ['ceph-osd', '-f', '-i', '0'],
    env: ceph.env,
    signal: 'SIGKILL',
  })
  await daemon.ready(async () => (await ceph.tryAdmin('osd', 'stat'))?.includes('1 up'), readyTimeoutMs)
}

async function createUser(ceph: Ceph): Promise<{ accessKeyId: string; secretAccessKey: string }> {
  const create = ['radosgw-admin', '-n', 'client.rgw.a', 'user', 'create', '--uid=test', '--display-name=test']
  // It makes the keys itself, so that none is in an argument.
  const made = JSON.parse(await ceph.run(...create)) as { keys: { access_key: string; secret_key: string }[] }
  return { accessKeyId: made.keys[0]!.access_key, secretAccessKey: made.keys[0]!.secret_key }
}

function configuration(
  directory: string,
  root: string,
  cluster: { fsid: string; monitors: string },
  port: number,
): string {
  const libraries = join(root, libraryFolder)
  return `[global]
fsid = ${cluster.fsid}
mon initial members = a
mon host = ${cluster.monitors}
public addr = 127.0.0.1
cluster addr = 127.0.0.1
public network = 127.0.0.0/8
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
auth allow insecure global id reclaim = false
keyring = ${directory}/keyring
plugin dir = ${libraries}/ceph
erasure code dir = ${libraries}/ceph/erasure-code
osd class dir = ${libraries}/rados-classes
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pgp num = 4
osd pool default pg autoscale mode = off
mon allow pool size one = true
mon data avail warn = 1
mon data avail crit = 1
osd crush chooseleaf type = 0
osd objectstore = memstore
memstore device bytes = 4294967296
osd data = ${directory}/osd.$id
mon data = ${directory}/mon.$id
run dir = ${directory}/run
log file = ${directory}/log/$name.log
admin socket =
pid file = ${directory}/run/$name.pid
crash dir = ${directory}/run
rgw data = ${directory}/rgw
[client.rgw.a]
rgw frontends = beast endpoint=127.0.0.1:${port}
rgw run sync thread = false
`
}
