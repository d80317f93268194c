/** The command as a process that works on a test cluster: what it says while it runs, and how it ends. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { command } from '../process/staging-server.ts'

export interface Started {
  readonly child: ChildProcess
  /** What it has said so far. */
  readonly said: { out: string; err: string }
  readonly ended: Promise<{ readonly code: number | null; readonly out: string; readonly err: string }>
}

export interface Call {
  readonly kubeconfig: string
  readonly directory?: string
  readonly environment?: Readonly<Record<string, string>>
  /** On its standard input. */
  readonly input?: string
}

export function supercargo({ kubeconfig, directory, environment, input }: Call, argv: readonly string[]): Started {
  const env = { ...process.env, KUBECONFIG: kubeconfig, NO_COLOR: '1', ...environment }
  const child = spawn(process.execPath, [command, ...argv], { cwd: directory, env, stdio: 'pipe' })
  child.stdin.on('error', () => undefined) // It may end before it has read everything; its exit code tells.
  child.stdin.end(input)
  const said = { out: '', err: '' }
  child.stdout.on('data', (text) => {
    said.out += text
  })
  child.stderr.on('data', (text) => {
    said.err += text
  })
  return { child, said, ended: once(child, 'close').then(([code]) => ({ code: code as number | null, ...said })) }
}
