/** Starts the staging server's process over with the garbage collection that suits moving bytes. */

/**
 * Every 64 KiB of body is a buffer that V8 frees, and by default it does so with incremental marking and helper threads,
 * which cost more than the collection itself where the live heap is a few MiB. Measured per uploaded GiB, the writes to
 * the disk's cache left out: 2.0 CPU seconds by default, 1.5 with these. A running process cannot change them (V8 ends it).
 */
const flags = ['--no-incremental-marking', '--single-threaded-gc', '--optimize-for-size', '--max-semi-space-size=1']

/**
 * Replaces this process by one with the flags: same id, same streams, same environment. Does nothing where that is not
 * to be had (Node before 23.11, Windows) or when they are there already. Call it before anything is opened.
 */
export function restartForServing(): void {
  const missing = flags.filter((flag) => !process.execArgv.includes(flag))
  if (missing.length === 0 || process.execve === undefined || process.platform === 'win32') return
  process.execve(
    process.execPath,
    [process.execPath, ...process.execArgv, ...missing, ...process.argv.slice(1)],
    process.env as Record<string, string>,
  )
}
