/** Starts the staging server's process over with the garbage collection that suits moving bytes. */

import { restartWith } from './restart.ts'

/**
 * Every 64 KiB of body is a buffer that V8 frees, and by default it does so with incremental marking and helper threads,
 * which cost more than the collection itself where the live heap is a few MiB. Measured per uploaded GiB, the writes to
 * the disk's cache left out: 2.0 CPU seconds by default, 1.5 with these. A running process cannot change them (V8 ends it).
 */
const flags = ['--no-incremental-marking', '--single-threaded-gc', '--optimize-for-size', '--max-semi-space-size=1']

/** Call it before anything is opened. */
export function restartForServing(): void {
  restartWith(flags)
}
