/** The commands of a page, run as a reader types them: one shell for the page, which ends with the first one that fails. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { repository } from './pages.ts'

/** The texts of the fenced blocks whose language is exactly this. */
export function blocksOf(file: string, language: string): string[] {
  const text = readFileSync(join(repository, file), 'utf8')
  return [...text.matchAll(/^```([^\n]*)\n([\s\S]*?)^```$/gm)]
    .filter(([, info]) => info === language)
    .map(([, , block]) => block!)
}

export interface PageRun {
  readonly directory: string
  readonly env?: NodeJS.ProcessEnv
  /** Folders of programs that the reader has, in front of everything. */
  readonly path?: readonly string[]
  /** Of the blocks that are run; `sh` without it. */
  readonly language?: string
  /** What stands for the reader's own: the page's text, and what is really there. */
  readonly instead?: Readonly<Record<string, string>>
}

/** Runs the blocks of one language in order; resolves to what was said, and to the exit code. */
export async function runPage(
  file: string,
  run: PageRun,
): Promise<{ readonly code: number | null; readonly said: string }> {
  let script = blocksOf(file, run.language ?? 'sh').join('\n')
  if (script === '') throw new Error(`${file} has no commands`)
  for (const [text, real] of Object.entries(run.instead ?? {})) script = script.replaceAll(text, real)
  const child = spawn('bash', ['-xeuo', 'pipefail', '-c', script], {
    cwd: run.directory,
    env: {
      ...process.env,
      PATH: [...(run.path ?? []), join(repository, 'node_modules', '.bin'), process.env.PATH].join(delimiter),
      HOME: run.directory,
      ...run.env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let said = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (text) => {
      said = `${said}${text}`.slice(-20_000)
    })
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, said }
}
