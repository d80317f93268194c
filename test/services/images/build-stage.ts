/** Runs the building stage of our Dockerfiles on this machine: the context in a folder of its own, its commands in there. */
import { createHash } from 'node:crypto'
import { cp, mkdir, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { SupercargoError } from '@supercargo/protocol'
import { command } from '../command.ts'
import type { Stage } from './dockerfile.ts'

/** The files that a builder would be given. */
export interface BuildContext {
  readonly repository: string
  readonly files: readonly string[]
  readonly digest: string
}

/** What git knows or would take, of what `.dockerignore` lets through: there, all is left out but what a `!` names. */
export async function readContext(repository: string): Promise<BuildContext> {
  const lines = (await readFile(join(repository, '.dockerignore'), 'utf8'))
    .split('\n')
    .filter((line) => /^[^#]/.test(line))
  if (lines[0] !== '*' || !lines.slice(1).every((line) => /^![\w./-]+$/.test(line))) throw unusable('.dockerignore')
  const allowed = lines.slice(1).map((line) => line.slice(1))
  const list = async (...options: string[]): Promise<string[]> =>
    (await command(['git', 'ls-files', '-z', ...options, '--', ...allowed], { cwd: repository }))
      .split('\0')
      .filter(Boolean)
  const deleted = new Set(await list('--deleted'))
  const present = await list('--cached', '--others', '--exclude-standard')
  const files = present.filter((file) => !deleted.has(file)).sort()
  const hash = createHash('sha256')
  for (const file of files)
    hash
      .update(`${file}\0`)
      .update(await readFile(join(repository, file)))
      .update('\0')
  return { repository, files, digest: hash.digest('hex') }
}

/** Leaves the root of the stage as it is after its last instruction. */
export async function runStage(
  stage: Stage,
  context: BuildContext,
  root: string,
  work: { readonly signal: AbortSignal; readonly logFile: string; readonly site: string },
): Promise<void> {
  let directory = root
  for (const step of stage.instructions) {
    if (step.keyword === 'WORKDIR') {
      directory = join(root, step.value)
      await mkdir(directory, { recursive: true })
    } else if (step.keyword === 'COPY' && step.stage === undefined && step.from === '.') {
      for (const file of context.files) await copyInto(context.repository, file, join(directory, step.to))
    } else if (step.keyword === 'RUN') {
      await command(['sh', '-ec', step.value], { cwd: directory, ...work })
    } else throw unusable(step.keyword)
  }
}

async function copyInto(repository: string, file: string, target: string): Promise<void> {
  await mkdir(join(target, dirname(file)), { recursive: true })
  await cp(join(repository, file), join(target, file))
}

function unusable(what: string): SupercargoError {
  return new SupercargoError(
    'invalid',
    'dockerfile-form',
    `the building stage uses ${what} in a way that is not understood here`,
  )
}
