/** Runs a program to its end in a process group of its own, keeps the end of what it said, and leaves nothing when it is aborted. */
import { spawn } from 'node:child_process'
import { createWriteStream, type WriteStream } from 'node:fs'
import { SupercargoError } from '@supercargo/protocol'
import { endProcessesOf, mark } from './site-processes.ts'

export interface CommandOptions {
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
  readonly input?: string
  /** Whose process it is: the directory of an instance or of a build. */
  readonly site?: string
  /** Where all it says goes as well. */
  readonly logFile?: string
  readonly signal?: AbortSignal
  readonly timeoutMs?: number
}

export interface CommandResult {
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
}

const outputBytesMax = 16 * 1024 * 1024
const abortGraceMs = 2000
const outputGraceMs = 500
const killedExitCode = 128

/** Resolves with whatever exit code. Rejects when the program cannot be run, is aborted or takes too long. */
export async function tryCommand(argv: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
  const signals = [options.signal, options.timeoutMs === undefined ? undefined : AbortSignal.timeout(options.timeoutMs)]
  const signal = AbortSignal.any(signals.filter((each) => each !== undefined))
  signal.throwIfAborted()
  const log = options.logFile === undefined ? undefined : createWriteStream(options.logFile, { flags: 'a' })
  try {
    return await runOnce(argv, options, signal, log)
  } finally {
    log?.end()
  }
}

/** The same, and a failing exit code is an error that shows the last lines. Returns what it wrote to its standard output. */
export async function command(argv: readonly string[], options: CommandOptions = {}): Promise<string> {
  const result = await tryCommand(argv, options)
  if (result.exitCode === 0) return result.stdout
  const said = lastLines(result.stderr.trim() === '' ? result.stdout : result.stderr)
  if (/no space left on device|ENOSPC/i.test(said))
    throw new SupercargoError('exhausted', 'disk-full', `the disk is full while running ${argv[0]}`, {
      hint: 'Free space where SUPERCARGO_TEST_CACHE points, or point it at a larger disk.',
      cause: new Error(said),
    })
  throw new SupercargoError(
    'unavailable',
    'command-failed',
    `${argv.slice(0, 3).join(' ')} ended with ${result.exitCode}:\n${said}`,
  )
}

export function lastLines(text: string, count = 12): string {
  return text.trimEnd().split('\n').slice(-count).join('\n')
}

function runOnce(
  argv: readonly string[],
  options: CommandOptions,
  signal: AbortSignal,
  log: WriteStream | undefined,
): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    const marked = options.site === undefined ? {} : { [mark]: options.site }
    const child = spawn(argv[0]!, argv.slice(1), {
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      env: { ...process.env, ...options.env, ...marked },
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: true,
    })
    const stdout = collector(child.stdout, log)
    const stderr = collector(child.stderr, log)
    child.stdin.on('error', () => child.stdin.destroy())
    child.stdin.end(options.input ?? '')
    const abort = (): void => void endGroup(child.pid, options.site).then(() => reject(signal.reason))
    signal.addEventListener('abort', abort, { once: true })
    child.once('error', (cause) => reject(unrunnable(argv[0]!, cause)))
    const finish = (code: number | null): void => {
      signal.removeEventListener('abort', abort)
      if (!signal.aborted) resolve({ exitCode: code ?? killedExitCode, stdout: stdout(), stderr: stderr() })
    }
    child.once('close', finish)
    // What it left in the background may hold its output open for ever.
    child.once('exit', (code) => {
      const late = setTimeout(() => {
        for (const stream of [child.stdout, child.stderr]) stream.destroy()
        finish(code)
      }, outputGraceMs)
      child.once('close', () => clearTimeout(late))
    })
  })
}

/** The whole group, and whatever left the group but carries the mark. */
async function endGroup(pid: number | undefined, site: string | undefined): Promise<void> {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL')
  } catch {
    // It ended by itself in this moment.
  }
  if (site !== undefined) await endProcessesOf(site, abortGraceMs)
}

function collector(stream: NodeJS.ReadableStream, log: WriteStream | undefined): () => string {
  const chunks: Buffer[] = []
  let size = 0
  stream.on('data', (chunk: Buffer) => {
    log?.write(chunk)
    chunks.push(chunk)
    size += chunk.length
    while (size > outputBytesMax && chunks.length > 1) size -= chunks.shift()!.length
  })
  return () => Buffer.concat(chunks).toString()
}

function unrunnable(program: string, cause: Error): SupercargoError {
  return new SupercargoError('unavailable', 'program-missing', `${program} cannot be run on this machine`, {
    cause,
    hint: `Install ${program} and see that it is on the PATH.`,
  })
}
