/** Hadoop's own shell, `hadoop fs`, as a user with that Hadoop installed would run it. */
import { mkdir, writeFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { type CommandResult, tryCommand } from '../command.ts'
import { provisionHadoop } from '../hdfs/provision.ts'
import { progress } from '../running.ts'

export interface HadoopShell {
  readonly java: string
  readonly classPath: string
  /** `hadoop fs` with these arguments. */
  run(...args: string[]): Promise<CommandResult>
}

const timeoutMs = 300_000
const log4j = `log4j.rootLogger=ERROR,stderr
log4j.appender.stderr=org.apache.log4j.ConsoleAppender
log4j.appender.stderr.target=System.err
log4j.appender.stderr.layout=org.apache.log4j.PatternLayout
`

/** `files` are further configuration files of Hadoop, `javaOptions` for the JVM. */
export async function hadoopShell(
  directory: string,
  options: { readonly files?: Readonly<Record<string, string>>; readonly javaOptions?: readonly string[] } = {},
): Promise<HadoopShell> {
  const { java, classPath: jars } = await provisionHadoop(progress())
  await mkdir(directory, { recursive: true })
  const files = { 'core-site.xml': '<configuration/>', 'log4j.properties': log4j, ...options.files }
  for (const [name, text] of Object.entries(files)) await writeFile(join(directory, name), text)
  const classPath = [directory, jars].join(delimiter)
  const argv = [java, '-Xmx256m', '-XX:+UseSerialGC', ...(options.javaOptions ?? [])]
  return {
    java,
    classPath,
    run: (...args) =>
      tryCommand([...argv, '-cp', classPath, 'org.apache.hadoop.fs.FsShell', ...args], {
        cwd: directory,
        env: { LC_ALL: 'C.UTF-8' },
        site: directory,
        timeoutMs,
      }),
  }
}
