/** What happened in the store, in order and numbered: the collector's index follows it, and deletions are checked against it. */
import { type Digest, namespaceOf } from '@supercargo/protocol'
import type { UploadSummary } from './maintenance.ts'
import type { ResourceRecord } from './store.ts'

export type StoreEvent =
  | ({ readonly type: 'created'; readonly sequence: number } & UploadSummary)
  | {
      readonly type: 'committed' | 'updated'
      readonly sequence: number
      readonly id: string
      readonly record: ResourceRecord
    }
  | { readonly type: 'touched'; readonly sequence: number; readonly id: string; readonly atMs: number }
  | { readonly type: 'released' | 'aborted'; readonly sequence: number; readonly id: string }

type WithoutSequence<Event> = Event extends unknown ? Omit<Event, 'sequence'> : never

/** Events that are remembered for one that has not acknowledged them; beyond this, deletions wait for it. */
const unacknowledgedMax = 20_000

/**
 * An index that stands at sequence s does not know what came after s. So the store remembers the events until they are
 * acknowledged, and refuses to delete what a later one named.
 */
export class StoreEvents {
  readonly #listener: ((event: StoreEvent) => void) | undefined
  readonly #recent: StoreEvent[] = []
  /** Events up to this one are not remembered any more. */
  #forgotten = 0
  #sequence = 0

  constructor(listener: ((event: StoreEvent) => void) | undefined) {
    this.#listener = listener
  }

  /** The number of the latest event. */
  get sequence(): number {
    return this.#sequence
  }

  emit(event: WithoutSequence<StoreEvent>): void {
    const numbered = { ...event, sequence: ++this.#sequence } as StoreEvent
    this.#recent.push(numbered)
    // Cut by halves, so that the shift of the array is rare.
    if (this.#recent.length > unacknowledgedMax) this.#forget(this.#recent[unacknowledgedMax / 2]!.sequence)
    this.#listener?.(numbered)
  }

  /** The index has applied all events up to this one. */
  acknowledge(sequence: number): void {
    if (sequence > this.#forgotten) this.#forget(Math.min(sequence, this.#sequence))
  }

  /** Digests of a namespace that commits after `sequence` named; undefined when nobody remembers that far back. */
  namedAfter(sequence: number, namespace: string): ReadonlySet<Digest> | undefined {
    if (sequence < this.#forgotten) return undefined
    const digests = new Set<Digest>()
    for (const event of this.#recent) {
      if (event.sequence <= sequence || event.type !== 'committed' || namespaceOf(event.record.owners) !== namespace)
        continue
      for (const file of event.record.files) digests.add(file.digest)
    }
    return digests
  }

  /** True unless it is certain that nothing happened to the resource after `sequence`. */
  changedAfter(sequence: number, id: string): boolean {
    return sequence < this.#forgotten || this.#recent.some((event) => event.sequence > sequence && event.id === id)
  }

  #forget(sequence: number): void {
    const index = this.#recent.findIndex((event) => event.sequence > sequence)
    this.#recent.splice(0, index < 0 ? this.#recent.length : index)
    this.#forgotten = Math.max(this.#forgotten, sequence)
  }
}
