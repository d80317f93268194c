/** The bytes of one item into one partial file: by one connection, or by several where each of them is the limit. */
import { SupercargoError } from '@supercargo/protocol'
import { abortReason, receive } from '@supercargo/transfer'
import { ConnectionCount } from './connection-count.ts'
import type { Fetch, FetchContext } from './fetch-context.ts'
import type { PartialFile } from './partial.ts'
import type { Part, Parts } from './parts.ts'
import type { ReceiveTarget } from './receive-target.ts'
import type { Opened, Source } from './sources/source.ts'
import type { StallWatch } from './stall-watch.ts'

/** What is written before the journal of a file in parts says so again: the most that a kill costs beside the buffers. */
const notedBytes = 256 << 10
const lookMs = 50

export interface PartsRequest {
  readonly fetch: Fetch
  readonly source: Source
  readonly parts: Parts
  readonly target: ReceiveTarget
  readonly partial: PartialFile
  /** Bytes that are there when it begins. */
  readonly heldBytes: number
  readonly context: FetchContext
  readonly watch: StallWatch
  /** The stream that is open already, and where it begins and ends. */
  readonly first?: { readonly opened: Opened; readonly from: number; readonly to: number } | undefined
  /** Pins the version: with it, further connections may be opened. */
  readonly pinned?: { readonly etag: string; readonly sizeBytes: number } | undefined
  /** Looks at what is written, and where in the item it stands. */
  readonly inspect: (chunk: Buffer, position: number, opened: Opened) => void
}

/** Resolves when nothing is missing. After a failure everything is closed, and `parts.missing` is what is still to come. */
export async function receiveParts(request: PartsRequest): Promise<void> {
  const { context, watch } = request
  const run = new PartsRun(request)
  const count = new ConnectionCount()
  const more = (): void => {
    if (count.observe(run.bytes, context.clock.monotonic())) run.grow()
    else run.shrink()
  }
  const timer = request.pinned === undefined ? undefined : setInterval(more, lookMs)
  const stop = (): void => run.fail(abortReason(watch.signal))
  watch.signal.addEventListener('abort', stop, { once: true })
  try {
    await run.all()
  } finally {
    clearInterval(timer)
    watch.signal.removeEventListener('abort', stop)
  }
}

/** Ends a stream that goes on where another connection has taken over. */
const enough = new SupercargoError('interrupted', 'taken-over', 'another connection brings the rest')

class PartsRun {
  readonly #request: PartsRequest
  readonly #stop = new AbortController()
  readonly #lanes = new Set<Promise<void>>()
  #single = false
  #failure: { error: unknown } | undefined
  #unnoted = 0
  bytes = 0

  constructor(request: PartsRequest) {
    this.#request = request
  }

  async all(): Promise<void> {
    this.#start(this.#lane(this.#request.first))
    while (this.#lanes.size > 0) await Promise.all(this.#lanes)
    this.#note()
    if (this.#failure !== undefined) throw this.#failure.error
  }

  fail(error: unknown): void {
    this.#failure ??= { error }
    this.#stop.abort(error)
  }

  grow(): void {
    this.#single = false
    const { budget } = this.#request.context
    while (!this.#stop.signal.aborted && budget.tryEnter()) {
      const part = this.#request.parts.take()
      if (part === undefined) return budget.leave()
      this.#request.partial.divide(this.#request.pinned!.sizeBytes, this.#request.parts.missing)
      this.#start(this.#lane(undefined, part).finally(() => budget.leave()))
    }
  }

  /** Further connections end with the block that they are at. */
  shrink(): void {
    this.#single = true
  }

  #start(lane: Promise<void>): void {
    const running = lane
      .catch((error: unknown) => this.fail(error))
      .finally(() => {
        this.#lanes.delete(running)
      })
    this.#lanes.add(running)
  }

  /** One connection after the other, for one part after the other. */
  async #lane(first: PartsRequest['first'], given?: Part): Promise<void> {
    const { parts } = this.#request
    let part = given ?? parts.take()
    if (part === undefined) {
      first?.opened.discard()
      return
    }
    try {
      if (first !== undefined) await this.#drain(first.opened, first.from, first.to, part)
      else await this.#bring(part)
    } finally {
      parts.end(part)
    }
    while (!this.#stop.signal.aborted && !(this.#single && this.#lanes.size > 1)) {
      part = parts.take()
      if (part === undefined) return
      try {
        await this.#bring(part)
      } finally {
        parts.end(part)
      }
    }
  }

  async #bring(part: Part): Promise<void> {
    const { source, fetch, pinned } = this.#request
    const [offset, end, digestKnown] = [part.at, part.to, fetch.digest !== undefined]
    const signal = this.#stop.signal
    const opened = await source.open(fetch.item, { offset, end, etag: pinned?.etag, digestKnown, signal })
    await this.#drain(opened, offset, end, part)
  }

  async #drain(opened: Opened, from: number, to: number, part: Part): Promise<void> {
    const { fetch } = this.#request
    const length = to === Number.POSITIVE_INFINITY ? undefined : to - from
    const stop = (): void => opened.discard()
    this.#stop.signal.addEventListener('abort', stop, { once: true })
    try {
      await receive(opened.stream, (chunk) => this.#take(chunk, part, opened), {
        lent: true,
        bytesMax: length,
        bytesExpected: length,
        source: fetch.shown,
      })
      // The end of an item whose size was not known.
      if (part.to === Number.POSITIVE_INFINITY) part.to = part.at
    } catch (error) {
      opened.discard()
      if (error !== enough) throw error
    } finally {
      this.#stop.signal.removeEventListener('abort', stop)
    }
  }

  #take(chunk: Buffer, part: Part, opened: Opened): undefined {
    const { parts, target, context, watch, fetch } = this.#request
    watch.saw(chunk.length)
    for (let used = 0; used < chunk.length; ) {
      if (part.at >= part.to && !parts.extend(part)) throw enough
      const count = Math.min(chunk.length - used, part.to - part.at)
      const piece = count === chunk.length ? chunk : chunk.subarray(used, used + count)
      this.#request.inspect(piece, part.at, opened)
      target.write(piece, part.at)
      part.at += count
      this.bytes += count
      used += count
    }
    target.complete(parts.prefixBytes)
    context.progress.at(fetch.target, this.#request.heldBytes + this.bytes)
    this.#unnoted += chunk.length
    if (this.#unnoted >= notedBytes) this.#note()
    return undefined
  }

  #note(): void {
    this.#unnoted = 0
    this.#request.partial.lacks(this.#request.parts.missing)
  }
}
