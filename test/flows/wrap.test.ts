/** `supercargo wrap` as a process: its command has the terminal, the signals and the last word. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { command } from '../process/staging-server.ts'

describe('a wrapped command', () => {
  let folder: string

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'supercargo-wrap-test-'))
    // What it is given, one word a line; then it waits for a signal or a line when it is told to. No shell: one that was
    // started where a signal is ignored cannot trap it.
    const script = [
      `#!${process.execPath}`,
      'const { CODE, READS, WAITS } = process.env',
      'const end = (word, code) => () => { console.log(word); process.exit(code) }',
      "process.on('SIGTERM', end('terminated', 9))",
      "process.on('SIGINT', end('interrupted', 8))",
      "process.on('SIGHUP', end('hung up', 7))",
      "process.stdout.write(process.argv.slice(2).map((word) => word + '\\n').join(''))",
      'process.exitCode = Number(CODE ?? 0)',
      "if (WAITS) { console.log('ready'); setInterval(() => {}, 1000) }",
      "if (READS) process.stdin.once('data', (line) => { console.log('read ' + line); process.exit() })",
    ]
    await writeFile(join(folder, 'spark-submit'), script.join('\n'))
    await chmod(join(folder, 'spark-submit'), 0o755)
    await writeFile(join(folder, 'app.jar'), 'x')
  })

  afterAll(() => rm(folder, { recursive: true, force: true }))

  function start(argv: readonly string[], env: Readonly<Record<string, string>> = {}) {
    const PATH = `${folder}:${process.env.PATH}`
    const child = spawn(process.execPath, [command, 'wrap', ...argv], {
      cwd: folder,
      env: { PATH, HOME: folder, TMPDIR: folder, ...env },
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    const said = { out: '', err: '' }
    child.stdout.on('data', (text) => {
      said.out += text
    })
    child.stderr.on('data', (text) => {
      said.err += text
    })
    const ended = once(child, 'close').then(([code]) => ({ code: code as number | null, ...said }))
    return { child, said, ended }
  }

  const local = ['--', 'spark-submit', '--master', 'local[1]']

  it('gets each word as it was typed', async () => {
    const words = ['app.jar', 'a b', '$HOME', '', "it's", '*', '--jars', '--', '-h']
    const { out, code } = await start([...local, ...words]).ended
    expect([out, code]).toEqual([`${['--master', 'local[1]', ...words].join('\n')}\n`, 0])
  })

  it.each(['0', '3', '101'])('ends the whole with its own exit code %s', async (CODE) => {
    expect((await start([...local, 'app.jar'], { CODE }).ended).code).toBe(Number(CODE))
  })

  it('reads what is typed', async () => {
    const { child, ended } = start([...local, 'app.jar'], { READS: '1' })
    child.stdin.write('hello\n')
    expect((await ended).out).toContain('read hello')
  })

  it.each([
    ['SIGTERM', 9, 'terminated'],
    ['SIGINT', 8, 'interrupted'],
    ['SIGHUP', 7, 'hung up'],
  ] as const)('gets %s, and decides what it means', async (signal, code, word) => {
    const { child, said, ended } = start([...local, 'app.jar'], { WAITS: '1' })
    let sent = false
    child.stdout.on('data', () => {
      if (!sent && said.out.includes('ready')) sent = child.kill(signal)
    })
    expect(await ended).toMatchObject({
      code,
      out: expect.stringContaining(word),
      err: expect.not.stringMatching('stopping'),
    })
  })

  it('that is killed shows what a shell would show', async () => {
    expect((await start(['--', 'sh', '-c', 'kill -KILL $$']).ended).code).toBe(137)
  })

  it('that is not there, or not executable, is named', async () => {
    expect(await start(['--', 'spark-submitt', '--version']).ended).toMatchObject({
      code: 66,
      err: expect.stringContaining('there is no command spark-submitt'),
    })
    expect(await start(['--', './app.jar', '--version']).ended).toMatchObject({
      code: 77,
      err: expect.stringContaining('cannot be run (EACCES)'),
    })
    expect(await start([]).ended).toMatchObject({ code: 64, err: expect.stringContaining('wrap needs a command') })
  })

  it('is printed as one line that a shell runs, and nothing else happens', async () => {
    const options = ['--print', '--server', 'http://staging:1', '--init-image', 'init:1']
    const words = ['spark-submit', '--master', 'k8s://https://c:1', '--class', 'A', 'app.jar', "it's 1"]
    const before = await readdir(folder)
    const { out, err, code } = await start([...options, ...words]).ended
    expect(code, err).toBe(0)
    expect(out).toMatch(
      /^spark-submit --master k8s:\/\/https:\/\/c:1 --class A .*\/data\/spark-jars\/app\.jar 'it'\\''s 1'\n$/,
    )
    expect(err).toMatch(/stages .*app\.jar as spark-jars\/app\.jar/)
    expect(err).toMatch(/creates Secret default\//)
    expect(err).toMatch(/writes .*executor\.json/)
    expect(await readdir(folder)).toEqual(before)
  })

  it('needs a cluster when it is for one', async () => {
    const argv = ['--server', 'http://staging:1', '--init-image', 'init:1', '--']
    const { code, err } = await start([...argv, 'spark-submit', '--master', 'k8s://https://c:1', 'app.jar']).ended
    expect([code, err]).toEqual([65, expect.stringContaining('no cluster is to be found')])
  })
})
