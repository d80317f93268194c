/** The command: exit codes, the termination log, no secret anywhere, and processes that are killed. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { localizeCommand } from './main.ts'
import { scriptedServer, serve } from './testing/scripted-server.ts'
import { bytesOf, sha256, type Workbench, workbench } from './testing/workbench.ts'

interface Ran {
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
  /** The termination log. */
  readonly log: Record<string, unknown> | undefined
}

/** Runs the command on a plan in this process. */
async function run(
  bench: Workbench,
  plan: object | string,
  argv: readonly string[] = [],
  env: Record<string, string> = {},
): Promise<Ran> {
  const file = join(bench.directory, 'plan.json')
  await writeFile(file, typeof plan === 'string' ? plan : JSON.stringify({ version: 1, root: bench.root, ...plan }))
  const log = join(bench.directory, 'termination-log')
  const said = { stdout: '', stderr: '' }
  const exitCode = await localizeCommand([file, '--termination-log', log, ...argv], {
    stdout: (text) => {
      said.stdout += text
    },
    stderr: (text) => {
      said.stderr += text
    },
    env,
  })
  const text = await readFile(log, 'utf8').catch(() => undefined)
  return { exitCode, ...said, log: text === undefined ? undefined : JSON.parse(text) }
}

describe('the command', () => {
  it('ends with 0, a line on stderr and a short log', async () => {
    await using bench = await workbench()
    await using server = await scriptedServer((request, response) => serve(request, response, bytesOf(2048)))
    const ran = await run(bench, { items: [{ uri: server.url('/a'), to: 'a' }] })
    expect(ran).toMatchObject({
      exitCode: 0,
      stdout: '',
      log: { version: 1, ok: true, files: 1, bytes: 2048, fetchedItems: 1 },
    })
    expect(ran.stderr).toMatch(/^supercargo: localized 1 file, 2 KiB in .* \(fetched 2 KiB, .*\/s\)\n$/)
    expect((await run(bench, { items: [{ uri: server.url('/a'), to: 'a' }] })).stderr).toContain(
      'everything is in place: 1 file, 2 KiB',
    )
  })

  it('writes the report to stdout with --json, and nothing to stderr with --quiet', async () => {
    await using bench = await workbench()
    await using server = await scriptedServer((request, response) => serve(request, response, bytesOf(10)))
    const { exitCode, stdout, stderr } = await run(bench, { items: [{ uri: server.url('/a'), to: 'a' }] }, [
      '--json',
      '--quiet',
    ])
    expect(exitCode).toBe(0)
    expect(stderr).toBe('')
    expect(JSON.parse(stdout)).toMatchObject({
      ok: true,
      roots: [
        {
          root: bench.root,
          items: [{ source: server.url('/a'), target: 'a', sizeBytes: 10, digest: sha256(bytesOf(10)), attempts: 1 }],
        },
      ],
      totals: { files: 1, bytes: 10 },
    })
    expect(JSON.parse(await readFile(join(bench.root, '.supercargo', 'report.json'), 'utf8'))).toMatchObject({
      version: 1,
      items: [{ target: 'a' }],
    })
  })

  it.each([
    [404, 66, 'notFound'],
    [403, 77, 'denied'],
    [400, 65, 'invalid'],
  ])('ends with the exit code of the failure (%d → %d)', async (status, exitCode, kind) => {
    await using bench = await workbench()
    await using server = await scriptedServer((_, response) => response.writeHead(status).end())
    const ran = await run(bench, { items: [{ uri: server.url('/a'), to: 'lib/a.jar' }] }, ['--json'])
    expect(ran.exitCode).toBe(exitCode)
    expect(ran.log).toMatchObject({
      version: 1,
      ok: false,
      kind,
      code: `http-${status}`,
      item: 'lib/a.jar',
      attempts: 1,
      exitCode,
    })
    expect(ran.stderr).toContain(`supercargo: lib/a.jar: ${server.url('/a')} answered ${status}`)
    expect(JSON.parse(ran.stdout)).toMatchObject({ error: { kind, code: `http-${status}` } })
  })

  it('that cannot reach a server says so after its attempts', async () => {
    await using bench = await workbench()
    const server = await scriptedServer(() => {})
    await server.close()
    const ran = await run(bench, { items: [{ uri: server.url('/a'), to: 'a' }], limits: { attemptsMax: 2 } })
    expect(ran).toMatchObject({ exitCode: 75, log: { kind: 'unavailable', code: 'connection-refused', attempts: 2 } })
  })

  it.each([
    [[], 'no plan is given'],
    [['a', 'b'], 'too much'],
    [['a', '--termination-lgo', 'x'], '--termination-lgo'],
  ])('with the arguments %j is a wrong usage', async (argv, says) => {
    const said: string[] = []
    const io = {
      stdout: () => {},
      stderr: (text: string) => void said.push(text),
      env: { SUPERCARGO_TERMINATION_LOG: '/dev/null' },
    }
    expect(await localizeCommand(argv, io)).toBe(64)
    expect(said.join('')).toContain(says)
  })

  it('with a plan that is wrong ends with 65 and names the field', async () => {
    await using bench = await workbench()
    const ran = await run(bench, { items: [{ uri: 'http://h/a', to: 'x', digset: 'sha256:1' }] })
    expect(ran).toMatchObject({ exitCode: 65, log: { kind: 'invalid', code: 'bad-plan' } })
    expect(ran.stderr).toContain('items[0]')
  })

  it('takes the log and the budget from the environment too', async () => {
    await using bench = await workbench()
    const file = join(bench.directory, 'plan.json')
    await writeFile(file, JSON.stringify({ version: 1, root: bench.root, items: [] }))
    const log = join(bench.directory, 'log')
    const io = { stdout: () => {}, stderr: () => {} }
    expect(
      await localizeCommand([file], {
        ...io,
        env: { SUPERCARGO_TERMINATION_LOG: log, SUPERCARGO_MEMORY_BUDGET: '64Mi' },
      }),
    ).toBe(0)
    expect(JSON.parse(await readFile(log, 'utf8'))).toMatchObject({ ok: true })
    expect(
      await localizeCommand([file], {
        ...io,
        env: { SUPERCARGO_TERMINATION_LOG: log, SUPERCARGO_MEMORY_BUDGET: 'much' },
      }),
    ).toBe(65)
  })

  it('whose log cannot be written says it on stderr', async () => {
    await using bench = await workbench()
    const said: string[] = []
    const exitCode = await localizeCommand(['/no/such/plan', '--termination-log', '/no/such/directory/log'], {
      stdout: () => {},
      stderr: (text) => void said.push(text),
      env: {},
    })
    expect(exitCode).toBe(66)
    expect(said.join('')).toMatch(/^\{"version":1,"ok":false,.*"code":"no-such-file".*\}$/m)
    expect(await bench.files()).toEqual({})
  })
})

describe('a secret', () => {
  it('appears in nothing that the command says, writes or names', async () => {
    await using bench = await workbench()
    const headerFile = join(bench.directory, 'headers')
    await writeFile(headerFile, 'Authorization: Bearer canary-token-1\nX-Key: canary-key-2')
    await using server = await scriptedServer((request, response) => {
      if (request.url!.startsWith('/ok')) serve(request, response, bytesOf(100))
      else
        response
          .writeHead(400, { 'content-type': 'text/plain' })
          .end(`${JSON.stringify(request.headers)} ${request.url}`)
    })
    const uri = (path: string) => server.url(path).replace('http://', 'http://canary-user:canary-password@')
    const settings = { http: { [server.origin]: { headerFile } } }
    const good = await run(bench, { items: [{ uri: uri('/ok?sig=canary-signature#canary'), to: 'a' }], ...settings }, [
      '--json',
    ])
    expect(good.exitCode).toBe(0)
    const bad = await run(bench, { items: [{ uri: uri('/bad?sig=canary-signature'), to: 'b' }], ...settings }, [
      '--json',
    ])
    expect(bad.exitCode).toBe(65)
    const report = await readFile(join(bench.root, '.supercargo', 'report.json'), 'utf8')
    const names = (await readdir(bench.root, { recursive: true })).join()
    for (const text of [
      good.stdout,
      good.stderr,
      JSON.stringify(good.log),
      bad.stdout,
      bad.stderr,
      JSON.stringify(bad.log),
      report,
      names,
    ]) {
      expect(text).not.toContain('canary')
    }
  })
})

describe('a process that is killed', () => {
  const content = bytesOf(4 << 20)
  const program = fileURLToPath(new URL('./testing/run-localizer.ts', import.meta.url))
  const start = (bench: Workbench): ChildProcess => {
    const log = join(bench.directory, 'termination-log')
    return spawn(process.execPath, [program, join(bench.directory, 'plan.json'), '--termination-log', log], {
      stdio: 'ignore',
    })
  }
  const ended = (child: ChildProcess): Promise<number | string | null> =>
    new Promise((resolve) => child.once('exit', (code, signal) => resolve(signal ?? code)))
  const write = (bench: Workbench, items: readonly object[]): Promise<void> =>
    writeFile(join(bench.directory, 'plan.json'), JSON.stringify({ version: 1, root: bench.root, items }))

  /** Bytes of the largest partial file. */
  const heldIn = (bench: Workbench) => async (): Promise<number> => {
    const incoming = join(bench.root, '.supercargo', 'incoming')
    const names = await readdir(incoming).catch(() => [])
    const sizes = await Promise.all(names.map(async (name) => (await stat(join(incoming, name))).size))
    return Math.max(0, ...sizes)
  }

  it.each([
    ['with a digest', { digest: sha256(content) }, 0],
    ['without one, by its ETag', {}, 1],
  ])('by SIGKILL in a transfer goes on where it was (%s)', async (_, known, askedAgainBytes) => {
    await using bench = await workbench()
    let stalled = 0
    await using server = await scriptedServer((request, response) => {
      if (stalled > 0) return serve(request, response, content, { etag: '"1"' })
      response.writeHead(200, { etag: '"1"', 'content-length': content.length })
      response.write(content.subarray(0, 3 << 20), () => {
        stalled++
      })
    })
    await write(bench, [{ uri: server.url('/a.jar'), to: 'a.jar', ...known }])
    const child = start(bench)
    const held = heldIn(bench)
    await expect.poll(held, { timeout: 10_000 }).toBeGreaterThan(1 << 20)
    child.kill('SIGKILL')
    expect(await ended(child)).toBe('SIGKILL')
    const have = await held()
    expect(await bench.files()).toEqual({})
    const again = start(bench)
    expect(await ended(again)).toBe(0)
    expect(server.requests.at(-1)!.headers.range).toBe(`bytes=${have - askedAgainBytes}-`)
    expect(sha256(await readFile(join(bench.root, 'a.jar')))).toBe(sha256(content))
  })

  it('by SIGTERM ends within a second with 143, and goes on later', async () => {
    await using bench = await workbench()
    let stalled = false
    await using server = await scriptedServer((request, response) => {
      if (stalled) return serve(request, response, content, { etag: '"1"' })
      response.writeHead(200, { etag: '"1"', 'content-length': content.length })
      response.write(content.subarray(0, 3 << 20), () => {
        stalled = true
      })
    })
    await write(bench, [{ uri: server.url('/a.jar'), to: 'a.jar' }])
    const child = start(bench)
    await expect.poll(heldIn(bench), { timeout: 10_000 }).toBeGreaterThan(1 << 20)
    const began = performance.now()
    child.kill('SIGTERM')
    expect(await ended(child)).toBe(143)
    expect(performance.now() - began).toBeLessThan(1000)
    expect(JSON.parse(await readFile(join(bench.directory, 'termination-log'), 'utf8'))).toMatchObject({
      ok: false,
      kind: 'interrupted',
      exitCode: 143,
    })
    expect(await ended(start(bench))).toBe(0)
    expect(server.requests.at(-1)!.headers.range).toMatch(/^bytes=\d{7}-$/)
    expect(sha256(await readFile(join(bench.root, 'a.jar')))).toBe(sha256(content))
  })

  it('again and again at any moment never shows half a set, and gets there', async () => {
    await using bench = await workbench()
    const old = Array.from({ length: 30 }, (_, index) => ({
      to: `lib/${index}.jar`,
      bytes: bytesOf(20_000, index + 1),
    }))
    const next = Array.from({ length: 30 }, (_, index) => ({
      to: `lib/${index}.jar`,
      bytes: bytesOf(20_000, index + 100),
    }))
    await mkdir(join(bench.directory, 'source'))
    const items = async (files: typeof old, version: string): Promise<object[]> => {
      const made: object[] = []
      for (const [index, { to, bytes }] of files.entries()) {
        const path = join(bench.directory, 'source', `${version}-${index}`)
        await writeFile(path, bytes)
        made.push({ uri: `file://${path}`, to, digest: sha256(bytes) })
      }
      return made
    }
    await write(bench, await items(old, 'old'))
    expect(await ended(start(bench))).toBe(0)
    await write(bench, await items(next, 'next'))
    const digestsOf = (files: typeof old) => new Map(files.map(({ to, bytes }) => [to, sha256(bytes)]))
    const [oldDigests, nextDigests] = [digestsOf(old), digestsOf(next)]
    let finished = false
    // By a fraction: as fine where the program is quick as it is short where the machine is slow.
    for (let delay = 120; !finished && delay < 12_000; delay *= 1.08) {
      const child = start(bench)
      const timer = setTimeout(() => child.kill('SIGKILL'), delay)
      finished = (await ended(child)) === 0
      clearTimeout(timer)
      const seen = Object.entries(await bench.files()).map(
        ([path, text]) => [path, sha256(Buffer.from(text, 'latin1'))] as const,
      )
      expect(seen.length).toBe(30)
      for (const [path, digest] of seen) expect([oldDigests.get(path), nextDigests.get(path)]).toContain(digest)
      const mixed =
        seen.some(([path, digest]) => digest === oldDigests.get(path)) &&
        seen.some(([path, digest]) => digest === nextDigests.get(path))
      // Between the renames there is a journal, and the next run ends them.
      if (mixed) expect(await readdir(join(bench.root, '.supercargo'))).toContain('journal.json')
    }
    expect(finished).toBe(true)
    for (const [path, text] of Object.entries(await bench.files()))
      expect(sha256(Buffer.from(text, 'latin1'))).toBe(nextDigests.get(path))
  }, 180_000)
})
