/** Hadoop's own tests of what a file system is, run by Hadoop's WebHDFS client against the server as a process. */
import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type ServerProcess, startStagingServer, command as supercargo } from '../../process/staging-server.ts'
import { fromCache } from '../cache.ts'
import { command, tryCommand } from '../command.ts'
import { describeWith, progress, provisionTimeoutMs } from '../running.ts'
import type { Progress } from '../service.ts'
import { javaHome } from '../toolchain.ts'
import { type HadoopShell, hadoopShell } from './hadoop-shell.ts'

const folder = join(import.meta.dirname, 'contract')
const sources = ['pom.xml', 'FrontDoorContract.java', 'contract.xml'].map((name) => join(folder, name))
const suites = [
  'Create',
  'Open',
  'Seek',
  'Mkdir',
  'Delete',
  'Rename',
  'GetFileStatus',
  'ContentSummary',
  'CopyFromLocal',
]

/** What Hadoop's WebHDFS client does by itself, before or instead of asking a server. */
const faultsOfTheClient: Readonly<Record<string, string>> = {
  testNegativeSeek: 'it takes a negative position and fails at the next read, with an exception of another class',
  testSeekPastEndOfFileThenReseekAndRead: 'a stream that was read beyond its end stays at its end',
}

describeWith(['hdfs'], 'the contract of a Hadoop file system', () => {
  let work: string
  let server: ServerProcess
  let shell: HadoopShell
  let tests: string

  beforeAll(async () => {
    work = await mkdtemp(join(tmpdir(), 'supercargo-contract-'))
    shell = await hadoopShell(join(work, 'hadoop'))
    tests = await provisionContract(shell.classPath, progress())
    server = await startStagingServer({ arguments: ['--store', join(work, 'store')] })
  }, provisionTimeoutMs)
  afterAll(async () => {
    await server.stop()
    await rm(work, { recursive: true, force: true })
  })

  it('is kept in everything that the server has, save what the client itself does otherwise', async () => {
    const token = [process.execPath, supercargo, 'token', 'create', '-n', 'spark', '--json']
    const { path } = JSON.parse(await command(token, { env: { SUPERCARGO_SERVER: server.url } })) as { path: string }
    const classPath = [tests, join(tests, 'jars', '*'), shell.classPath].join(delimiter)
    const where = [`-Dfront.door=webhdfs://${new URL(server.url).host}/`, `-Dfront.door.path=${path}`]
    const { stdout, stderr } = await tryCommand(
      [
        shell.java,
        '-Xmx512m',
        '-XX:+UseSerialGC',
        ...where,
        '-cp',
        classPath,
        'org.junit.platform.console.ConsoleLauncher',
        'execute',
        ...suites.map((suite) => `--select-class=FrontDoorContract$${suite}Test`),
        '--details=tree',
        '--disable-ansi-colors',
      ],
      { cwd: work, site: work, timeoutMs: 600_000 },
    )
    const failed = [...stdout.matchAll(/─ (\w+)\(\).* ✘ (.*)/g)].map(([, name = '', why]) => ({ name, why }))
    expect(
      failed.filter(({ name }) => faultsOfTheClient[name] === undefined),
      stderr,
    ).toEqual([])
    const passed = Number(/\[ +(\d+) tests successful/.exec(stdout)?.[1])
    expect(passed, stderr).toBeGreaterThanOrEqual(120)
    expect(server.logged()).not.toContain(path.split('/')[2])
  })
})

/** The folder with the compiled contract and the jars that run it. */
function provisionContract(classPath: string, progress: Progress): Promise<string> {
  return fromCache(
    {
      name: 'hadoop-contract',
      key: ['1', ...sources.map((source) => readFileSync(source, 'utf8'))],
      takes: 'four jars and a compilation, under a minute',
      diskBytes: 20_000_000,
      build: async (directory, { signal, logFile }) => {
        const options = { signal, logFile, site: directory, cwd: directory }
        const copy = ['dependency:copy-dependencies', '-DexcludeTransitive=true', '-DincludeScope=test']
        const jars = join(directory, 'jars')
        const maven = ['mvn', '--batch-mode', '--strict-checksums', '--file', sources[0]!]
        await command([...maven, ...copy, `-DoutputDirectory=${jars}`], options)
        const javac = [join(javaHome(), 'bin', 'javac'), '--release', '17', '-cp']
        await command([...javac, [join(jars, '*'), classPath].join(delimiter), '-d', directory, sources[1]!], options)
        await command(['cp', sources[2]!, directory], options)
      },
    },
    progress,
  )
}
