/** Control groups of one instance: a group in every hierarchy of this machine, which the sandbox then takes for the root of its own. */
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { SupercargoError } from '@supercargo/protocol'
import type { Site } from '../site.ts'

export interface ControlGroups {
  /** Of the group in every hierarchy; other instances have other names. */
  readonly name: string
  /** A command line that runs in the group whose view the sandbox gets. */
  atRoot(argv: readonly string[]): string[]
  /** A command line that runs beside the containers, since a group with groups below it may hold no process. */
  beside(argv: readonly string[]): string[]
  /** Moves a running process beside the containers. */
  moveBeside(pid: string): Promise<void>
  /** Command lines that show inside what is ours as all there is. */
  readonly remounts: readonly (readonly string[])[]
}

interface Hierarchy {
  readonly path: string
  readonly type: 'cgroup' | 'cgroup2'
  readonly options: string
}

const machine = 'machine'
const joinGroups = 'for group in $1; do echo $$ > "$group/cgroup.procs"; done; shift; exec "$@"'
/** The kernel lets go of a group a moment after its last process. */
const removal = `
for try in 1 2 3 4 5 6 7 8 9 10; do
  left=
  for group in $1; do
    [ -d "$group" ] || continue
    find "$group" -depth -type d -exec rmdir {} + 2>/dev/null
    [ -d "$group" ] && left=1
  done
  [ -z "$left" ] && exit 0
  sleep 0.2
done`

export async function makeControlGroups(site: Site): Promise<ControlGroups> {
  const name = `supercargo-${createHash('sha256').update(site.directory).digest('hex').slice(0, 8)}`
  const hierarchies = await mounted()
  const roots = hierarchies.map(({ path }) => join(path, name))
  const machines = roots.map((root) => join(root, machine))
  site.undo(['sh', '-c', removal, 'sh', roots.join(' ')])
  for (const { path, type } of hierarchies) {
    if (type === 'cgroup2') await passOnControllers(path)
    await makeGroup(path, join(path, name))
    await makeGroup(join(path, name), join(path, name, machine))
  }
  return {
    name,
    atRoot: (argv) => ['sh', '-c', joinGroups, 'sh', roots.join(' '), ...argv],
    beside: (argv) => ['sh', '-c', joinGroups, 'sh', machines.join(' '), ...argv],
    moveBeside: async (pid) => {
      for (const group of machines) await writeFile(join(group, 'cgroup.procs'), pid)
    },
    remounts: hierarchies.flatMap(({ path, type, options }) => [
      ['umount', path],
      ['mount', '-t', type, ...(type === 'cgroup' ? ['-o', options] : []), 'cgroup', path],
    ]),
  }
}

/**
 * In the second version a group has the controllers that its parent passes on; below ours the runtime sees to that itself.
 * They stay passed on when the instance stops, as on any machine that systemd runs: others may have come to use them.
 */
async function passOnControllers(group: string): Promise<void> {
  const list = async (file: string): Promise<string[]> =>
    (await readFile(join(group, file), 'utf8')).trim().split(' ').filter(Boolean)
  const passed = await list('cgroup.subtree_control')
  for (const controller of await list('cgroup.controllers')) {
    if (passed.includes(controller)) continue
    try {
      await writeFile(join(group, 'cgroup.subtree_control'), `+${controller}`)
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== 'EBUSY') throw cause
      throw new SupercargoError(
        'unavailable',
        'control-groups-taken',
        `the control group ${group} cannot pass on ${controller}, since it holds processes itself`,
        {
          cause,
          hint: 'Inside a container, move its processes into a group below first, or run the tests outside of it.',
        },
      )
    }
  }
}

async function makeGroup(parent: string, group: string): Promise<void> {
  await mkdir(group)
  // In the first version a group of processors begins empty, and nothing can be below an empty one.
  if (!existsSync(join(group, 'cpuset.cpus')) || !existsSync(join(group, 'cgroup.clone_children'))) return
  for (const file of ['cpuset.cpus', 'cpuset.mems'])
    await writeFile(join(group, file), await readFile(join(parent, file), 'utf8'))
}

/** Every hierarchy of either version, with the controllers that it is mounted for. */
async function mounted(): Promise<Hierarchy[]> {
  const lines = (await readFile('/proc/self/mountinfo', 'utf8')).split('\n')
  return lines.flatMap((line) => {
    const [before, after] = line.split(' - ')
    const [type, , superOptions] = after?.split(' ') ?? []
    if (type !== 'cgroup' && type !== 'cgroup2') return []
    const options = superOptions!.split(',').filter((option) => option !== 'rw' && option !== 'ro')
    // A hierarchy with a name and no controller is mounted by saying so.
    const named = options.some((option) => option.startsWith('name='))
    return [{ path: before!.split(' ')[4]!, type, options: [...(named ? ['none'] : []), ...options].join(',') }]
  })
}
