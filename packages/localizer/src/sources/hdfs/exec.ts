/** Files that the image's own Hadoop reads for us: slower by the start of a Java, but it knows encryption zones, `viewfs` and all else. */
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { delimiter, join } from 'node:path'
import { Readable } from 'node:stream'
import { type Environment, printable, SupercargoError } from '@supercargo/protocol'
import { abortReason } from '@supercargo/transfer'
import type { HadoopSettings } from '../../hadoop/configuration.ts'
import type { Facts, Opened, Source, SourceItem } from '../source.ts'
import { decodedPath, type HdfsUri, parseHdfsUri } from './uri.ts'

export interface HadoopSourceOptions {
  readonly settings: HadoopSettings
  readonly environment: Environment
}

const fsShell = 'org.apache.hadoop.fs.FsShell'
/** Of what the program says when it fails; its end is where the reason stands. */
const stderrCharactersMax = 4096
const reasonCharactersMax = 300

/**
 * Every item is one run of `FsShell -cat`, from its beginning: there is no size, no version and no range. What the program
 * verifies by itself (the checksums of blocks) is verified. It gets the site files and the token file, no properties of the plan: a
 * command line is readable for everybody.
 */
export function createHadoopSource({ settings, environment }: HadoopSourceOptions): Source {
  const command = settings.exec?.command ?? defaultCommand(settings, environment)
  return {
    identity: (item) => `hadoop ${shownUri(uriOf(item))}`,
    shown: (item) => shownUri(uriOf(item)),
    stat: async (): Promise<Facts> => ({}),
    open: async (item, { signal }): Promise<Opened> => {
      const uri = uriOf(item)
      if (signal?.aborted) throw abortReason(signal)
      if (uri.isFolder)
        throw new SupercargoError('invalid', 'is-a-directory', `${shownUri(uri)} is a directory`, {
          hint: 'a folder is not read by hadoop.exec; name its files',
        })
      const { authority, scheme } = uri
      const path = `${scheme}://${authority}${literal(decodedPath(uri.encodedPath))}`
      const child = spawn(command[0]!, [...command.slice(1), '-cat', path], {
        stdio: ['ignore', 'pipe', 'pipe'],
        env: childEnvironment(settings, environment),
      })
      const stream = outputOf(child, shownUri(uri), signal)
      return { start: 0, stream, discard: () => void stream.on('error', () => undefined).destroy() }
    },
    close: () => {},
  }
}

/** Ends cleanly only when the program did. */
function outputOf(
  child: ChildProcessByStdio<null, Readable, Readable>,
  shown: string,
  signal: AbortSignal | undefined,
): Readable {
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-stderrCharactersMax)
  })
  const stream = new Readable({
    highWaterMark: 1 << 20,
    read: () => void child.stdout.resume(),
    destroy: (error, callback) => {
      signal?.removeEventListener('abort', abort)
      child.kill('SIGKILL')
      callback(error)
    },
  })
  const abort = (): void => void stream.destroy(abortReason(signal!))
  signal?.addEventListener('abort', abort, { once: true })
  child.stdout.pause().on('data', (chunk: Buffer) => {
    if (!stream.push(chunk)) child.stdout.pause()
  })
  child.once('error', (cause) => stream.destroy(notRunnable(cause, shown)))
  child.once('close', (code) => {
    if (code === 0) stream.push(null)
    else stream.destroy(failed(said, code, shown))
  })
  return stream
}

function notRunnable(cause: Error, shown: string): SupercargoError {
  return new SupercargoError('invalid', 'no-hadoop', `${shown}: Hadoop cannot be run here: ${cause.message}`, {
    cause,
    hint: 'name the program by hadoop.exec.command, or use an image that has Spark in it (SPARK_HOME) and Java',
  })
}

/** The last line that is no part of a stack, by the words of Hadoop's own exceptions. */
function failed(said: string, code: number | null, shown: string): SupercargoError {
  const lines = said.split('\n').filter((line) => line.trim() !== '' && !/^\s+at |^\s*\.\.\. \d+ more/.test(line))
  const reason = printable(
    (lines.findLast((line) => /^(cat|get):/.test(line)) ?? lines.at(-1) ?? `it ended with ${code}`)
      .trim()
      .slice(0, reasonCharactersMax),
  ).slice(1, -1)
  const text = `${shown}: Hadoop says ${reason}`
  if (/No such file|FileNotFound/i.test(reason)) return new SupercargoError('notFound', 'no-such-file', text)
  if (/Is a directory/i.test(reason)) return new SupercargoError('invalid', 'is-a-directory', text)
  if (/Permission denied|AccessControl|Authorization|AuthenticationException|InvalidToken|GSS/i.test(reason))
    return new SupercargoError('denied', 'access-denied', text)
  if (/ClassNotFound|Could not find or load|No FileSystem for scheme|UnknownHost|Unrecognized option/i.test(said))
    return new SupercargoError('invalid', 'no-hadoop', text, {
      hint: 'is this the class path of Hadoop, and are its site files mounted?',
    })
  return new SupercargoError('unavailable', 'hadoop-failed', text)
}

function defaultCommand({ confDirectory }: HadoopSettings, environment: Environment): string[] {
  const java = environment.JAVA_HOME === undefined ? 'java' : join(environment.JAVA_HOME, 'bin', 'java')
  const jars = join(environment.SPARK_HOME ?? '/opt/spark', 'jars', '*')
  const configuration = confDirectory ?? environment.HADOOP_CONF_DIR
  const classPath = [...(configuration === undefined ? [] : [configuration]), jars].join(delimiter)
  return [java, '-cp', classPath, fsShell]
}

function childEnvironment(settings: HadoopSettings, environment: Environment): Record<string, string> {
  const own = {
    ...(settings.confDirectory === undefined ? {} : { HADOOP_CONF_DIR: settings.confDirectory }),
    ...(settings.tokenFile === undefined ? {} : { HADOOP_TOKEN_FILE_LOCATION: settings.tokenFile }),
    ...(settings.user === undefined ? {} : { HADOOP_USER_NAME: settings.user }),
  }
  return Object.fromEntries(
    Object.entries({ ...environment, ...own }).filter((entry): entry is [string, string] => entry[1] !== undefined),
  )
}

/** Hadoop's shell takes signs of patterns for what they are unless they are escaped. */
function literal(path: string): string {
  return path.replace(/[\\*?[\]{}]/g, '\\$&')
}

function uriOf(item: SourceItem): HdfsUri {
  if (item.kind !== 'uri') throw new TypeError('not a URI')
  return parseHdfsUri(item.uri)
}

function shownUri({ scheme, authority, encodedPath }: HdfsUri): string {
  return `${scheme}://${authority}${encodedPath}`
}
