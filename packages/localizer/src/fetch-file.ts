/** One file from its source, complete and verified, through cuts, stalls, restarts and changes at the other end. */
import { SupercargoError, toSupercargoError } from '@supercargo/protocol'
import { withRetry } from '@supercargo/transfer'
import type { Fetch, FetchContext, Fetched } from './fetch-context.ts'
import { itemError } from './item-error.ts'
import { PartialFile } from './partial.ts'
import { type Received, receiveFile, Stale } from './receive-file.ts'

/** Versions of a source that are begun before it counts as being written to; mismatching digests before it counts as wrong. */
const changesMax = 3
const mismatchesMax = 2

/**
 * Resolves when the bytes at `fetch.path` are complete and have the known digest and size; making them durable is left to
 * the sync queue. Transient failures are tried again here and nowhere else. What fails for good carries the target's name.
 */
export async function fetchFile(fetch: Fetch, context: FetchContext, signal: AbortSignal): Promise<Fetched> {
  const partial = new PartialFile(fetch.path, fetch.digest, context.disk)
  let attempts = 0
  context.progress.begin(fetch.target, fetch.sizeBytes, true)
  try {
    await partial.load(fetch.sizeBytes)
    let bestBytes = partial.broughtBytes
    const restarts: Restarts = { changes: 0, mismatches: 0, single: false }
    const received = await withRetry(
      async () => {
        attempts++
        return await untilSettled(fetch, partial, context, signal, restarts)
      },
      {
        attemptsMax: context.limits.attemptsMax,
        deadlineAtMs: context.deadlineAtMs,
        signal,
        clock: context.clock,
        progressed: () => {
          const grown = partial.broughtBytes > bestBytes
          bestBytes = Math.max(bestBytes, partial.broughtBytes)
          return grown
        },
        onRetry: (failure) => context.progress.failed(fetch.target, failure.message),
      },
    )
    context.syncs.add(fetch.path)
    context.progress.done(fetch.target)
    const { sizeBytes, digest } = received
    return { sizeBytes, digest, attempts, ...roundedTimes(received) }
  } catch (error) {
    if (!signal.aborted) context.progress.failed(fetch.target, toSupercargoError(error).message)
    throw itemError(error, { target: fetch.target, shown: fetch.shown, attempts })
  }
}

interface Restarts {
  changes: number
  mismatches: number
  /** A part could not be had: from then on one connection brings it all. */
  single: boolean
}

/**
 * Attempts without waiting between them, for what is no failure of the network: a range that cannot be used, a version that
 * has changed, bytes that do not match. Each begins from 0, and each has its bound.
 */
async function untilSettled(
  fetch: Fetch,
  partial: PartialFile,
  context: FetchContext,
  signal: AbortSignal,
  restarts: Restarts,
): Promise<Received> {
  for (;;) {
    const heldBytes = partial.broughtBytes
    try {
      const received = await receiveFile(fetch, partial, context, signal, restarts.single)
      if (fetch.digest === undefined || received.digest === fetch.digest) return received
      throw digestMismatch(fetch, received)
    } catch (error) {
      if (partial.isInParts && SupercargoError.is(error) && error.kind === 'range') {
        restarts.single = true
        partial.reset()
        continue
      }
      if (signal.aborted || !startsAnew(error, heldBytes, restarts)) throw error
      partial.reset()
    }
  }
}

/** Whether a failure is answered by beginning at 0 again. */
function startsAnew(error: unknown, heldBytes: number, restarts: Restarts): boolean {
  if (error instanceof Stale) return heldBytes > 0
  if (!SupercargoError.is(error)) return false
  if (error.kind === 'range') return heldBytes > 0
  if (error.code === 'digest-mismatch' || error.code === 'checksum-mismatch')
    return ++restarts.mismatches < mismatchesMax
  if (error.code !== 'source-changed') return false
  if (++restarts.changes < changesMax) return true
  throw new SupercargoError('corrupt', 'source-changing', `${error.message}, ${changesMax} times`, {
    cause: error,
    hint: 'something writes to the source; localize when it has finished, or name a version that does not change',
  })
}

/** Of the exchange that completed the file. */
function roundedTimes(received: Received): Pick<Fetched, 'waitingMs' | 'receivingMs' | 'hashingMs' | 'writingMs'> {
  return {
    waitingMs: Math.round(received.waitingMs),
    receivingMs: Math.round(received.receivingMs),
    hashingMs: Math.round(received.hashingMs),
    writingMs: Math.round(received.writingMs),
  }
}

function digestMismatch(fetch: Fetch, received: Received): SupercargoError {
  const hint =
    received.encoding === undefined
      ? 'the source has other bytes than the plan was made for'
      : `the server encoded the bytes (${received.encoding}) although it was asked not to`
  return new SupercargoError(
    'corrupt',
    'digest-mismatch',
    `the bytes of ${fetch.shown} have the digest ${received.digest}, and ${fetch.digest} is expected`,
    { hint },
  )
}
