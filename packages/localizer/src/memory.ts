/** The memory budget: from the cgroup that this process is in, and how many transfers it pays for. */
import { readFileSync } from 'node:fs'
import { memoryBudgetAsked } from './arguments.ts'

const mebibyte = 2 ** 20

/** Without a limit. */
export const budgetDefaultBytes = 128 * mebibyte
/** What the program needs before the first transfer. */
const programBytes = 48 * mebibyte
/** Of one transfer: its connection's buffer, and chunks that wait for the collector where there is TLS or a proxy. */
const transferBytes = 4 * mebibyte
/** Of the thread that hashes. */
const threadBytes = 16 * mebibyte

/** cgroup v2, then v1; inside a container both show the container's own limit. */
const limitFiles = ['/sys/fs/cgroup/memory.max', '/sys/fs/cgroup/memory/memory.limit_in_bytes']

/** Half of the cgroup's limit, or the default where there is none; never more than the default needs. */
export function memoryBudgetOf(files: readonly string[] = limitFiles): number {
  for (const file of files) {
    const limit = readLimit(file)
    if (limit !== undefined) return Math.min(budgetDefaultBytes, Math.floor(limit / 2))
  }
  return budgetDefaultBytes
}

/** Whether hashing may have a thread of its own. */
export function paysForThread(budgetBytes: number): boolean {
  return budgetBytes >= programBytes + transferBytes + threadBytes
}

/** Whether the program itself has to be smaller than it is by default, before it begins. */
export function hasLittleMemory(argv: readonly string[], env: Readonly<Record<string, string | undefined>>): boolean {
  return (memoryBudgetAsked(argv, env) ?? memoryBudgetOf()) < programBytes
}

/** Transfers at a time that a budget pays for: at least one, at most what the plan allows. */
export function transfersOf(budgetBytes: number, concurrencyMax: number): number {
  return Math.max(1, Math.min(concurrencyMax, Math.floor((budgetBytes - programBytes) / transferBytes)))
}

/** `max`, and v1's number near 2^63, mean no limit. */
function readLimit(file: string): number | undefined {
  try {
    const limit = Number(readFileSync(file, 'utf8').trim())
    return Number.isFinite(limit) && limit > 0 && limit < 2 ** 50 ? limit : undefined
  } catch {
    // No such cgroup version here.
    return undefined
  }
}
