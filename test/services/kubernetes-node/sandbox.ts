/**
 * A machine inside this machine for one node: its own network, mounts and process numbers. Whatever a kubelet and its containers
 * make there (links, tables, mounts, processes) ends with its first process, so that nothing of it has to be found and undone.
 */
import { readFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { SupercargoError } from '@supercargo/protocol'
import { command } from '../command.ts'
import { lock } from '../kernel-lock.ts'
import type { ProcessPlan, Site, SiteProcess } from '../site.ts'
import { type ControlGroups, makeControlGroups } from './control-groups.ts'

export interface Sandbox {
  /** The address of this side: servers that pods shall reach listen on it. Only this machine and the pods see it. */
  readonly hostAddress: string
  readonly nodeAddress: string
  readonly podRange: string
  readonly serviceRange: string
  readonly dnsAddress: string
  /** The name of its control group in every hierarchy. */
  readonly controlGroup: string
  /** How a command line is run inside. */
  enter(argv: readonly string[]): string[]
  run(argv: readonly string[]): Promise<string>
  spawn(plan: ProcessPlan): Promise<SiteProcess>
}

const networksMax = 200
const startTimeoutMs = 60_000
/** Where programs write whatever their configuration says: memory that goes with the sandbox. */
const scratch: readonly string[] = ['/run', '/var/log', '/var/lib/cni']

export async function openSandbox(site: Site, initProgram: string): Promise<Sandbox> {
  const groups = await makeControlGroups(site)
  const namespaces = ['--net', '--mount', '--pid', '--ipc', '--cgroup']
  const alone = ['--fork', '--kill-child', '--mount-proc', '--propagation', 'private']
  const argv = groups.atRoot(['unshare', ...namespaces, ...alone, initProgram, '-P'])
  const machine = await site.spawn({ name: 'sandbox', argv, signal: 'SIGKILL' })
  const init = await machine.ready(async () => firstChild(machine.pid), startTimeoutMs)
  const enter = (inside: readonly string[]): string[] =>
    groups.beside(['nsenter', '--target', init, ...namespaces, '--', ...inside])
  const run = (inside: readonly string[]): Promise<string> =>
    command(enter(inside), { site: site.directory, signal: site.signal })
  // The namespaces are there once the first process sees a number of its own.
  await machine.ready(async () => (await run(['cat', '/proc/1/comm'])).trim() === basename(initProgram), startTimeoutMs)
  for (const pid of [init, String(machine.pid)]) await groups.moveBeside(pid)
  const network = await connectNetwork(site, init)
  await arrangeInside(site, run, network, groups)
  const cidr = (net: number, size: number): string => `10.${net}.${network}.0/${size}`
  return {
    hostAddress: `10.255.${network}.1`,
    nodeAddress: `10.255.${network}.2`,
    podRange: cidr(254, 24),
    serviceRange: cidr(253, 24),
    dnsAddress: `10.253.${network}.10`,
    controlGroup: groups.name,
    enter,
    run,
    spawn: (plan) => site.spawn({ signal: 'SIGKILL', ...plan, argv: enter(plan.argv) }),
  }
}

/** A pair of links, one end inside, and routes to pods and services over it. Both ends go with the sandbox. */
async function connectNetwork(site: Site, init: string): Promise<number> {
  const held = await lock('supercargo-test-network', site.signal)
  try {
    const network = await freeNetwork()
    const link = `supercargo${network}`
    site.undo(['ip', 'link', 'delete', link])
    await command(['ip', 'link', 'add', link, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', init])
    await command(['ip', 'address', 'add', `10.255.${network}.1/24`, 'dev', link])
    await command(['ip', 'link', 'set', link, 'up'])
    for (const range of [`10.254.${network}.0/24`, `10.253.${network}.0/24`])
      await command(['ip', 'route', 'add', range, 'via', `10.255.${network}.2`, 'dev', link, 'onlink'])
    return network
  } finally {
    await held.release()
  }
}

async function arrangeInside(site: Site, run: Sandbox['run'], network: number, groups: ControlGroups): Promise<void> {
  await run(['ip', 'link', 'set', 'lo', 'up'])
  await run(['ip', 'address', 'add', `10.255.${network}.2/24`, 'dev', 'eth0'])
  await run(['ip', 'link', 'set', 'eth0', 'up'])
  await run(['ip', 'route', 'add', 'default', 'via', `10.255.${network}.1`])
  await run(['sh', '-c', 'echo 1 > /proc/sys/net/ipv4/ip_forward'])
  site.undo(['rmdir', '--ignore-fail-on-non-empty', '/var/lib/cni'])
  for (const folder of scratch) await run(['sh', '-c', 'mkdir -p "$0" && mount -t tmpfs tmpfs "$0"', folder])
  // What the runtime takes for the root of the control groups is ours, and so everything below it.
  for (const remount of groups.remounts) await run(remount)
  // Kubelet and runtime pass mounts on to each other and to nobody else.
  await run(['mount', '--make-rshared', '/'])
}

async function freeNetwork(): Promise<number> {
  const used = await command(['ip', 'route', 'show', 'table', 'all'])
  for (let network = 1; network <= networksMax; network++)
    if (![253, 254, 255].some((net) => used.includes(`10.${net}.${network}.`))) return network
  throw new SupercargoError('exhausted', 'networks-used', 'no network 10.255.x.0/24 is free', {
    hint: 'Stop other test clusters.',
  })
}

async function firstChild(pid: number): Promise<string | undefined> {
  const children = await readFile(join('/proc', String(pid), 'task', String(pid), 'children'), 'utf8')
  return children.trim().split(' ')[0] || undefined
}
