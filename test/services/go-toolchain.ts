/** The Go that builds: the one on the PATH, which gets the release that a module asks for by itself, or that release, fetched by an older one. */
import { cp, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fromCache } from './cache.ts'
import { command } from './command.ts'
import type { Progress } from './service.ts'
import { goMinor, selfUpdatingGoMinor } from './toolchain.ts'

/** The release that Go of before 1.21, which Debian 12 has, is told to get. */
const release = 'go1.26.8'
const platform = `${process.platform}-${process.arch === 'x64' ? 'amd64' : process.arch}`
const diskBytes = 600_000_000

export interface GoToolchain {
  readonly program: string
  readonly env: Readonly<Record<string, string>>
}

export async function goToolchain(progress: Progress): Promise<GoToolchain> {
  if (((await goMinor()) ?? 0) >= selfUpdatingGoMinor) return { program: 'go', env: { GOTOOLCHAIN: 'auto' } }
  const directory = await fromCache(
    {
      name: release,
      key: ['1', platform],
      takes: `a download of 70 MB by the older Go that is here`,
      diskBytes,
      build: async (target, { signal, logFile }) => {
        // The proxy has each release as a module; Go checks it against the public sums as it does any other.
        const module = `golang.org/toolchain@v0.0.1-${release}.${platform}`
        const options = { cwd: target, site: target, signal, logFile, env: { GOFLAGS: '-modcacherw' } }
        const { Dir } = JSON.parse(await command(['go', 'mod', 'download', '-json', module], options)) as {
          Dir: string
        }
        await cp(Dir, target, { recursive: true })
        // Modules hold no programs, so none of the files can be run until it is said.
        for (const folder of ['bin', join('pkg', 'tool', platform.replace('-', '_'))])
          for (const name of await readdir(join(target, folder)))
            await command(['chmod', '0755', join(target, folder, name)], options)
      },
    },
    progress,
  )
  return { program: join(directory, 'bin', 'go'), env: { GOTOOLCHAIN: 'local', GOROOT: directory } }
}
