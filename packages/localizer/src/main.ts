/** The program of the init-container: arguments in, exit code out, the reason in the termination log. */
import { type SupercargoError, toSupercargoError, usageExitCode } from '@supercargo/protocol'
import { type Clock, systemClock } from '@supercargo/transfer'
import { isJsonWanted, type LocalizeArguments, readArguments, terminationLogOf } from './arguments.ts'
import { localize } from './localize.ts'
import { failureJson, failureText, startProgressLines, summary } from './narration.ts'
import { readPlan } from './read-plan.ts'
import type { Report } from './report.ts'
import { Redactor } from './sources/secret-text.ts'
import { failureMessage, successMessage, writeTermination } from './termination.ts'

/** What the command has of the world. */
export interface LocalizeIo {
  stdout(text: string): void
  stderr(text: string): void
  readonly env: Readonly<Record<string, string | undefined>>
  /** Aborted by SIGTERM or SIGINT; the reason's message names which. */
  readonly signal?: AbortSignal | undefined
  readonly clock?: Clock
}

/** 128 + the signal's number, as a shell shows it. */
const terminatedExitCode = 143
const interruptedExitCode = 130

/** `argv` is everything after `localize`. Resolves with the exit code; never rejects. */
export async function localizeCommand(argv: readonly string[], io: LocalizeIo): Promise<number> {
  const clock = io.clock ?? systemClock
  const beganMs = clock.monotonic()
  const redactor = new Redactor()
  const scrub = (text: string): string => redactor.scrub(text)
  const fail = async (error: unknown): Promise<number> => {
    const failure = toSupercargoError(error)
    const exitCode = exitCodeOf(failure, io.signal)
    io.stderr(scrub(failureText(failure)))
    if (isJsonWanted(argv, io.env)) io.stdout(scrub(failureJson(failure)))
    const message = failureMessage(failure, clock.monotonic() - beganMs, exitCode, scrub)
    if (!(await writeTermination(terminationLogOf(argv, io.env), message))) io.stderr(`${message}\n`)
    return exitCode
  }
  // An error that nobody caught still has to end with a reason, not with a stack alone.
  const uncaught = (error: unknown): void => {
    void fail(error).then((code) => process.exit(code))
  }
  process.on('uncaughtException', uncaught).on('unhandledRejection', uncaught)
  try {
    const options = readArguments(argv, io.env)
    const log = options.quiet ? () => {} : (line: string) => io.stderr(`supercargo: ${scrub(line)}\n`)
    const report = await run(options, io, { clock, redactor, log })
    log(summary(report))
    if (options.json) io.stdout(`${JSON.stringify(report)}\n`)
    await writeTermination(options.terminationLog, successMessage(report))
    return 0
  } catch (error) {
    return await fail(error)
  } finally {
    process.off('uncaughtException', uncaught).off('unhandledRejection', uncaught)
  }
}

interface Telling {
  readonly clock: Clock
  readonly redactor: Redactor
  readonly log: (line: string) => void
}

async function run(options: LocalizeArguments, io: LocalizeIo, telling: Telling): Promise<Report> {
  const plans = await readPlan(options.plan, io.env as NodeJS.ProcessEnv)
  const lines = startProgressLines(telling.clock, telling.log)
  try {
    return await localize(plans, {
      ...telling,
      signal: io.signal,
      environment: io.env,
      memoryBudgetBytes: options.memoryBudgetBytes,
      onProgress: lines.update,
    })
  } finally {
    lines.stop()
  }
}

function exitCodeOf(error: SupercargoError, signal: AbortSignal | undefined): number {
  if (signal?.aborted === true) {
    const reason: unknown = signal.reason
    return /SIGINT/.test(reason instanceof Error ? reason.message : '') ? interruptedExitCode : terminatedExitCode
  }
  return error.code === 'usage' ? usageExitCode : error.exitCode
}
