/** Now and then takes away the names of what was collected, and directories that nobody filled. */
import type { Clock } from '@supercargo/transfer'
import type { Log } from '../../log.ts'
import type { NameTree } from '../../store/name-tree.ts'
import type { Store } from '../../store/store.ts'

export interface UpkeepOptions {
  readonly names: NameTree
  readonly store: Pick<Store, 'read'>
  readonly clock: Clock
  readonly log: Log
  readonly signal: AbortSignal
}

const intervalMs = 10 * 60_000
/** A client that made a directory has this long to put something into it; after that the upload makes it anew. */
const emptyMs = 24 * 3_600_000

/** Resolves when the signal aborts. */
export async function keepNamesTidy({ names, store, clock, log, signal }: UpkeepOptions): Promise<void> {
  const isThere = async (id: string): Promise<boolean> => (await store.read(id)) !== undefined
  while (!signal.aborted) {
    try {
      await clock.sleep(intervalMs, signal)
      const removed = await names.tidy({ isThere, emptyMs, signal })
      if (removed > 0) log.info({ removed }, 'names of collected files were removed')
    } catch (error) {
      if (!signal.aborted) log.warn({ error }, 'names could not be tidied')
    }
  }
}
