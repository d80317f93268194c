/** What a process costs: wall and CPU seconds, peak memory; of a child that runs to its end, or of a server between two moments. */
import { spawn } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { ended } from '../process/staging-server.ts'

export interface Cost {
  readonly wallSeconds: number
  readonly cpuSeconds: number
  readonly rssPeakMib: number
}

/** Ticks of /proc are hundredths of a second on every Linux that Node runs on (USER_HZ). */
const ticksPerSecond = 100

/**
 * Runs a command to its end. CPU comes from the shell's `time` (children included), the peak of memory from polling the
 * kernel's high-water mark of every process below. Rejects when it fails.
 */
export async function run(
  command: readonly string[],
  options: { cwd?: string; env?: NodeJS.ProcessEnv } = {},
): Promise<Cost & { stdout: string }> {
  const script = 'TIMEFORMAT="SUPERCARGO_TIME %R %U %S"; time "$@"'
  const began = performance.now()
  const child = spawn('bash', ['-c', script, 'bench', ...command], {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const out: Buffer[] = []
  const err: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => out.push(chunk))
  child.stderr.on('data', (chunk: Buffer) => err.push(chunk))
  let peak = 0
  const poll = setInterval(() => {
    for (const pid of descendants(child.pid!)) peak = Math.max(peak, highWaterMib(pid))
  }, 10)
  const code = await ended(child)
  clearInterval(poll)
  const stderr = Buffer.concat(err).toString()
  const time = /SUPERCARGO_TIME ([\d.]+) ([\d.]+) ([\d.]+)/.exec(stderr)
  if (code !== 0 || time === null) throw new Error(`${command.join(' ')} ended with ${code}: ${stderr.slice(-2000)}`)
  return {
    wallSeconds: (performance.now() - began) / 1000,
    cpuSeconds: Number(time[2]) + Number(time[3]),
    rssPeakMib: peak,
    stdout: Buffer.concat(out).toString(),
  }
}

/** Runs a shell pipeline. */
export function runShell(script: string, options: { cwd?: string } = {}): Promise<Cost & { stdout: string }> {
  return run(['bash', '-o', 'pipefail', '-ec', script], options)
}

/** CPU seconds that a process and all below it have used so far. */
export function cpuSeconds(pid: number): number {
  return descendants(pid).reduce((sum, each) => sum + ownCpuSeconds(each), 0)
}

/** The largest high-water mark of a process and all below it. */
export function rssPeakMib(pid: number): number {
  return Math.max(...descendants(pid).map(highWaterMib))
}

/** Forgets the high-water marks so far (Linux: clear_refs 5). */
export function resetRssPeak(pid: number): void {
  for (const each of descendants(pid)) writeClearRefs(each)
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

function ownCpuSeconds(pid: number): number {
  const fields = procFile(pid, 'stat')
    ?.replace(/^.*\) /, '')
    .split(' ')
  return fields === undefined
    ? 0
    : (Number(fields[11]) + Number(fields[12]) + Number(fields[13]) + Number(fields[14])) / ticksPerSecond
}

function highWaterMib(pid: number): number {
  return Number(/VmHWM:\s+(\d+) kB/.exec(procFile(pid, 'status') ?? '')?.[1] ?? 0) / 1024
}

function descendants(pid: number): number[] {
  const below: number[] = [pid]
  for (const thread of list(`/proc/${pid}/task`)) {
    const children = procFile(pid, `task/${thread}/children`)?.trim()
    for (const child of children === undefined || children === '' ? [] : children.split(' '))
      below.push(...descendants(Number(child)))
  }
  return below
}

function list(path: string): string[] {
  try {
    return readdirSync(path)
  } catch {
    // The process ended in the meantime.
    return []
  }
}

function procFile(pid: number, name: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${name}`, 'utf8')
  } catch {
    // The process ended in the meantime.
    return undefined
  }
}

function writeClearRefs(pid: number): void {
  try {
    writeFileSync(`/proc/${pid}/clear_refs`, '5')
  } catch {
    // Not permitted here: the peak is then that of the whole life, which is still an upper bound.
  }
}
