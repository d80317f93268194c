/** One exchange with a source into one partial file: continues what is held where that is safe, and never stitches two versions. */
import { dirname } from 'node:path'
import { type Digest, printable, SupercargoError } from '@supercargo/protocol'
import { abortReason, fromFileSystemError, receive } from '@supercargo/transfer'
import { fileMode } from './disk.ts'
import type { Fetch, FetchContext } from './fetch-context.ts'
import type { PartialFile } from './partial.ts'
import {
  DirectTarget,
  directBytesMax,
  GatheredTarget,
  gatheredBytesMax,
  type ReceiveTarget,
  StreamedTarget,
} from './receive-target.ts'
import { RunningDigest } from './running-digest.ts'
import type { Opened } from './sources/source.ts'
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

/**
 * Resolves with the digest of the whole file. On failure the partial file holds what can be continued, or nothing. Throws
 * `Stale`, kind `range` and `source-changed` where the caller has to begin at 0.
 */
export async function receiveFile(
  fetch: Fetch,
  partial: PartialFile,
  context: FetchContext,
  signal: AbortSignal,
): Promise<Received> {
  if (fetch.digest !== undefined && fetch.sizeBytes === partial.heldBytes && partial.heldBytes > 0)
    return await rehash(fetch, partial, context)
  const source = await context.sources.of(fetch.item)
  const began = context.clock.monotonic()
  const watch = new StallWatch(context.limits.idleTimeoutMs, fetch.shown, signal)
  try {
    const offset = partial.continuable ? partial.heldBytes : 0
    const opened = await source.open(fetch.item, { offset, etag: partial.etag, signal: watch.signal })
    const answered = context.clock.monotonic()
    try {
      adopt(opened, offset, fetch, partial, context)
      const result = await pump(opened, fetch, partial, context, watch)
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
  opened: Opened,
  fetch: Fetch,
  partial: PartialFile,
  context: FetchContext,
  watch: StallWatch,
): Promise<Omit<Received, 'waitingMs'>> {
  // Encoded bytes have another size than the file; the digest decides about them.
  const sizeBytes = opened.contentEncoding === undefined ? (fetch.sizeBytes ?? opened.sizeBytes) : undefined
  const restBytes = sizeBytes === undefined ? undefined : sizeBytes - opened.start
  const target = targetFor(opened.start, sizeBytes, partial, context)
  const began = context.clock.monotonic()
  try {
    let first = opened.start === 0
    const take = (chunk: Buffer): Promise<void> | undefined => {
      if (first) {
        first = false
        refusePage(chunk, opened, fetch)
      }
      watch.saw(chunk.length)
      context.received(chunk.length)
      const wait = target.write(chunk)
      context.progress.at(fetch.target, target.position)
      return wait
    }
    await receive(opened.stream, take, { bytesMax: restBytes, bytesExpected: restBytes, source: fetch.shown })
    const receivedAt = context.clock.monotonic()
    watch.stop()
    const { digest, writtenAt, hashedAt } = await target.finish()
    partial.grownTo(target.position)
    return {
      sizeBytes: target.position,
      digest,
      encoding: opened.contentEncoding,
      receivingMs: receivedAt - began,
      hashingMs: hashedAt - writtenAt,
      writingMs: writtenAt - receivedAt,
    }
  } catch (error) {
    partial.grownTo(await target.keep())
    throw error
  } finally {
    await target.close()
  }
}

function targetFor(
  start: number,
  sizeBytes: number | undefined,
  partial: PartialFile,
  context: FetchContext,
): ReceiveTarget {
  if (start > 0 || sizeBytes === undefined || sizeBytes > directBytesMax)
    return new StreamedTarget(partial, context, start, sizeBytes)
  return sizeBytes > gatheredBytesMax ? new DirectTarget(partial, context) : new GatheredTarget(partial, context)
}

/** All bytes are held from an earlier run: no request is needed to find out whether they are right. */
async function rehash(fetch: Fetch, partial: PartialFile, context: FetchContext): Promise<Received> {
  const began = context.clock.monotonic()
  const running = RunningDigest.begin(context.hasher, partial.path, partial.heldBytes, partial.heldBytes)
  const digest = await running.finish(partial.heldBytes)
  context.progress.at(fetch.target, partial.heldBytes)
  try {
    const fd = context.disk.open(partial.path, false)
    context.disk.setMode(fd, fileMode)
    await context.disk.close(fd)
  } catch (error) {
    throw fromFileSystemError(error, `cannot open ${partial.path}`)
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
