/** Files read by another program: its output is the file only when it ends well, and its words are not the message. */
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { read } from '../../testing/source-contract.ts'
import type { Source } from '../source.ts'
import { createHadoopSource } from './exec.ts'

let directory: string

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'supercargo-exec-'))
})
afterAll(() => rm(directory, { recursive: true }))

/** A stand-in for `FsShell`: a shell script gets the same arguments. */
async function sourceOf(script: string, settings: object = {}): Promise<Source> {
  const file = join(directory, 'hadoop')
  await writeFile(file, `#!/bin/sh\n${script}\n`)
  await chmod(file, 0o755)
  const exec = { schemes: ['hdfs' as const], command: [file, 'dfs'] }
  return createHadoopSource({ settings: { exec, ...settings }, environment: { PATH: process.env.PATH, KEPT: 'yes' } })
}

const item = (uri: string) => ({ kind: 'uri', uri }) as const
const open = async (source: Source, uri = 'hdfs://ns/a', signal?: AbortSignal) =>
  (await read((await source.open(item(uri), { offset: 7, signal })).stream)).toString()

describe('a program that reads for us', () => {
  it('gets the path as it is, with the signs of its own patterns escaped, and gives the whole', async () => {
    const source = await sourceOf('printf "%s\\n" "$@"')
    expect(await open(source, 'viewfs://t/a%20b%2A[1]')).toBe('dfs\n-cat\nviewfs://t/a b\\*\\[1\\]\n')
    expect(await source.open(item('hdfs://ns/a'), { offset: 7 })).toMatchObject({ start: 0 })
    expect(await source.stat(item('hdfs://ns/a'))).toEqual({})
  })

  it('gets the files of the plan by the environment, and no properties at all', async () => {
    const settings = { confDirectory: '/conf', tokenFile: '/token', user: 'alice', properties: { a: 'secret' } }
    const source = await sourceOf(
      'echo $HADOOP_CONF_DIR $HADOOP_TOKEN_FILE_LOCATION $HADOOP_USER_NAME $KEPT $*',
      settings,
    )
    expect(await open(source)).toBe('/conf /token alice yes dfs -cat hdfs://ns/a\n')
  })

  it.each([
    ['cat: `/a: No such file or directory', 'notFound', 'no-such-file'],
    ['cat: `/a: Is a directory', 'invalid', 'is-a-directory'],
    ['cat: Permission denied: user=alice, access=READ', 'denied', 'access-denied'],
    ['Error: Could not find or load main class org.apache.hadoop.fs.FsShell', 'invalid', 'no-hadoop'],
    ['cat: java.net.UnknownHostException: ns', 'invalid', 'no-hadoop'],
    ['cat: Connection refused\n\tat java.net.Socket(Socket.java)', 'unavailable', 'hadoop-failed'],
    ['', 'unavailable', 'hadoop-failed'],
  ])('and fails with "%s" is %s, whatever it gave before', async (said, kind, code) => {
    const source = await sourceOf(`echo half; cat >&2 <<'END'\nlog4j: something\n${said}\nEND\nexit 1`)
    const error = await open(source).catch((failure: unknown) => failure)
    expect(error).toMatchObject({ kind, code, message: expect.stringContaining('hdfs://ns/a') })
    expect((error as Error).message).not.toContain('Socket.java')
  })

  it('is ended when nobody wants its bytes any more', async () => {
    const source = await sourceOf('echo $$; exec sleep 300')
    const stop = new AbortController()
    const { stream } = await source.open(item('hdfs://ns/a'), { offset: 0, signal: stop.signal })
    const pid = Number(await new Promise<Buffer>((resolve) => stream.once('data', resolve)))
    stop.abort(new Error('enough'))
    await expect(read(stream)).rejects.toMatchObject({ code: 'aborted' })
    await expect.poll(() => isAlive(pid)).toBe(false)
    await expect(source.open(item('hdfs://ns/a'), { offset: 0, signal: stop.signal })).rejects.toMatchObject({
      code: 'aborted',
    })
  })

  it('that is not there is named, with what to do', async () => {
    const exec = { schemes: ['hdfs' as const], command: [join(directory, 'none')] }
    const source = createHadoopSource({ settings: { exec }, environment: {} })
    await expect(open(source)).rejects.toMatchObject({
      kind: 'invalid',
      code: 'no-hadoop',
      hint: expect.stringContaining('SPARK_HOME'),
    })
    await expect(open(source, 'hdfs://ns/a/')).rejects.toMatchObject({ code: 'is-a-directory' })
  })

  it('is the Java and the jars of a Spark image by default', async () => {
    const java = join(directory, 'bin', 'java')
    await mkdir(join(directory, 'bin'), { recursive: true })
    await writeFile(java, '#!/bin/sh\necho "$@"')
    await chmod(java, 0o755)
    const environment = { JAVA_HOME: directory, SPARK_HOME: '/spark', HADOOP_CONF_DIR: '/conf', PATH: process.env.PATH }
    const source = createHadoopSource({ settings: {}, environment })
    expect(await open(source)).toBe('-cp /conf:/spark/jars/* org.apache.hadoop.fs.FsShell -cat hdfs://ns/a\n')
  })
})

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    // No such process.
    return false
  }
}
