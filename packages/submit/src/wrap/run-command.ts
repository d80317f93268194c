/** Runs the user's command with our own terminal, hands signals on to it, and ends as it does. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { constants } from 'node:os'
import { SupercargoError } from '@supercargo/protocol'
import type { Environment } from '../configuration.ts'

/** While a command runs, signals are its own. The answer ends that. */
export type ForwardSignals = (to: (signal: NodeJS.Signals) => void) => () => void

export interface RunningCommand {
  /** What a shell would show: the exit code, or 128 and the signal. */
  readonly ended: Promise<number>
  stop(): void
}

/** Throws kind `notFound` when there is no such command, and `denied` when it may not be run. */
export async function startCommand(
  words: readonly string[],
  environment: Environment,
  forward: ForwardSignals,
): Promise<RunningCommand> {
  const [command = '', ...args] = words
  const child = spawn(command, args, { stdio: 'inherit', env: { ...environment } })
  const ended = new Promise<number>((resolve) => {
    child.once('exit', (code, signal) => resolve(code ?? 128 + (constants.signals[signal!] ?? 0)))
  })
  const release = forward((signal) => child.kill(signal))
  try {
    await once(child, 'spawn')
  } catch (error) {
    release()
    throw notStarted(command, error as NodeJS.ErrnoException)
  }
  void ended.then(release)
  return { ended, stop: () => void child.kill('SIGTERM') }
}

function notStarted(command: string, error: NodeJS.ErrnoException): SupercargoError {
  const there = error.code !== 'ENOENT'
  return new SupercargoError(
    there ? 'denied' : 'notFound',
    there ? 'command-not-run' : 'command-not-found',
    there ? `the command ${command} cannot be run (${error.code})` : `there is no command ${command}`,
    {
      cause: error,
      hint: there ? 'is it executable?' : 'is it in PATH? write its path, such as $SPARK_HOME/bin/spark-submit',
    },
  )
}
