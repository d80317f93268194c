/** One localizer per root at a time: a lock that the kernel holds and drops when the process dies, whatever kills it. */
import { realpathSync } from 'node:fs'
import { SupercargoError } from '@supercargo/protocol'
import type { Clock } from '@supercargo/transfer'
import type { WorkDirectory } from './work-directory.ts'

export interface RootLock {
  release(): void
}

export interface LockOptions {
  readonly clock: Clock
  /** On the clock's monotonic scale. */
  readonly deadlineAtMs: number
  readonly signal: AbortSignal
  readonly log: (line: string) => void
}

/** SQLite's result code for "another connection holds the lock" (SQLITE_BUSY). */
const busy = 5
/** Between two looks at a lock that another run holds. */
const pollMs = 200

/**
 * Locks every root, waiting for runs that hold one. Rejects with kind `unavailable`, code `root-busy`, when the deadline comes
 * first. Roots are taken in one order by everybody, so that two runs never wait for each other.
 */
export async function lockRoots(works: readonly WorkDirectory[], options: LockOptions): Promise<RootLock> {
  const held: RootLock[] = []
  const release = (): void => {
    for (const lock of held.splice(0)) lock.release()
  }
  // Two roots may be one directory by two names.
  const byDirectory = new Map(works.map((work) => [realpathSync(work.path), work]))
  try {
    for (const [, work] of [...byDirectory].sort(([a], [b]) => (a < b ? -1 : 1))) {
      held.push(await waitForLock(work, options))
    }
    return { release }
  } catch (error) {
    release()
    throw error
  }
}

async function waitForLock(work: WorkDirectory, { clock, deadlineAtMs, signal, log }: LockOptions): Promise<RootLock> {
  for (let told = false; ; told = true) {
    signal.throwIfAborted()
    const lock = await tryLock(work)
    if (lock !== undefined) return lock
    if (!told) log(`waits for another localizer that is at work in ${work.root}`)
    if (clock.monotonic() + pollMs >= deadlineAtMs) {
      throw new SupercargoError('unavailable', 'root-busy', `another localizer is still at work in ${work.root}`, {
        hint: 'wait for it or stop it, raise limits.deadlineMs, or give this plan a root of its own',
      })
    }
    await clock.sleep(pollMs, signal)
  }
}

/**
 * Undefined when another holds it. Node has no flock; an exclusive SQLite transaction that is never committed is one: it holds
 * POSIX record locks, is seen within a process and across processes, and leaves nothing stale behind that the next run would
 * have to judge. Loaded here, since a run that has nothing to do locks nothing.
 */
async function tryLock(work: WorkDirectory): Promise<RootLock | undefined> {
  const { DatabaseSync } = await import('node:sqlite')
  let database: InstanceType<typeof DatabaseSync> | undefined
  try {
    database = new DatabaseSync(work.lock, { timeout: 0 })
    database.exec('PRAGMA locking_mode=EXCLUSIVE; BEGIN EXCLUSIVE')
  } catch (error) {
    database?.close()
    if ((error as { errcode?: number }).errcode === busy) return undefined
    throw new SupercargoError('unavailable', 'root-lock', `cannot lock ${work.root} by ${work.lock}`, {
      cause: error,
      hint: 'check owner and mode of the file, that it is empty, and that its file system has locks',
    })
  }
  const held = database
  return { release: () => held.close() }
}
