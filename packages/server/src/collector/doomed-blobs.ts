/** Blobs on their way out of a store that others write too: doomed at one look, deleted after another, unless somebody needs them. */
import type { Digest } from '@supercargo/protocol'
import { doomMs, type RemoteMaintenance } from '../store/maintenance.ts'
import type { ResourceIndex } from './resource-index.ts'

export interface DoomedLook {
  readonly index: ResourceIndex
  readonly maintenance: RemoteMaintenance
  readonly epoch: number
  /** When the look at all records began that the index knows, and the time now, in elapsed milliseconds. */
  readonly lookedAtMs: number
  readonly nowMs: () => number
}

export class DoomedBlobs {
  /** By namespace, since when each is doomed; undefined when it is not yet. */
  readonly #waiting = new Map<string, Map<Digest, number | undefined>>()

  /** Nobody names them any more; the next look dooms them, or they are since `sinceMs`. */
  add(namespace: string, digests: readonly Digest[], sinceMs?: number): void {
    const waiting = this.#waiting.get(namespace) ?? new Map<Digest, number | undefined>()
    this.#waiting.set(namespace, waiting)
    for (const digest of digests) if (waiting.get(digest) === undefined) waiting.set(digest, sinceMs)
  }

  /** Dooms what is new and deletes what was doomed long enough before the look began. Resolves to the bytes freed. */
  async look({ index, maintenance, epoch, lookedAtMs, nowMs }: DoomedLook): Promise<number> {
    let freedBytes = 0
    const { sequence } = index
    for (const [namespace, waiting] of this.#waiting) {
      const fresh: Digest[] = []
      const due: Digest[] = []
      for (const [digest, sinceMs] of waiting) {
        if (index.isNeeded(namespace, digest)) waiting.delete(digest)
        else if (sinceMs === undefined) fresh.push(digest)
        else if (lookedAtMs - sinceMs >= doomMs) due.push(digest)
      }
      if (due.length > 0) {
        freedBytes += (await maintenance.removeBlobs(namespace, due, sequence, epoch, true)).freedBytes
        for (const digest of due) waiting.delete(digest)
      }
      if (fresh.length > 0) {
        const { doomed = [] } = await maintenance.removeBlobs(namespace, fresh, sequence, epoch)
        for (const digest of fresh) waiting.delete(digest)
        this.add(namespace, doomed, nowMs())
      }
      if (waiting.size === 0) this.#waiting.delete(namespace)
    }
    return freedBytes
  }
}
