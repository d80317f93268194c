/** The real `supercargo serve` as a process of its own, ready to be asked, and ended by its id. */
import { type ChildProcess, spawn } from 'node:child_process'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { freePort } from './free-port.ts'

/** The command as it runs in a clone. */
export const command = resolve(import.meta.dirname, '..', '..', 'packages', 'cli', 'bin', 'supercargo.js')

export interface ServerProcess {
  readonly pid: number
  readonly url: string
  /** SIGTERM, then its end; the exit code. */
  stop(): Promise<number | null>
  kill(): Promise<void>
  /** The end of its log. */
  logged(): string
}

export interface ServerOptions {
  /** The program: `command`, or a bundle of it. */
  readonly program?: string
  readonly arguments?: readonly string[]
  readonly env?: NodeJS.ProcessEnv
}

/** Starts a server on a free loopback port and waits until it is ready. */
export async function startStagingServer(options: ServerOptions = {}): Promise<ServerProcess> {
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const child = spawn(
    process.execPath,
    [
      options.program ?? command,
      'serve',
      '--listen',
      `127.0.0.1:${port}`,
      '--log-level',
      'warn',
      ...(options.arguments ?? []),
    ],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
      // Compiled code is kept between starts: a test that starts a hundred servers compiles once.
      env: { ...process.env, NODE_COMPILE_CACHE: join(tmpdir(), 'supercargo-compile-cache'), ...options.env },
    },
  )
  let said = ''
  child.stderr.on('data', (text) => {
    said = `${said}${text}`.slice(-4000)
  })
  let log = ''
  child.stdout.on('data', (text) => {
    log = `${log}${text}`.slice(-100_000)
  })
  const end = ended(child)
  for (let tries = 0; ; tries++) {
    const ready = await fetch(`${url}/readyz`).then(
      (response) => response.ok,
      () => false,
    )
    if (ready) break
    if (child.exitCode !== null || tries > 800) {
      child.kill('SIGKILL')
      throw new Error(`the staging server does not get ready: ${said}`)
    }
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
  return {
    pid: child.pid!,
    url,
    stop: async () => {
      child.kill('SIGTERM')
      return await end
    },
    kill: async () => {
      child.kill('SIGKILL')
      await end
    },
    logged: () => log,
  }
}

/** Resolves with the exit code when a child has ended and its output is read. */
export function ended(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => resolve(code))
  })
}
