/** What a run has done so far and what each unfinished item waits for: for progress lines and for the message of a deadline. */
import { formatBytes, formatDuration } from '@supercargo/protocol'

export interface ProgressState {
  readonly files: number
  readonly filesTotal: number
  readonly bytes: number
  /** Of the items whose size is known. */
  readonly bytesTotal: number
}

interface ItemState {
  bytes: number
  sizeBytes: number | undefined
  failures: number
  last: string | undefined
}

/** Unfinished items that a message names; the others are counted. */
const namedMax = 5

export class Progress {
  readonly #listener: ((state: ProgressState) => void) | undefined
  readonly #running = new Map<string, ItemState>()
  #files = 0
  #filesTotal = 0
  #bytes = 0
  #bytesTotal = 0
  #waiting = 0

  constructor(listener?: (state: ProgressState) => void) {
    this.#listener = listener
  }

  get state(): ProgressState {
    return { files: this.#files, filesTotal: this.#filesTotal, bytes: this.#bytes, bytesTotal: this.#bytesTotal }
  }

  expect(sizeBytes: number | undefined): void {
    this.#filesTotal++
    this.#waiting++
    this.#bytesTotal += sizeBytes ?? 0
  }

  /** An expected item is being worked on, or something that is not counted (a manifest). */
  begin(target: string, sizeBytes: number | undefined, expected = false): void {
    if (expected) this.#waiting--
    this.#running.set(target, { bytes: 0, sizeBytes, failures: 0, last: undefined })
  }

  /** Bytes of an item that are there, from its start. */
  at(target: string, bytes: number): void {
    const item = this.#running.get(target)
    if (item === undefined) return
    this.#bytes += bytes - item.bytes
    item.bytes = bytes
    this.#listener?.(this.state)
  }

  failed(target: string, reason: string): void {
    const item = this.#running.get(target)
    if (item === undefined) return
    item.failures++
    item.last = reason
  }

  /** Something that was not counted is over. */
  end(target: string): void {
    this.#running.delete(target)
  }

  done(target: string): void {
    this.#running.delete(target)
    this.#files++
    this.#listener?.(this.state)
  }

  /** A small file that came with others. */
  doneAtOnce(bytes: number): void {
    this.#waiting--
    this.#files++
    this.#bytes += bytes
    this.#listener?.(this.state)
  }

  /** `b.jar: 12 of 40 MiB, 3 failures, last: connection refused`. */
  describeUnfinished(): string {
    const lines = [...this.#running].slice(0, namedMax).map(([target, item]) => describe(target, item))
    const rest = this.#running.size - lines.length + this.#waiting
    return [...lines, ...(rest > 0 ? [`${rest} more`] : [])].join('; ')
  }
}

function describe(target: string, item: ItemState): string {
  const size = item.sizeBytes === undefined ? '' : ` of ${formatBytes(item.sizeBytes)}`
  const failures =
    item.failures === 0 ? '' : `, ${item.failures} ${item.failures === 1 ? 'failure' : 'failures'}, last: ${item.last}`
  return `${target}: ${formatBytes(item.bytes)}${size}${failures}`
}

/** One line about a running localization. */
export function progressLine(state: ProgressState, elapsedMs: number): string {
  const total = state.bytesTotal > 0 ? ` of ${formatBytes(Math.max(state.bytesTotal, state.bytes))}` : ''
  const rate = elapsedMs > 0 ? `, ${formatBytes(Math.round((state.bytes / elapsedMs) * 1000))}/s` : ''
  return `${state.files} of ${state.filesTotal} files, ${formatBytes(state.bytes)}${total} in ${formatDuration(elapsedMs)}${rate}`
}
