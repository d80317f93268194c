/** The program of the init-container: arguments in, exit code out, the reason in the termination log. */
import {
  causeChain,
  formatBytes,
  formatDuration,
  type SupercargoError,
  toSupercargoError,
  usageExitCode,
} from '@supercargo/protocol'
import { type Clock, systemClock } from '@supercargo/transfer'
import { type LocalizeArguments, readArguments, terminationLogOf } from './arguments.ts'
import { localize } from './localize.ts'
import { type ProgressState, progressLine } from './progress.ts'
import { readPlan } from './read-plan.ts'
import type { Report } from './report.ts'
import { Redactor } from './sources/secret-text.ts'
import { failureMessage, successMessage, writeTermination } from './termination.ts'

/** What the command has of the world. */
export interface LocalizeIo {
  stdout(text: string): void
  stderr(text: string): void
  readonly env: Readonly<Record<string, string | undefined>>
  /** Aborted by SIGTERM or SIGINT. */
  readonly signal?: AbortSignal | undefined
  readonly clock?: Clock
}

const progressIntervalMs = 5_000
/** 128 + the signal's number, as a shell shows it. */
const terminatedExitCode = 143
const interruptedExitCode = 130

/** `argv` is everything after `localize`. Resolves with the exit code; never rejects. */
export async function localizeCommand(argv: readonly string[], io: LocalizeIo): Promise<number> {
  const clock = io.clock ?? systemClock
  const beganMs = clock.monotonic()
  const redactor = new Redactor()
  const scrub = (text: string): string => redactor.scrub(text)
  const log = (line: string): void => io.stderr(`supercargo: ${scrub(line)}\n`)
  const json = argv.includes('--json')
  const fail = async (error: unknown): Promise<number> => {
    const failure = toSupercargoError(error)
    const exitCode = exitCodeOf(failure, io.signal)
    tell(failure, json, io, scrub)
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
    const plans = await readPlan(options.plan, io.env as NodeJS.ProcessEnv)
    const report = await localize(plans, {
      signal: io.signal,
      clock,
      memoryBudgetBytes: options.memoryBudgetBytes,
      redactor,
      log: options.quiet ? () => {} : log,
      ...(options.quiet ? {} : { onProgress: everyFewSeconds(clock, beganMs, log) }),
    })
    await succeed(report, options, io, log)
    return 0
  } catch (error) {
    return await fail(error)
  } finally {
    process.off('uncaughtException', uncaught).off('unhandledRejection', uncaught)
  }
}

async function succeed(
  report: Report,
  options: LocalizeArguments,
  io: LocalizeIo,
  log: (line: string) => void,
): Promise<void> {
  if (!options.quiet) log(summary(report))
  if (options.json) io.stdout(`${JSON.stringify(report)}\n`)
  await writeTermination(options.terminationLog, successMessage(report))
}

/** `localized 200 files, 210 MiB in 1.2 s (…)` */
function summary({ totals }: Report): string {
  const amount = `${totals.files} ${totals.files === 1 ? 'file' : 'files'}, ${formatBytes(totals.bytes)}`
  if (totals.fetchedItems === 0 && totals.removed === 0)
    return `everything is in place: ${amount}, nothing was fetched (${formatDuration(totals.elapsedMs)})`
  const removed = totals.removed === 0 ? '' : `, ${totals.removed} of an older set removed`
  const rate =
    totals.elapsedMs > 0 && totals.fetchedBytes > 0
      ? `, ${formatBytes(Math.round((totals.fetchedBytes / totals.elapsedMs) * 1000))}/s`
      : ''
  return `localized ${amount} in ${formatDuration(totals.elapsedMs)} (fetched ${formatBytes(totals.fetchedBytes)}${rate}${removed})`
}

function everyFewSeconds(clock: Clock, beganMs: number, log: (line: string) => void): (state: ProgressState) => void {
  let lastMs = beganMs
  return (state) => {
    const nowMs = clock.monotonic()
    if (nowMs - lastMs < progressIntervalMs) return
    lastMs = nowMs
    log(progressLine(state, nowMs - beganMs))
  }
}

function tell(error: SupercargoError, json: boolean, io: LocalizeIo, scrub: (text: string) => string): void {
  const { kind, code, message, hint } = error
  const causes = causeChain(error)
    .slice(1)
    .filter((cause) => !message.includes(cause))
  const lines = [
    `supercargo: ${message}`,
    ...causes.map((cause) => `  ${cause}`),
    ...(hint === undefined ? [] : [`hint: ${hint}`]),
  ]
  io.stderr(scrub(`${lines.join('\n')}\n`))
  if (json)
    io.stdout(scrub(`${JSON.stringify({ error: { kind, code, message, ...(hint === undefined ? {} : { hint }) } })}\n`))
}

function exitCodeOf(error: SupercargoError, signal: AbortSignal | undefined): number {
  if (signal?.aborted === true) {
    const reason: unknown = signal.reason
    return /SIGINT/.test(reason instanceof Error ? reason.message : '') ? interruptedExitCode : terminatedExitCode
  }
  return error.code === 'usage' ? usageExitCode : error.exitCode
}
