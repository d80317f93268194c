/** Two Sparks, the newest 4 and the newest 3.5, and an application for each, compiled here. */
import { readdirSync, readFileSync } from 'node:fs'
import { mkdir, readdir, rename, rm } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { fromCache } from '../cache.ts'
import { command } from '../command.ts'
import type { Missing, Progress } from '../service.ts'
import { javaHome, missingCompiler, missingJava, missingProgram, missingPython } from '../toolchain.ts'

export type SparkLine = '3' | '4'

export interface Spark {
  readonly version: string
  readonly home: string
  readonly appJar: string
  readonly dependencyJar: string
}

export interface SparkAssets {
  readonly javaHome: string
  readonly lines: Readonly<Record<SparkLine, Spark>>
}

export const sparkLines: readonly SparkLine[] = ['4', '3']
/** Sources of the applications, in Java and in Python, and the file that they read. */
export const appFolder = join(import.meta.dirname, 'app')

const homeDiskBytes = 2_000_000_000
const jarDiskBytes = 1_000_000

export async function missingSpark(): Promise<readonly Missing[]> {
  const java = await missingJava()
  return [
    ...java,
    ...(java.length === 0 ? missingCompiler() : []),
    ...(await missingPython()),
    ...missingProgram('tar', 'tar'),
  ]
}

export async function provisionSpark(progress: Progress): Promise<SparkAssets> {
  return {
    javaHome: javaHome(),
    lines: { '4': await provisionLine('4', progress), '3': await provisionLine('3', progress) },
  }
}

/** The version that the requirements pin, with the checksum that pip checks. */
export function pinnedVersion(line: SparkLine): string {
  return /^pyspark==(\S+)/.exec(readFileSync(requirements(line), 'utf8'))![1]!
}

async function provisionLine(line: SparkLine, progress: Progress): Promise<Spark> {
  const own = ownHome(line)
  const home = own?.home ?? (await downloadedHome(line, progress))
  const version = own?.version ?? pinnedVersion(line)
  const jars = await compiled(home, version, progress)
  return { version, home, appJar: join(jars, 'app.jar'), dependencyJar: join(jars, 'dependency.jar') }
}

/** `SPARK_HOME`, when it is of this line. */
function ownHome(line: SparkLine): { home: string; version: string } | undefined {
  const home = process.env.SPARK_HOME
  if (home === undefined || home === '') return undefined
  const version = readdirSync(join(home, 'jars'))
    .map((name) => /^spark-core_[\d.]+-(\d.*)\.jar$/.exec(name)?.[1])
    .find((each) => each !== undefined)
  return version?.startsWith(line === '4' ? '4.' : '3.5.') ? { home, version } : undefined
}

function downloadedHome(line: SparkLine, progress: Progress): Promise<string> {
  const version = pinnedVersion(line)
  return fromCache(
    {
      name: `spark-${version}`,
      key: ['1', readFileSync(requirements(line), 'utf8')],
      takes: 'a download of 300 to 460 MB, under a minute',
      diskBytes: homeDiskBytes,
      build: async (directory, { signal, logFile }) => {
        const options = { signal, logFile, site: directory, cwd: directory }
        const download = ['python3', '-m', 'pip', 'download', '--no-deps', '--no-binary', 'pyspark', '--require-hashes']
        await command([...download, '--requirement', requirements(line), '--dest', join(directory, 'sdist')], options)
        const [archive] = await readdir(join(directory, 'sdist'))
        await command(
          ['tar', '-xzf', join('sdist', archive!), '--strip-components=1', '--one-top-level=source'],
          options,
        )
        for (const part of ['bin', 'sbin', 'jars', 'data'])
          await rename(join(directory, 'source', 'deps', part), join(directory, part))
        await mkdir(join(directory, 'python'))
        await rename(join(directory, 'source', 'lib'), join(directory, 'python', 'lib'))
        for (const used of ['sdist', 'source']) await rm(join(directory, used), { recursive: true })
        await command(['sh', '-c', 'chmod +x bin/* sbin/*'], options)
      },
    },
    progress,
  )
}

/** Two jars: the application's holds no class of the other. */
function compiled(home: string, version: string, progress: Progress): Promise<string> {
  const sources = ['Greeting', 'Main'].map((name) => join(appFolder, `${name}.java`))
  const tool = (name: string): string => join(javaHome(), 'bin', name)
  return fromCache(
    {
      name: `spark-app-${version}`,
      key: ['1', home, ...sources.map((source) => readFileSync(source, 'utf8'))],
      takes: 'a few seconds',
      diskBytes: jarDiskBytes,
      build: async (directory, { signal, logFile }) => {
        const options = { signal, logFile, site: directory, cwd: directory }
        const javac = [tool('javac'), '--release', '17', '-cp']
        await command([...javac, join(home, 'jars', '*'), '-d', 'dependency', sources[0]!], options)
        await command(
          [...javac, [join(home, 'jars', '*'), 'dependency'].join(delimiter), '-d', 'app', sources[1]!],
          options,
        )
        for (const name of ['dependency', 'app']) {
          await command([tool('jar'), '--create', '--file', `${name}.jar`, '-C', name, '.'], options)
          await rm(join(directory, name), { recursive: true })
        }
      },
    },
    progress,
  )
}

function requirements(line: SparkLine): string {
  return join(import.meta.dirname, `requirements-${line}.txt`)
}
