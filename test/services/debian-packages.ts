/** Programs from Debian's archive, unpacked into the cache beside the system: nothing is installed, and root is not needed. */
import { mkdir, readdir, rm } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { SupercargoError } from '@supercargo/protocol'
import { fromCache, notProvisioned } from './cache.ts'
import { type CommandOptions, command, lastLines, tryCommand } from './command.ts'
import type { Missing, Progress } from './service.ts'
import { missingProgram } from './toolchain.ts'

export interface DebianTree {
  readonly directory: string
  /** To be added to a process's environment so that its programs and libraries are found. */
  readonly env: Readonly<Record<string, string>>
}

/** Where Debian keeps the libraries of this processor. */
export const libraryFolder = process.arch === 'arm64' ? 'usr/lib/aarch64-linux-gnu' : 'usr/lib/x86_64-linux-gnu'

export function missingApt(): readonly Missing[] {
  return [...missingProgram('apt-get', 'apt'), ...missingProgram('dpkg-deb', 'dpkg')]
}

/**
 * The packages with all that they need and this machine has not, in the versions that the machine's own release has now. apt checks
 * each against the signed lists.
 */
export async function debianTree(
  name: string,
  packages: readonly string[],
  diskBytes: number,
  progress: Progress,
): Promise<DebianTree> {
  const closure = await needed(name, packages, progress)
  const directory = await fromCache(
    {
      name: `debian-${name}`,
      key: ['1', ...closure],
      takes: `${closure.length} packages, under a minute`,
      diskBytes,
      build: async (target, { signal, logFile }) => {
        const archives = join(target, 'archives')
        await mkdir(archives)
        if (closure.length > 0) await download(closure, { cwd: archives, signal, logFile, site: target })
        for (const archive of await readdir(archives))
          await command(['dpkg-deb', '--extract', join(archives, archive), join(target, 'root')], {
            signal,
            logFile,
            site: target,
          })
        await mkdir(join(target, 'root'), { recursive: true })
        await rm(archives, { recursive: true })
      },
    },
    progress,
  )
  return { directory: join(directory, 'root'), env: searchPaths(join(directory, 'root')) }
}

async function download(closure: readonly string[], options: CommandOptions): Promise<void> {
  const { exitCode, stderr } = await tryCommand(['apt-get', '-q', 'download', ...closure], options)
  if (exitCode === 0) return
  throw new SupercargoError(
    'unavailable',
    'packages-not-had',
    `apt-get download ended with ${exitCode}:\n${lastLines(stderr)}`,
    {
      hint: 'Lists of packages that are too old name versions that are gone: run apt-get update, then try again.',
    },
  )
}

/**
 * `name=version` of each package that apt would install, those that are installed already among them when they were named; the lists
 * are fetched first when apt does not know a name.
 */
async function needed(name: string, packages: readonly string[], progress: Progress): Promise<string[]> {
  const simulate = ['apt-get', 'install', '--simulate', '--reinstall', '--no-install-recommends', ...packages]
  const first = await tryCommand(simulate, { env: { LC_ALL: 'C' } })
  if (first.exitCode !== 0 && progress.cachedOnly === true) throw notProvisioned(`debian-${name}`)
  if (first.exitCode !== 0) await command(['apt-get', '-q', 'update'], { signal: progress.signal })
  const said = first.exitCode === 0 ? first.stdout : await command(simulate, { env: { LC_ALL: 'C' } })
  return [...said.matchAll(/^Inst (\S+) (?:\[\S+\] )?\((\S+)/gm)].map((match) => `${match[1]}=${match[2]}`).sort()
}

function searchPaths(root: string): Record<string, string> {
  const under = (folders: readonly string[], inherited: string | undefined): string =>
    [...folders.map((folder) => join(root, folder)), ...(inherited ? [inherited] : [])].join(delimiter)
  return {
    PATH: under(['usr/sbin', 'usr/bin', 'sbin', 'bin'], process.env.PATH),
    LD_LIBRARY_PATH: under([libraryFolder, libraryFolder.slice('usr/'.length), 'usr/lib'], process.env.LD_LIBRARY_PATH),
  }
}
