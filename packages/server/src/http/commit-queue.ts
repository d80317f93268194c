/** Commits of small blobs that run while the stream goes on, a few at a time. */

export interface CommitQueue {
  /** Undefined when the next may come at once, else a promise for a free place. Rejects with the first failure so far. */
  add(commit: Promise<unknown>): Promise<void> | undefined
  /** Waits for all; throws the first failure. */
  settle(): Promise<void>
}

const concurrencyMax = 16

export function createCommitQueue(): CommitQueue {
  const running = new Set<Promise<void>>()
  let failure: { readonly error: unknown } | undefined

  return {
    add(commit) {
      const tracked: Promise<void> = commit
        .then(
          () => undefined,
          (error: unknown) => {
            failure ??= { error }
          },
        )
        .finally(() => running.delete(tracked))
      running.add(tracked)
      if (failure !== undefined) return Promise.reject(failure.error)
      if (running.size < concurrencyMax) return undefined
      return Promise.race(running).then(() => {
        if (failure !== undefined) throw failure.error
      })
    },
    async settle() {
      await Promise.all(running)
      if (failure !== undefined) throw failure.error
    },
  }
}
