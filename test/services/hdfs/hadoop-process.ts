/** How Hadoop's programs are run: its XML configuration, its Java, and a command for people and tests. */
import { chmod, mkdir, writeFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { command } from '../command.ts'
import type { Site, SiteProcess } from '../site.ts'
import type { HadoopAssets } from './provision.ts'

export type Properties = Readonly<Record<string, string>>

/** One configuration folder of an instance and what is run with it. */
export interface Hadoop {
  readonly configurationDirectory: string
  /** An executable like Hadoop's own `hdfs`, with the subcommands that tests need. */
  readonly hdfsCommand: string
  /** Runs a program of Hadoop to its end. */
  run(mainClass: string, ...args: string[]): Promise<string>
  /** Starts a server. */
  serve(name: string, mainClass: string, ...args: string[]): Promise<SiteProcess>
}

const commandTimeoutMs = 120_000
const log4j = `log4j.rootLogger=INFO,stderr
log4j.appender.stderr=org.apache.log4j.ConsoleAppender
log4j.appender.stderr.target=System.err
log4j.appender.stderr.layout=org.apache.log4j.PatternLayout
log4j.appender.stderr.layout.ConversionPattern=%d{ISO8601} %p %c{2}: %m%n
`
const subcommands: Readonly<Record<string, string>> = {
  dfs: 'org.apache.hadoop.fs.FsShell',
  dfsadmin: 'org.apache.hadoop.hdfs.tools.DFSAdmin',
  haadmin: 'org.apache.hadoop.hdfs.tools.DFSHAAdmin',
  fetchdt: 'org.apache.hadoop.hdfs.tools.DelegationTokenFetcher',
}

export async function configureHadoop(
  site: Site,
  assets: HadoopAssets,
  folder: string,
  files: Readonly<Record<string, Properties>>,
  environment: Readonly<Record<string, string>> = {},
): Promise<Hadoop> {
  const directory = site.folder(folder)
  for (const [name, properties] of Object.entries(files))
    await writeFile(join(directory, `${name}-site.xml`), xml(properties))
  await writeFile(join(directory, 'log4j.properties'), log4j)
  const env = { ...environment, HADOOP_CONF_DIR: directory }
  const kerberos = environment.KRB5_CONFIG === undefined ? [] : [`-Djava.security.krb5.conf=${environment.KRB5_CONFIG}`]
  const java = [assets.java, '-Xmx256m', '-XX:+UseSerialGC', '-Djava.net.preferIPv4Stack=true', ...kerberos]
  const argv = [...java, '-cp', [directory, assets.classPath].join(delimiter)]
  return {
    configurationDirectory: directory,
    hdfsCommand: await writeCommand(site, folder, argv, env),
    run: (mainClass, ...args) =>
      command([...argv, mainClass, ...args], {
        env,
        cwd: site.directory,
        site: site.directory,
        signal: site.signal,
        timeoutMs: commandTimeoutMs,
      }),
    serve: (name, mainClass, ...args) =>
      site.spawn({ name, argv: [...argv, mainClass, ...args], env, signal: 'SIGKILL' }),
  }
}

function xml(properties: Properties): string {
  const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
  const rows = Object.entries(properties).map(
    ([name, value]) => `  <property><name>${escaped(name)}</name><value>${escaped(value)}</value></property>`,
  )
  return `<?xml version="1.0"?>\n<configuration>\n${rows.join('\n')}\n</configuration>\n`
}

async function writeCommand(
  site: Site,
  folder: string,
  argv: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<string> {
  const quoted = (word: string): string => `'${word.replaceAll("'", `'\\''`)}'`
  const cases = Object.entries(subcommands).map(([name, mainClass]) => `  ${name}) main=${mainClass} ;;`)
  const file = join(site.folder(`${folder}-bin`), 'hdfs')
  const script = [
    '#!/bin/sh',
    '# Hadoop’s command, for this instance.',
    ...Object.entries(env).map(([name, value]) => `export ${name}=${quoted(value)}`),
    'verb=$1; shift',
    'case $verb in',
    ...cases,
    '  *) main=$verb ;;',
    'esac',
    `exec ${argv.map(quoted).join(' ')} "$main" "$@"`,
  ]
  await mkdir(site.folder(`${folder}-bin`), { recursive: true })
  await writeFile(file, `${script.join('\n')}\n`)
  await chmod(file, 0o755)
  return file
}
