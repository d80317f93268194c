/**
 * `npm run demo [-- JAR…]`: real jars travel from one directory to another through a staging server, as they would from a
 * laptop into a pod; then one of them changes and travels again. Leaves nothing behind.
 */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  appendFileSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { basename, dirname, join, resolve } from 'node:path'
import { formatBytes, formatDuration } from '@supercargo/protocol'
import { command, type ServerProcess, startStagingServer } from '../process/staging-server.ts'

interface StageAnswer {
  readonly resourceId: string
  readonly files: readonly { readonly path: string; readonly sizeBytes: number }[]
  readonly sentBytes: number
}

const jars = process.argv.length > 2 ? namedJars(process.argv.slice(2)) : installedJars()
const work = mkdtempSync(join(tmpdir(), 'supercargo-demo-'))
const began = performance.now()
let server: ServerProcess | undefined

try {
  const source = join(work, 'laptop')
  mkdirSync(source)
  for (const jar of jars) copyFileSync(jar, join(source, basename(jar)))
  const names = readdirSync(source).sort()
  const total = names.reduce((sum, name) => sum + statSync(join(source, name)).size, 0)
  say(`${names.length} jars, ${formatBytes(total)}: ${names.join(', ')}`)

  server = await step(
    'start a staging server',
    'supercargo serve --store …',
    async () => await startStagingServer({ arguments: ['--store', join(work, 'store')] }),
    ({ url }) => `ready at ${url}`,
  )
  const { url } = server
  const stageJars = async (secretFile: string): Promise<StageAnswer> => {
    const { stdout } = await supercargo([
      'stage',
      source,
      '--server',
      url,
      '-n',
      'demo',
      '--owner',
      'Pod/driver',
      '--secret-file',
      secretFile,
      '--json',
      '--quiet',
    ])
    return JSON.parse(stdout) as StageAnswer
  }
  const localize = async (answer: StageAnswer, secretFile: string, root: string): Promise<string> => {
    mkdirSync(root, { recursive: true })
    const plan = join(work, `${basename(root)}.plan.json`)
    writeFileSync(
      plan,
      JSON.stringify({
        version: 1,
        root,
        staging: { url },
        items: [{ resource: answer.resourceId, secretFile, to: 'spark-jars' }],
      }),
    )
    await supercargo(['localize', plan, '--quiet', '--termination-log', join(work, 'termination.json')])
    return plan
  }

  const first = await step(
    'stage the jars',
    'supercargo stage laptop/ -n demo --owner Pod/driver --secret-file …',
    async () => await stageJars(join(work, 'secret-1')),
    (answer) => `sent ${formatBytes(answer.sentBytes)}, resource ${answer.resourceId}`,
  )
  const driver = join(work, 'driver')
  const plan = await step(
    'localize them, as an init-container does',
    'supercargo localize plan.json',
    async () => await localize(first, join(work, 'secret-1'), driver),
    () => `${names.length} jars in driver/spark-jars, all at once`,
  )
  await step(
    'compare every byte',
    undefined,
    async () => `${compare(source, join(driver, 'spark-jars'), names)} files are equal`,
  )

  const changed = smallest(source, names)
  appendFileSync(join(source, changed), 'one more build\n')
  const again = await step(
    `change ${changed} and stage again`,
    'supercargo stage laptop/ …',
    async () => await stageJars(join(work, 'secret-2')),
    (answer) =>
      `sent ${formatBytes(answer.sentBytes)} of ${formatBytes(total)} (${((100 * answer.sentBytes) / total).toFixed(1)} %)`,
  )
  if (again.sentBytes >= total) throw new Error('the second submission sent everything again')
  const executor = join(work, 'executor')
  await step('localize the new set elsewhere', 'supercargo localize plan.json', async () => {
    await localize(again, join(work, 'secret-2'), executor)
    return `${compare(source, join(executor, 'spark-jars'), names)} files are equal`
  })
  await step('localize the first set once more', 'supercargo localize plan.json', async () => {
    await supercargo(['localize', plan, '--quiet', '--termination-log', join(work, 'termination.json')])
    return 'nothing to do'
  })
  await step('stop the server', undefined, async () => {
    await server!.stop()
    server = undefined
    return 'drained'
  })
} catch (error) {
  process.exitCode = 1
  console.error(`\nthe demo failed: ${error instanceof Error ? error.message : error}`)
} finally {
  await server?.stop()
  rmSync(work, { recursive: true, force: true })
}
if (process.exitCode === undefined)
  say(`\nDone in ${formatDuration(performance.now() - began)}; ${work} is removed again.`)

function say(line: string): void {
  console.log(line)
}

async function step<T>(
  title: string,
  typed: string | undefined,
  work: () => Promise<T>,
  outcome: (result: T) => string = String,
): Promise<T> {
  const start = performance.now()
  const result = await work()
  say(
    `\n${title}${typed === undefined ? '' : `\n  $ ${typed}`}\n  ${outcome(result)}  (${formatDuration(performance.now() - start)})`,
  )
  return result
}

function supercargo(args: readonly string[]): Promise<{ stdout: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [command, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
    let stdout = ''
    let stderr = ''
    child.stdout.on('data', (text) => (stdout += text))
    child.stderr.on('data', (text) => (stderr += text))
    child.once('error', reject)
    child.once('close', (code) =>
      code === 0
        ? resolve({ stdout })
        : reject(new Error(`supercargo ${args[0]} ended with ${code}: ${stderr.trim()}`)),
    )
  })
}

function namedJars(paths: readonly string[]): string[] {
  for (const path of paths) {
    if (!existsSync(path) || !statSync(path).isFile()) {
      console.error(`there is no file ${path}; name jars, or none for those that come with the install`)
      process.exit(64)
    }
  }
  return paths.map((path) => resolve(path))
}

/** Real jars that npm brings: a parser generator and two compilers. */
function installedJars(): string[] {
  const require = createRequire(import.meta.url)
  const folders = ['antlr4ng-cli', 'google-closure-compiler-java', 'yuicompressor/build'].map((name) => {
    const [library, ...rest] = name.split('/')
    return join(dirname(require.resolve(`${library}/package.json`)), ...rest)
  })
  return folders.flatMap((folder) =>
    readdirSync(folder)
      .filter((name) => name.endsWith('.jar'))
      .map((name) => join(folder, name)),
  )
}

function compare(source: string, target: string, names: readonly string[]): number {
  const arrived = readdirSync(target).sort()
  if (arrived.join() !== names.join()) throw new Error(`expected ${names.join(', ')}, found ${arrived.join(', ')}`)
  for (const name of names)
    if (digest(join(source, name)) !== digest(join(target, name))) throw new Error(`${name} differs`)
  return names.length
}

function digest(file: string): string {
  return createHash('sha256').update(readFileSync(file)).digest('hex')
}

function smallest(folder: string, names: readonly string[]): string {
  return [...names].sort((a, b) => statSync(join(folder, a)).size - statSync(join(folder, b)).size)[0]!
}
