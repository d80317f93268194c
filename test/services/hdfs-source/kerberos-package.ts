/** The optional `kerberos` package, compiled against the libraries of this machine's Debian release. */
import { existsSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fromCache } from '../cache.ts'
import { command } from '../command.ts'
import { debianTree, libraryFolder } from '../debian-packages.ts'
import type { Progress } from '../service.ts'

const version = '7.0.0'
const diskBytes = 40_000_000
const packages: readonly string[] = [
  'libkrb5-dev',
  'libkrb5-3',
  'libgssapi-krb5-2',
  'libkrb5support0',
  'libk5crypto3',
  'libcom-err2',
]

/** A directory whose `node_modules` has the package. */
export async function kerberosPackage(progress: Progress): Promise<string> {
  const { directory: tree } = await debianTree('kerberos-headers', packages, diskBytes, progress)
  return await fromCache(
    {
      name: 'kerberos-package',
      key: ['1', version, process.versions.modules],
      takes: 'one npm package, compiled in under a minute',
      diskBytes,
      build: async (target, { signal, logFile }) => {
        const libraries = join(tree, libraryFolder)
        const env = {
          CXXFLAGS: `-I${join(tree, 'usr', 'include')} -I${join(tree, 'usr', 'include', 'mit-krb5')}`,
          LDFLAGS: `-L${libraries} -L${join(libraries, 'mit-krb5')} -Wl,-rpath-link,${libraries}`,
          npm_config_build_from_source: 'kerberos',
          ...headers(),
        }
        const install = ['npm', 'install', '--prefix', target, '--no-audit', '--no-fund', `kerberos@${version}`]
        await command(install, { env, cwd: target, signal, logFile, site: target })
      },
    },
    progress,
  )
}

/** Of the very Node that will load it, where they came with it; else npm fetches them. */
function headers(): Record<string, string> {
  const home = resolve(dirname(process.execPath), '..')
  const beside = join(home, 'node_modules', `node-${process.platform}-${process.arch}`)
  const found = [home, beside].find((directory) => existsSync(join(directory, 'include', 'node', 'common.gypi')))
  return found === undefined ? {} : { npm_config_nodedir: found }
}
