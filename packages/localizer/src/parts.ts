/** Which bytes of a file are still to come and who brings them: blocks in order, and at the end half of what the slowest has left. */

/** From (inclusive) and to (exclusive). */
export type Span = readonly [from: number, to: number]

/** A stretch that one connection brings. Its end moves: forward into the next block, back when another takes the rest. */
export interface Part {
  /** The next byte that comes. */
  at: number
  to: number
}

/** A rest that is shorter is left to whoever has it: a request of its own takes longer. */
const sharedBytesMin = 4 << 20

/** A piece of a checksum that is larger is not brought by one connection for its sake. */
const pieceBytesMax = 256 << 20

/**
 * Of a file of this size: large enough to make requests rare, small enough that what is complete grows from the start. Blocks end
 * where pieces of the checksum do, so that each connection brings whole ones.
 */
export function blockBytesOf(sizeBytes: number, pieceBytes = 1): number {
  const wanted = Math.max(16 << 20, Math.min(64 << 20, Math.ceil(sizeBytes / 32 / (1 << 20)) * (1 << 20)))
  return pieceBytes > pieceBytesMax ? wanted : Math.ceil(wanted / pieceBytes) * pieceBytes
}

export class Parts {
  readonly #blockBytes: number
  /** Unassigned, in order. */
  #free: Span[]
  readonly #active = new Set<Part>()
  readonly #sizeBytes: number
  #endedAt = 0

  /** `missing` in order. A size that is not known is infinite, and then there is one block. */
  constructor(sizeBytes: number, missing: readonly Span[], blockBytes = blockBytesOf(sizeBytes)) {
    this.#sizeBytes = sizeBytes
    this.#blockBytes = blockBytes
    this.#free = missing.filter(([from, to]) => from < to)
  }

  /** The next block, or half of the longest rest; undefined when there is nothing worth a connection. `give` it back or end it. */
  take(): Part | undefined {
    const part = this.#takeFree() ?? this.#share()
    if (part !== undefined) this.#active.add(part)
    return part
  }

  /** Lengthens a part that is at its end by the block behind it, if that is nobody's yet. */
  extend(part: Part): boolean {
    const next = this.#free[0]
    if (next === undefined || next[0] !== part.to) return false
    part.to = this.#takeFree()!.to
    return true
  }

  /** A part that is not worked on any more: what it has not brought is free again. */
  end(part: Part): void {
    this.#endedAt = Math.max(this.#endedAt, part.at)
    if (!this.#active.delete(part) || part.at >= part.to) return
    this.#free = [...this.#free, [part.at, part.to] as const].sort((a, b) => a[0] - b[0])
  }

  /** What is still to come, in order, without borders between what touches. */
  get missing(): Span[] {
    const active = [...this.#active].filter((part) => part.at < part.to).map((part) => [part.at, part.to] as const)
    const spans: Span[] = []
    for (const span of [...this.#free, ...active].sort((a, b) => a[0] - b[0])) {
      const last = spans.at(-1)
      if (last?.[1] === span[0]) spans[spans.length - 1] = [last[0], span[1]]
      else spans.push(span)
    }
    return spans
  }

  /** Of all parts that have ended: the size of an item of which it was not known. */
  get bytes(): number {
    return this.#sizeBytes === Number.POSITIVE_INFINITY ? this.#endedAt : this.#sizeBytes
  }

  /** Bytes that are there without a gap from the start. */
  get prefixBytes(): number {
    let prefix = this.#free[0]?.[0] ?? this.#sizeBytes
    for (const part of this.#active) if (part.at < part.to) prefix = Math.min(prefix, part.at)
    return prefix
  }

  #takeFree(): Part | undefined {
    const first = this.#free[0]
    if (first === undefined) return undefined
    const [from, to] = first
    const border = (Math.floor(from / this.#blockBytes) + 1) * this.#blockBytes
    const end = to === Number.POSITIVE_INFINITY ? to : Math.min(to, border)
    if (end === to) this.#free.shift()
    else this.#free[0] = [end, to]
    return { at: from, to: end }
  }

  #share(): Part | undefined {
    let longest: Part | undefined
    for (const part of this.#active)
      if (longest === undefined || part.to - part.at > longest.to - longest.at) longest = part
    if (longest === undefined || longest.to === Number.POSITIVE_INFINITY) return undefined
    if (longest.to - longest.at < 2 * sharedBytesMin) return undefined
    const middle = longest.at + Math.ceil((longest.to - longest.at) / 2)
    const shared = { at: middle, to: longest.to }
    longest.to = middle
    return shared
  }
}
