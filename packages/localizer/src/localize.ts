/** One localization from outside: its options, its deadline, its end. The flow itself is in `run-plans`. */
import { type Environment, formatDuration, SupercargoError, toSupercargoError } from '@supercargo/protocol'
import { abortReason, type Clock, Hasher, systemClock } from '@supercargo/transfer'
import { type Disk, realDisk } from './disk.ts'
import { memoryBudgetOf, paysForThread, transfersOf } from './memory.ts'
import { Progress, type ProgressState } from './progress.ts'
import { type Report, totalsOf } from './report.ts'
import type { RootPlan } from './root-plan.ts'
import type { Run } from './run.ts'
import { runPlans } from './run-plans.ts'
import { createSources } from './sources/registry.ts'
import { Redactor } from './sources/secret-text.ts'

export interface LocalizeOptions {
  readonly signal?: AbortSignal | undefined
  readonly clock?: Clock
  readonly onProgress?: (state: ProgressState) => void
  readonly memoryBudgetBytes?: number | undefined
  readonly log?: (line: string) => void
  readonly disk?: Disk
  /** Learns every secret that is read; whoever prints asks it. */
  readonly redactor?: Redactor
  /** Proxies, and what sources of other kinds look for there. */
  readonly environment?: Environment
}

/**
 * Makes every dependency of the plans appear in its root, or rejects with one clear reason and every root as it was (or, once
 * a publication was decided, in a state that the next run finishes). Several plans are one run: nothing is published before
 * everything is complete. Limits, staging server and credentials are the first plan's.
 */
export async function localize(plans: RootPlan | readonly RootPlan[], options: LocalizeOptions = {}): Promise<Report> {
  const list = Array.isArray(plans) ? (plans as readonly RootPlan[]) : [plans as RootPlan]
  const clock = options.clock ?? systemClock
  const beganMs = clock.monotonic()
  const first = list[0]
  if (first === undefined) return { version: 1, ok: true, roots: [], totals: totalsOf([], 0) }
  const { limits } = first
  const progress = new Progress(options.onProgress)
  const stop = new AbortController()
  const budgetBytes = options.memoryBudgetBytes ?? memoryBudgetOf()
  const hasher = paysForThread(budgetBytes) ? new Hasher() : undefined
  const forward = (): void => stop.abort(abortReason(options.signal!))
  if (options.signal?.aborted) forward()
  options.signal?.addEventListener('abort', forward, { once: true })
  // A hash of gigabytes must not hold up the end.
  stop.signal.addEventListener('abort', () => void hasher?.close(), { once: true })
  const timer = setTimeout(() => stop.abort(deadlineError(limits.deadlineMs, progress)), limits.deadlineMs)
  const transfersMax = transfersOf(budgetBytes, limits.concurrencyMax)
  const sources = createSources(first, {
    socketsMax: transfersMax,
    redactor: options.redactor ?? new Redactor(),
    environment: options.environment ?? {},
    log: options.log,
  })
  const disk = options.disk ?? realDisk
  const run: Run = {
    limits,
    clock,
    beganMs,
    deadlineAtMs: beganMs + limits.deadlineMs,
    disk,
    hasher,
    progress,
    sources,
    transfersMax,
    log: options.log ?? (() => {}),
    signal: stop.signal,
  }
  try {
    const roots = await runPlans(list, run)
    return { version: 1, ok: true, roots, totals: totalsOf(roots, clock.monotonic() - beganMs) }
  } catch (error) {
    if (stop.signal.aborted) throw abortReason(stop.signal)
    throw toSupercargoError(error)
  } finally {
    clearTimeout(timer)
    options.signal?.removeEventListener('abort', forward)
    sources.close()
    await hasher?.close()
  }
}

/** Kind `unavailable`: the same run may succeed with more time, or when the other side answers again. */
function deadlineError(deadlineMs: number, progress: Progress): SupercargoError {
  const unfinished = progress.describeUnfinished()
  const state = unfinished === '' ? '' : `: ${unfinished}`
  return new SupercargoError('unavailable', 'deadline', `not finished within ${formatDuration(deadlineMs)}${state}`, {
    hint: 'raise limits.deadlineMs, or look at what the unfinished items wait for',
  })
}
