/** Whose turn it is to sweep. A store with one process is always its own; replicas of a shared store take turns by a lease. */

/** The right to delete, for as long as it lasts. A `HeldLease` is one. */
export interface Turn {
  /** Grows with every turn; every deletion carries it, and the store refuses an earlier one. */
  readonly epoch: number
  /** Aborts when the turn is over. */
  readonly ended: AbortSignal
  /** Throws when the turn is over or may be by now: asked just before each deletion. */
  assertHeld(): void
  /** Lets the next one begin at once. */
  release(): Promise<void>
}

/** Waits for the turn, whose epoch is above the one given. Rejects when the signal aborts, and when it cannot be had. */
export type TakeTurn = (epochAbove: number, signal: AbortSignal) => Promise<Turn>

/** Of the process that has locked the store: the lock is the turn, and it never ends. */
export function turnByLock(): Turn {
  const ended = new AbortController().signal
  return { epoch: 0, ended, assertHeld: () => undefined, release: async () => undefined }
}

/**
 * Of replicas that have no cluster to take turns by. Nothing is collected for its owner's absence then, and the rest of a
 * sweep does no harm when several do it: every step compares before it deletes.
 */
export const turnOfEverybody: TakeTurn = async (epoch) => ({ ...turnByLock(), epoch })
