/** One instance of a service: its directory, its processes, and a ledger of everything that must be undone when it stops. */
import { spawn } from 'node:child_process'
import { appendFileSync, closeSync, existsSync, mkdirSync, openSync, readFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { SupercargoError } from '@supercargo/protocol'
import { lastLines, tryCommand } from './command.ts'
import { freePort, loopback, requirePort } from './loopback.ts'
import { unmountBelow } from './mounts.ts'
import type { Progress } from './service.ts'
import { belongsTo, endProcessesOf, mark, signalProcess } from './site-processes.ts'
import { until } from './until.ts'

export interface ProcessPlan {
  /** Unique in the instance; its log is `<name>.log`. */
  readonly name: string
  readonly argv: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
  /** How long it may take to end by itself after `signal`. */
  readonly graceMs?: number
  readonly signal?: 'SIGTERM' | 'SIGINT' | 'SIGQUIT' | 'SIGKILL'
}

export interface SiteProcess {
  readonly name: string
  readonly pid: number
  /** Waits until the probe finds the state; fails at once, with the end of the log, when the process is gone. */
  ready<T>(probe: (signal: AbortSignal) => Promise<T | undefined | false>, timeoutMs: number): Promise<T>
}

/** What has to be undone, in the order in which it was done; undone backwards, each kind of failure survived. */
type Entry =
  | {
      readonly kind: 'process'
      readonly name: string
      readonly pid: number
      readonly signal: NodeJS.Signals
      readonly graceMs: number
    }
  | { readonly kind: 'command'; readonly argv: readonly string[]; readonly env: Readonly<Record<string, string>> }

export interface Site extends Progress {
  readonly directory: string
  /** Where its servers listen: loopback, or an address that pods of a test cluster see too. */
  readonly address: string
  /** A folder of the instance, made when it is not there. */
  folder(name: string): string
  /** A free port, or the one that was asked for under this name. */
  port(name: string): Promise<number>
  /** Starts a process in a group of its own. It outlives this process. */
  spawn(plan: ProcessPlan): Promise<SiteProcess>
  /** Writes down a command that undoes what comes next. It must succeed when there is nothing to undo. */
  undo(argv: readonly string[], env?: Readonly<Record<string, string>>): void
}

const ledgerName = 'ledger.jsonl'
const strayGraceMs = 3000
const undoTimeoutMs = 60_000

export function openSite(
  directory: string,
  progress: Progress,
  ports: Readonly<Record<string, number>> = {},
  address: string = loopback,
): Site {
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const record = (entry: Entry): void => appendFileSync(join(directory, ledgerName), `${JSON.stringify(entry)}\n`)
  return {
    ...progress,
    directory,
    address,
    folder: (name) => {
      const path = join(directory, name)
      mkdirSync(path, { recursive: true })
      return path
    },
    port: async (name) =>
      ports[name] === undefined ? await freePort(address) : await requirePort(ports[name], address),
    spawn: async (plan) => {
      const pid = await launch(directory, plan)
      record({
        kind: 'process',
        name: plan.name,
        pid,
        signal: plan.signal ?? 'SIGTERM',
        graceMs: plan.graceMs ?? 10_000,
      })
      return siteProcess(directory, plan.name, pid, progress.signal)
    },
    undo: (argv, env = {}) => record({ kind: 'command', argv, env }),
  }
}

/**
 * Stops whatever was started in the directory, by this process or another, backwards, then ends strays by their mark, unmounts
 * what is left, and removes the directory. May be repeated; safe on a directory that is half made or gone.
 */
export async function stopSite(directory: string): Promise<void> {
  for (const entry of ledger(directory).reverse()) {
    if (entry.kind === 'process') await endProcess(directory, entry.pid, entry.signal, entry.graceMs)
    else
      await tryCommand(entry.argv, { env: entry.env, timeoutMs: undoTimeoutMs, site: directory }).catch(() => undefined)
  }
  await endProcessesOf(directory, strayGraceMs)
  unmountBelow(directory)
  if (process.env.SUPERCARGO_TEST_KEEP !== '1') await rm(directory, { recursive: true, force: true, maxRetries: 3 })
}

/** Whether every process that was started in the directory still runs. */
export function siteAlive(directory: string): boolean {
  return ledger(directory).every((entry) => entry.kind !== 'process' || belongsTo(entry.pid, directory))
}

/** The end of a process's log, for an error that a person reads. */
export function logTail(directory: string, name: string): string {
  const path = join(directory, `${name}.log`)
  return existsSync(path) ? lastLines(readFileSync(path, 'utf8')) : ''
}

function ledger(directory: string): Entry[] {
  const path = join(directory, ledgerName)
  if (!existsSync(path)) return []
  const entries: Entry[] = []
  for (const line of readFileSync(path, 'utf8').split('\n')) {
    try {
      if (line !== '') entries.push(JSON.parse(line) as Entry)
    } catch {
      // The last line of a writer that was killed; the mark finds the process that it would have named.
    }
  }
  return entries
}

function launch(directory: string, plan: ProcessPlan): Promise<number> {
  return new Promise((resolve, reject) => {
    const log = openSync(join(directory, `${plan.name}.log`), 'a')
    const child = spawn(plan.argv[0]!, plan.argv.slice(1), {
      cwd: plan.cwd ?? directory,
      env: { ...process.env, ...plan.env, [mark]: directory },
      stdio: ['ignore', log, log],
      detached: true,
    })
    closeSync(log)
    child.once('error', (cause) => {
      reject(
        new SupercargoError(
          'unavailable',
          'program-missing',
          `${plan.name} cannot be started: ${plan.argv[0]} does not run here`,
          { cause },
        ),
      )
    })
    child.once('spawn', () => {
      child.unref()
      resolve(child.pid!)
    })
  })
}

function siteProcess(directory: string, name: string, pid: number, signal: AbortSignal): SiteProcess {
  return {
    name,
    pid,
    ready: async (probe, timeoutMs) => {
      const watched = async (inner: AbortSignal): ReturnType<typeof probe> => {
        if (!belongsTo(pid, directory)) throw ended(directory, name)
        return await probe(inner)
      }
      try {
        return await until(name, watched, { timeoutMs, signal })
      } catch (cause) {
        if (!SupercargoError.is(cause) || cause.code !== 'not-ready') throw cause
        throw new SupercargoError(
          'unavailable',
          'not-ready',
          `${cause.message}; it last said:\n${logTail(directory, name)}`,
          { cause },
        )
      }
    },
  }
}

function ended(directory: string, name: string): SupercargoError {
  const said = logTail(directory, name)
  if (/address already in use/i.test(said))
    return new SupercargoError('conflict', 'port-taken', `${name} found its port taken:\n${said}`, {
      hint: 'Start it again: it will choose others.',
    })
  if (/no space left on device/i.test(said))
    return new SupercargoError('exhausted', 'disk-full', `${name} found the disk full:\n${said}`, {
      hint: 'Free some space.',
    })
  return new SupercargoError('unavailable', 'process-ended', `${name} ended while it was starting:\n${said}`)
}

async function endProcess(directory: string, pid: number, signal: NodeJS.Signals, graceMs: number): Promise<void> {
  signalProcess(pid, directory, signal)
  const gone = async (): Promise<boolean> => !belongsTo(pid, directory)
  await until('the end of a process', gone, { timeoutMs: graceMs, intervalMs: 20 }).catch(() =>
    signalProcess(pid, directory, 'SIGKILL'),
  )
  await until('the end of a killed process', gone, { timeoutMs: 5000, intervalMs: 20 }).catch(() => undefined)
}
