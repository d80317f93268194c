/** Many small files of a resource in one tar stream: one request, one synchronous write each. */
import { hash } from 'node:crypto'
import { digestOf, SupercargoError } from '@supercargo/protocol'
import { type EntrySink, readBundle } from '@supercargo/transfer'
import { fileMode } from './disk.ts'
import type { Fetch, FetchContext, Fetched } from './fetch-context.ts'
import type { SourceItem } from './sources/source.ts'
import { StallWatch } from './stall-watch.ts'

/** Files up to this size travel in a bundle: above it a request of its own costs less than what waiting in line costs. */
const bundledBytesMax = 512 * 1024

export function isBundled(sizeBytes: number): boolean {
  return sizeBytes <= bundledBytesMax
}

/**
 * Fetches as many as one bundle gives. What is missing in the end (the stream was cut, a file did not match) is not in the
 * result: each of those is then fetched by itself, where retries, resumption and errors are. Rejects only when the disk
 * fails or the signal aborts.
 */
export async function fetchBundle(
  fetches: ReadonlyMap<string, Fetch>,
  item: SourceItem,
  context: FetchContext,
  signal: AbortSignal,
): Promise<Map<Fetch, Fetched>> {
  const done = new Map<Fetch, Fetched>()
  const source = await context.sources.of(item)
  const began = context.clock.monotonic()
  const watch = new StallWatch(context.limits.idleTimeoutMs, source.shown(item), signal)
  let failed: unknown
  try {
    const opened = await source.bundle!(item, { sizeBytesMax: bundledBytesMax, signal: watch.signal })
    const waitingMs = Math.round(context.clock.monotonic() - began)
    await readBundle(opened.stream, (header) => {
      const fetch = fetches.get(header.name)
      if (fetch === undefined || header.type !== 'file' || header.sizeBytes !== fetch.sizeBytes || done.has(fetch))
        return passOver(watch)
      return gather(fetch, watch, (bytes) => {
        const digest = digestOf(hash('sha256', bytes, 'hex'))
        if (digest !== fetch.digest) return
        context.disk.writeSmall(fetch.path, [bytes], fileMode)
        context.syncs.add(fetch.path)
        context.progress.doneAtOnce(bytes.length)
        done.set(fetch, {
          sizeBytes: bytes.length,
          digest,
          attempts: 1,
          waitingMs,
          receivingMs: 0,
          hashingMs: 0,
          writingMs: 0,
        })
      })
    })
  } catch (error) {
    failed = error
  } finally {
    watch.stop()
  }
  signal.throwIfAborted()
  if (isOfDisk(failed)) throw failed
  if (failed !== undefined)
    context.log(
      `the bundle ended early (${failed instanceof Error ? failed.message : failed}); ${fetches.size - done.size} files are fetched one by one`,
    )
  return done
}

/** Bytes of an entry, handed over whole at its end. */
function gather(fetch: Fetch, watch: StallWatch, whole: (bytes: Uint8Array) => void): EntrySink {
  const chunks: Uint8Array[] = []
  return {
    write: (chunk) => {
      watch.saw(chunk.length)
      chunks.push(chunk)
      return undefined
    },
    end: () => {
      whole(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, fetch.sizeBytes!))
      return undefined
    },
  }
}

function passOver(watch: StallWatch): EntrySink {
  return {
    write: (chunk) => {
      watch.saw(chunk.length)
      return undefined
    },
    end: () => undefined,
  }
}

/** Failures that a second way of fetching would meet again. */
function isOfDisk(error: unknown): boolean {
  return (
    SupercargoError.is(error) &&
    ['exhausted', 'denied', 'internal'].includes(error.kind) &&
    /^(disk|permission|file-system)/.test(error.code)
  )
}
