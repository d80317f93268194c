/** Hadoop's own jars: those of HADOOP_HOME, else from Maven Central with their checksums checked. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { fromCache } from '../cache.ts'
import { command } from '../command.ts'
import type { Missing, Progress } from '../service.ts'
import { javaHome, missingJava, missingProgram } from '../toolchain.ts'

export interface HadoopAssets {
  readonly java: string
  /** Everything but the configuration. */
  readonly classPath: string
}

/** The version that `pom.xml` pins. */
export const hadoopVersion = '3.5.0'

const pom = join(import.meta.dirname, 'pom.xml')
const diskBytes = 200_000_000
/** The servers look for these folders on the class path and end without; their pages are not among the jars. */
const pages: readonly string[] = ['hdfs', 'datanode', 'journal', 'static']

export async function missingHadoop(): Promise<readonly Missing[]> {
  return [...(await missingJava()), ...(homeJars() === undefined ? missingProgram('mvn', 'maven') : [])]
}

export async function provisionHadoop(progress: Progress): Promise<HadoopAssets> {
  const java = join(javaHome(), 'bin', 'java')
  const home = homeJars()
  if (home !== undefined) return { java, classPath: home }
  const directory = await fromCache(
    {
      name: 'hadoop',
      key: ['1', readFileSync(pom, 'utf8')],
      takes: `Hadoop ${hadoopVersion}, 130 jars, about 15 seconds`,
      diskBytes,
      build: async (target, { signal, logFile }) => {
        for (const page of pages) await mkdir(join(target, 'pages', 'webapps', page), { recursive: true })
        // Maven resolves a relative output folder against the project: this one is absolute.
        const copy = [
          'dependency:copy-dependencies',
          '-DincludeScope=runtime',
          `-DoutputDirectory=${join(target, 'jars')}`,
        ]
        await command(['mvn', '--batch-mode', '--strict-checksums', '--file', pom, ...copy], {
          signal,
          logFile,
          site: target,
          cwd: target,
        })
      },
    },
    progress,
  )
  return { java, classPath: [join(directory, 'pages'), join(directory, 'jars', '*')].join(delimiter) }
}

function homeJars(): string | undefined {
  const home = process.env.HADOOP_HOME
  if (home === undefined || home === '') return undefined
  const share = join(home, 'share', 'hadoop')
  const folders = ['common', 'common/lib', 'hdfs', 'hdfs/lib'].map((folder) => join(share, folder))
  if (!folders.every((folder) => existsSync(folder) && readdirSync(folder).some((name) => name.endsWith('.jar'))))
    return undefined
  return [join(share, 'hdfs'), ...folders.map((folder) => join(folder, '*'))].join(delimiter)
}
