/** What `supercargo inject` refuses before it asks anybody, and what it shows in a dry run. */
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { run } from './run.ts'
import { testIo } from './testing/test-io.ts'

const pod = 'apiVersion: v1\nkind: Pod\nmetadata: {name: one}\nspec: {containers: [{name: a, image: x}]}\n'
let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'supercargo-inject-'))
  await writeFile(join(folder, 'app.jar'), 'app')
  await writeFile(join(folder, 'pod.yaml'), pod)
})

afterAll(() => rm(folder, { recursive: true, force: true }))

/** Without a cluster and a configuration of Spark, whatever the machine has. */
function start(argv: readonly string[], stdin = '') {
  const io = testIo({ env: { KUBECONFIG: join(folder, 'none'), HOME: folder }, stdin: async () => stdin })
  return run(['inject', ...argv.map((word) => word.replace('FOLDER', folder))], io).then((code) => ({
    code,
    out: io.out(),
    err: io.err(),
  }))
}

const jars = ['--jars', 'FOLDER/app.jar']
const image = ['--init-image', 'init:1']
const server = ['--server', 'http://staging.example:10000']

describe('inject', () => {
  it.each([
    [['--jars', 'x'], 64, /inject needs a manifest/],
    [['-f', 'FOLDER/none.yaml', ...image], 66, /none\.yaml/],
    [['-f', 'FOLDER/pod.yaml', '--dry-run', ...jars, ...server], 65, /--init-image/],
    [['-f', 'FOLDER/pod.yaml', '--dry-run', ...jars, ...image], 65, /no staging server is named/],
    [['-f', 'FOLDER/pod.yaml', '--dry-run', ...jars, ...image, '--server', 'http://localhost:1'], 65, /--pod-server/],
    [['-f', 'FOLDER/pod.yaml', '--dry-run', ...jars, ...image, ...server, '--root', '/etc'], 65, /\/etc/],
    [['-f', 'FOLDER/pod.yaml', '--container', 'b', '--dry-run', ...jars, ...image, ...server], 65, /pod\.yaml:4/],
    [['-f', '-', '--dry-run', ...jars, ...image, ...server], 65, /the manifest holds no pods/],
  ] as const)('%j is refused with its reason', async (argv, code, message) => {
    const ended = await start(argv)
    expect(ended.err).toMatch(message)
    expect(ended.code).toBe(code)
    expect(ended.out).toBe('')
  })

  it('shows what is piped in as it would be, and writes nothing', async () => {
    const { code, out, err } = await start(
      ['-f', '-', '--dry-run', '-o', 'FOLDER/out.yaml', ...jars, ...image, ...server],
      pod,
    )
    expect(code, err).toBe(0)
    expect(out).toContain('name: supercargo-localize')
    expect(out).toContain('secret: "[secret]"')
    expect((await readdir(folder)).sort()).toEqual(['app.jar', 'pod.yaml'])
  })

  it('leaves no output behind when the files cannot be staged', async () => {
    const elsewhere = createServer((_, response) => response.writeHead(404).end())
    await new Promise<void>((resolve) => elsewhere.listen(0, '127.0.0.1', resolve))
    const url = `http://127.0.0.1:${(elsewhere.address() as { port: number }).port}`
    const wrong = ['--server', url, '--pod-server', 'http://staging.example']
    const { code } = await start(['-f', 'FOLDER/pod.yaml', '-o', 'FOLDER/out.yaml', ...jars, ...image, ...wrong])
    elsewhere.close()
    expect(code).toBe(66)
    expect((await readdir(folder)).sort()).toEqual(['app.jar', 'pod.yaml'])
  })
})
