/** One exchange with a source into one partial file: continues what is held where that is safe, and never stitches two versions. */
import { dirname } from 'node:path'
import { type Digest, printable, SupercargoError } from '@supercargo/protocol'
import { abortReason } from '@supercargo/transfer'
import { fileMode } from './disk.ts'
import type { Fetch, FetchContext } from './fetch-context.ts'
import type { PartialFile } from './partial.ts'
import { blockBytesOf, Parts } from './parts.ts'
import { receiveParts } from './receive-parts.ts'
import { ReceiveTarget } from './receive-target.ts'
import { RunningChecksum } from './running-checksum.ts'
import { RunningDigest } from './running-digest.ts'
import type { Opened, Source } from './sources/source.ts'
import { StallWatch } from './stall-watch.ts'

export interface Received {
  readonly sizeBytes: number
  readonly digest: Digest
  /** The Content-Encoding that the server added unasked. */
  readonly encoding: string | undefined
  readonly waitingMs: number
  readonly receivingMs: number
  readonly hashingMs: number
  readonly writingMs: number
}

/** What is held cannot be continued with what the source offers now: begin at 0. */
export class Stale extends Error {}

/** A rest that is smaller is not worth a second connection. */
const dividedBytesMin = 32 << 20

interface Receiving {
  readonly fetch: Fetch
  readonly partial: PartialFile
  readonly context: FetchContext
  readonly watch: StallWatch
  readonly signal: AbortSignal
  /** One connection only: the place cannot give parts. */
  readonly single: boolean
}

/**
 * Resolves with the digest of the whole file. On failure the partial file holds what can be continued, or nothing. Throws
 * `Stale`, kind `range` and `source-changed` where the caller has to begin at 0.
 */
export async function receiveFile(
  fetch: Fetch,
  partial: PartialFile,
  context: FetchContext,
  signal: AbortSignal,
  single = false,
): Promise<Received> {
  if (fetch.digest !== undefined && fetch.sizeBytes === partial.heldBytes && partial.heldBytes > 0)
    return await rehash(fetch, partial, context)
  const source = await context.sources.of(fetch.item)
  const began = context.clock.monotonic()
  const watch = new StallWatch(context.limits.idleTimeoutMs, fetch.shown, signal)
  const receiving = { fetch, partial, context, watch, signal, single }
  try {
    if (partial.isInParts) return { ...(await pump(undefined, source, receiving)), waitingMs: 0 }
    const offset = partial.continuable ? partial.heldBytes : 0
    const digestKnown = fetch.digest !== undefined
    const opened = await source.open(fetch.item, { offset, etag: partial.etag, digestKnown, signal: watch.signal })
    const answered = context.clock.monotonic()
    try {
      adopt(opened, offset, fetch, partial, context)
      const result = await pump(opened, source, receiving)
      return { ...result, waitingMs: answered - began }
    } catch (error) {
      opened.discard()
      throw error
    }
  } catch (error) {
    throw watch.signal.aborted ? abortReason(watch.signal) : error
  } finally {
    watch.stop()
  }
}

/** Compares what the source offers with what is held and what is known, and prepares the partial file for the bytes. */
function adopt(opened: Opened, offset: number, fetch: Fetch, partial: PartialFile, context: FetchContext): void {
  const total = opened.sizeBytes
  if (opened.start !== 0 && opened.start !== offset)
    throw new Stale(`${fetch.shown} offers bytes from ${opened.start} instead of ${offset}`)
  const held = offset > 0 && partial.etag !== undefined
  if (held && fetch.digest === undefined && opened.etag !== partial.etag) {
    throw new SupercargoError('corrupt', 'source-changed', `${fetch.shown} changed while it was fetched`)
  }
  if (opened.contentEncoding !== undefined && fetch.digest === undefined) {
    throw new SupercargoError(
      'corrupt',
      'content-encoded',
      `${fetch.shown} sends its bytes encoded (${printable(opened.contentEncoding).slice(1, -1)}) although it was asked not to`,
      {
        hint: 'switch the compression off for this path, or give the digest of the bytes in the plan',
      },
    )
  }
  if (fetch.sizeBytes !== undefined && total !== undefined && total !== fetch.sizeBytes) {
    throw new SupercargoError(
      'corrupt',
      'size-mismatch',
      `${fetch.shown} has ${total} bytes, and ${fetch.sizeBytes} are expected`,
    )
  }
  if (!fetch.claimed && total !== undefined) context.space.claim(dirname(fetch.path), total - opened.start)
  if (opened.start === 0 && partial.heldBytes > 0) partial.reset()
  partial.begin(opened.etag, total ?? fetch.sizeBytes)
}

async function pump(
  opened: Opened | undefined,
  source: Source,
  receiving: Receiving,
): Promise<Omit<Received, 'waitingMs'>> {
  const { fetch, partial, context, watch, single } = receiving
  // Encoded bytes have another size than the file; the digest decides about them.
  const encoding = opened?.contentEncoding
  const sizeBytes =
    encoding === undefined ? (partial.parts?.sizeBytes ?? fetch.sizeBytes ?? opened?.sizeBytes) : undefined
  const from = opened?.start ?? partial.heldBytes
  const end = sizeBytes ?? Number.POSITIVE_INFINITY
  const etag = partial.etag
  const mayDivide = source.ranges === true && !single && etag !== undefined && sizeBytes !== undefined
  const target = new ReceiveTarget(partial, context, partial.heldBytes, sizeBytes)
  const began = context.clock.monotonic()
  let checksum = opened === undefined ? undefined : runningChecksum(opened, fetch)
  const parts = new Parts(end, partial.parts?.missing ?? [[from, end]], blockBytesOf(end, checksum?.pieceBytes))
  context.budget.enter()
  try {
    await receiveParts({
      ...{ fetch, source, parts, target, partial, context, watch },
      heldBytes: partial.broughtBytes,
      first: opened === undefined ? undefined : { opened, from, to: end },
      pinned: mayDivide && end - from >= dividedBytesMin ? { etag, sizeBytes } : undefined,
      inspect: (chunk, position, of) => {
        if (position === 0) refusePage(chunk, of, fetch)
        checksum ??= runningChecksum(of, fetch)
        checksum?.update(chunk, position)
      },
    })
    const receivedAt = context.clock.monotonic()
    watch.stop()
    const size = sizeBytes ?? parts.bytes
    const digest = await target.finish(size)
    partial.grownTo(size)
    await compare(checksum, size, digest, receiving)
    const hashedAt = context.clock.monotonic()
    return {
      sizeBytes: size,
      digest,
      encoding,
      receivingMs: receivedAt - began,
      hashingMs: hashedAt - receivedAt,
      writingMs: target.writingMs,
    }
  } catch (error) {
    if (!partial.continuable) partial.grownTo(0)
    throw error
  } finally {
    context.budget.leave()
    target.close()
  }
}

/** A digest that is known says more. */
function runningChecksum(opened: Opened, fetch: Fetch): RunningChecksum | undefined {
  const { checksum, contentEncoding } = opened
  if (checksum === undefined || contentEncoding !== undefined || fetch.digest !== undefined) return undefined
  return new RunningChecksum(checksum)
}

/** What is complete and wrong must not be found complete by the next run. */
async function compare(
  checksum: RunningChecksum | undefined,
  sizeBytes: number,
  digest: Digest,
  { fetch, partial, signal }: Receiving,
): Promise<void> {
  try {
    await checksum?.verify(partial.path, sizeBytes, digest, fetch.shown, signal)
  } catch (error) {
    if (SupercargoError.is(error) && error.kind === 'corrupt') partial.reset()
    throw error
  }
}

/** All bytes are held from an earlier run: no request is needed to find out whether they are right. */
async function rehash(fetch: Fetch, partial: PartialFile, context: FetchContext): Promise<Received> {
  const began = context.clock.monotonic()
  const running = RunningDigest.begin(partial.path, partial.heldBytes, partial.heldBytes, context.hasher)
  const digest = await running.finish(partial.heldBytes)
  context.progress.at(fetch.target, partial.heldBytes)
  const fd = context.disk.open(partial.path, false)
  try {
    context.disk.setMode(fd, fileMode)
  } finally {
    context.disk.closeAtOnce(fd)
  }
  return {
    sizeBytes: partial.heldBytes,
    digest,
    encoding: undefined,
    waitingMs: 0,
    receivingMs: 0,
    hashingMs: context.clock.monotonic() - began,
    writingMs: 0,
  }
}

const archiveName = /\.(jar|zip|whl|egg|tgz|gz|tar|zst|so)$/i

/** A login page or a proxy's complaint with status 200, where an archive should be. */
function refusePage(chunk: Buffer, opened: Opened, fetch: Fetch): void {
  if (fetch.digest !== undefined || !/^text\/html\b/i.test(opened.contentType ?? '')) return
  if (!archiveName.test(fetch.target) || !/^\s*</.test(chunk.subarray(0, 256).toString('latin1'))) return
  throw new SupercargoError(
    'corrupt',
    'html-page',
    `what ${fetch.shown} sends looks like an HTML page, not like ${printable(fetch.target)}`,
    {
      hint: 'is a login page or a proxy in between? give credentials for the origin, or the digest in the plan',
    },
  )
}
