/** What the command says to a person: a line every few seconds, one at the end, and the reason of a failure. */
import { causeChain, formatBytes, formatDuration, type SupercargoError } from '@supercargo/protocol'
import type { Clock } from '@supercargo/transfer'
import { type ProgressState, progressLine } from './progress.ts'
import type { Report } from './report.ts'

/** Rare enough for thousands of pods' logs, often enough to see that it lives. */
const intervalMs = 5_000

export interface ProgressLines {
  /** Takes the newest state. */
  update(state: ProgressState): void
  stop(): void
}

/** A line every few seconds, also while nothing moves. */
export function startProgressLines(clock: Clock, log: (line: string) => void): ProgressLines {
  const beganMs = clock.monotonic()
  let latest: ProgressState | undefined
  const timer = setInterval(() => {
    const elapsedMs = clock.monotonic() - beganMs
    log(
      latest === undefined
        ? `waiting for the first byte since ${formatDuration(elapsedMs)}`
        : progressLine(latest, elapsedMs),
    )
  }, intervalMs).unref()
  return {
    update: (state) => {
      latest = state
    },
    stop: () => clearInterval(timer),
  }
}

/** `localized 200 files, 210 MiB in 1.2 s (…)` */
export function summary({ totals }: Report): string {
  const amount = `${totals.files} ${totals.files === 1 ? 'file' : 'files'}, ${formatBytes(totals.bytes)}`
  const duration = formatDuration(totals.elapsedMs)
  if (totals.fetchedItems === 0 && totals.removed === 0) {
    return `everything is in place: ${amount}, nothing was fetched (${duration})`
  }
  const removed = totals.removed === 0 ? '' : `, ${totals.removed} of an older set removed`
  const perSecond = Math.round((totals.fetchedBytes / Math.max(1, totals.elapsedMs)) * 1000)
  const rate = totals.fetchedBytes > 0 ? `, ${formatBytes(perSecond)}/s` : ''
  return `localized ${amount} in ${duration} (fetched ${formatBytes(totals.fetchedBytes)}${rate}${removed})`
}

/** One line, its causes indented, and a hint. */
export function failureText(error: SupercargoError): string {
  const causes = causeChain(error)
    .slice(1)
    .filter((cause) => !error.message.includes(cause))
  const hint = error.hint === undefined ? [] : [`hint: ${error.hint}`]
  return [`supercargo: ${error.message}`, ...causes.map((cause) => `  ${cause}`), ...hint, ''].join('\n')
}

/** The same for a program: one object on stdout. */
export function failureJson({ kind, code, message, hint }: SupercargoError): string {
  return `${JSON.stringify({ error: { kind, code, message, ...(hint === undefined ? {} : { hint }) } })}\n`
}
