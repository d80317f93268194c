/**
 * Finds and ends the processes of an instance. They carry a mark in their environment, which children inherit; some programs overwrite
 * theirs (nginx does, for its title), so a process without a terminal that works inside the instance's own folder counts too.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'

/** The environment variable that holds the directory of the instance that a process belongs to. */
export const mark = 'SUPERCARGO_TEST_SITE'

export interface SiteProcessInfo {
  readonly pid: number
  readonly command: string
}

const pollMs = 20
const killTimeoutMs = 10_000

/** Live processes of the instances and builds in this directory. */
export function processesOf(directory: string): SiteProcessInfo[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .map(Number)
    .filter((pid) => belongsTo(pid, directory))
    .map((pid) => ({ pid, command: commandOf(pid) }))
}

/** Whether this live process is one of the directory's; asked just before every signal, since numbers are used again. */
export function belongsTo(pid: number, directory: string): boolean {
  if (pid === process.pid) return false
  const marked = read(`/proc/${pid}/environ`)
    ?.split('\0')
    .find((each) => each.startsWith(`${mark}=`))
  if (marked !== undefined) return within(marked.slice(mark.length + 1), directory)
  return hasNoTerminal(pid) && within(workingDirectory(pid), directory)
}

export function signalProcess(pid: number, directory: string, signal: NodeJS.Signals): void {
  if (!belongsTo(pid, directory)) return
  try {
    process.kill(pid, signal)
  } catch {
    // It ended between the look and the signal, which is what the signal is for.
  }
}

/** Ends all of them, kindly first: SIGTERM, and SIGKILL for what is still there after `graceMs`. */
export async function endProcessesOf(directory: string, graceMs: number): Promise<void> {
  const deadline = performance.now() + graceMs
  for (const { pid } of processesOf(directory)) signalProcess(pid, directory, 'SIGTERM')
  while (processesOf(directory).length > 0 && performance.now() < deadline) await pause(pollMs)
  const killDeadline = performance.now() + killTimeoutMs
  while (performance.now() < killDeadline) {
    const left = processesOf(directory)
    if (left.length === 0) return
    for (const { pid } of left) signalProcess(pid, directory, 'SIGKILL')
    await pause(pollMs)
  }
}

function within(path: string | undefined, directory: string): boolean {
  return path === directory || path?.startsWith(`${directory}/`) === true
}

/** A folder that was removed under its process is shown with a remark behind its name. */
function workingDirectory(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/cwd`).replace(/ \(deleted\)$/, '')
  } catch {
    // The process ended, is a zombie, or belongs to somebody else.
    return undefined
  }
}

/** The seventh field of its status line is the controlling terminal. */
function hasNoTerminal(pid: number): boolean {
  const fields = read(`/proc/${pid}/stat`)
    ?.replace(/^.*\) /s, '')
    .split(' ')
  return fields?.[4] === '0'
}

function commandOf(pid: number): string {
  return (read(`/proc/${pid}/cmdline`) ?? '').split('\0').filter(Boolean).slice(0, 3).join(' ')
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    // The process ended, or belongs to somebody else and so is not ours.
    return undefined
  }
}
