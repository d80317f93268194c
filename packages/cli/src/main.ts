/** The `supercargo` program: the process's arguments, streams and signals, handed to `run`. */
import { createInterface } from 'node:readline/promises'
import { text } from 'node:stream/consumers'
import { SupercargoError } from '@supercargo/protocol'
import { systemClock } from '@supercargo/transfer'
import { findCommand } from './arguments.ts'
import { run } from './run.ts'
import { restartForServing } from './server-process.ts'
import { interruptedExitCode } from './settings.ts'

const stop = new AbortController()
const argv = process.argv.slice(2)
/** Whose the signals are while another command runs. */
let forwarded: ((signal: NodeJS.Signals) => void) | undefined

if (argv[0] === 'serve') restartForServing()

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    if (forwarded !== undefined) return forward(signal)
    if (stop.signal.aborted) process.exit(interruptedExitCode)
    const what = whatStops()
    process.stderr.write(
      `\nsupercargo: stopping${what === undefined ? '' : `, ${what}`} (once more to leave at once)\n`,
    )
    stop.abort(new SupercargoError('interrupted', 'stopped-by-signal', `stopped by ${signal}`))
  })
}
// A reader that has gone (`| head`) is no failure of ours.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  process.exit(error.code === 'EPIPE' ? (process.exitCode ?? 0) : 74)
})
process.stderr.on('error', () => {
  // Nobody listens; the exit code still tells.
})

process.exitCode = await run(argv, {
  stdout: (text) => process.stdout.write(text),
  stderr: (text) => process.stderr.write(text),
  stderrIsTerminal: process.stderr.isTTY === true,
  get columns() {
    return process.stderr.columns ?? 80
  },
  env: process.env,
  stdin: () => text(process.stdin),
  ask: process.stdin.isTTY === true && process.stderr.isTTY === true ? ask : undefined,
  signal: stop.signal,
  forwardSignals,
  clock: systemClock,
})

/** Undefined when the terminal is closed. Ctrl-c is a signal here too, and the second one ends the process. */
async function ask(question: string): Promise<string | undefined> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr })
  terminal.on('SIGINT', () => process.exit(interruptedExitCode))
  const closed = new Promise<undefined>((resolve) => terminal.once('close', () => resolve(undefined)))
  try {
    return await Promise.race([terminal.question(question), closed])
  } finally {
    terminal.close()
  }
}

/** Those that would end this process are left to the command, and when it has ended we clear up in peace. */
function forwardSignals(to: (signal: NodeJS.Signals) => void): () => void {
  forwarded = to
  for (const signal of ['SIGHUP', 'SIGQUIT', 'SIGUSR2'] as const) process.on(signal, forward)
  return () => {
    forwarded = undefined
  }
}

/** What is typed at a terminal reaches every process of its foreground, the command too. */
function forward(signal: NodeJS.Signals): void {
  const typed = signal === 'SIGINT' || signal === 'SIGQUIT'
  if (!typed || process.stdin.isTTY !== true) forwarded?.(signal)
}

function whatStops(): string | undefined {
  try {
    return findCommand(argv).command?.onStop
  } catch {
    // Stopped before the arguments were understood: there is nothing to say about a command.
    return undefined
  }
}
