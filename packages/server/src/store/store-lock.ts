/** One server per directory: a lock that the kernel holds and drops when the process dies, whatever kills it. */
import { DatabaseSync } from 'node:sqlite'
import { SupercargoError } from '@supercargo/protocol'

export interface StoreLock {
  release(): void
}

/** SQLite's result code for "another connection holds the lock" (SQLITE_BUSY). */
const busy = 5

/**
 * Node has no flock. An exclusive SQLite transaction that is never committed is one: it holds POSIX record locks, is seen
 * within a process and across processes, and leaves nothing stale behind that a restart would have to judge.
 */
export function lockStore(path: string, directory: string): StoreLock {
  let database: DatabaseSync | undefined
  try {
    database = new DatabaseSync(path, { timeout: 0 })
    database.exec('PRAGMA locking_mode=EXCLUSIVE; BEGIN EXCLUSIVE')
  } catch (error) {
    database?.close()
    if ((error as { errcode?: number }).errcode === busy) {
      throw new SupercargoError('conflict', 'store-locked', `another server uses the store ${directory}`, {
        cause: error,
        hint: 'stop it, or give this one a directory of its own',
      })
    }
    throw new SupercargoError('unavailable', 'store-lock', `cannot lock the store ${directory}`, {
      cause: error,
      hint: 'check the owner and the mode of the directory, and that its file system has locks',
    })
  }
  const held = database
  let released = false
  return {
    release: () => {
      if (!released) held.close()
      released = true
    },
  }
}
