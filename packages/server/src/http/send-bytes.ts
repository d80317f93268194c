/**
 * The download pump: two reused buffers, one is read while the other is written. Measured at 0.37–0.38 CPU seconds per
 * GiB, half of a read stream in a pipeline, and it makes no garbage. Where many readers want the same bytes, they are
 * written from memory that all share, and the buffers are not even taken.
 */
import type { ServerResponse } from 'node:http'
import { SupercargoError } from '@supercargo/protocol'
import type { BufferPair, BufferPool } from './buffer-pool.ts'
import type { ByteSource } from './byte-source.ts'
import type { SharedWindow } from './shared-reads.ts'

export interface SendOptions {
  readonly pool: BufferPool
  /** A reader that takes nothing for this long is cut off. */
  readonly writeIdleMs: number
  /** Called once, when the first bytes were handed over (for an empty source, at the end). */
  readonly onFirstBytes?: (() => void) | undefined
}

/**
 * Sends all of `source` as the body of an answer whose head is written, and ends it. On any failure the connection is
 * destroyed: a short body never looks complete. Closes the source in every case.
 */
export async function sendBytes(response: ServerResponse, source: ByteSource, options: SendOptions): Promise<void> {
  let pair: BufferPair | undefined
  let window: SharedWindow | undefined
  const writes: [Promise<void> | undefined, Promise<void> | undefined] = [undefined, undefined]
  const connection = watchConnection(response, options.writeIdleMs)
  const letGo = (unused: Promise<unknown>): void => {
    pair?.release(unused)
    const held = window
    if (held !== undefined) void unused.then(() => held.release())
  }
  try {
    let remaining = source.sizeBytes
    let first = true
    for (let turn: 0 | 1 = 0; remaining > 0; turn = turn === 0 ? 1 : 0) {
      // A buffer is free again only after the callback of its own write.
      await connection.or(writes[turn])
      // One window at a time: there are others to write to meanwhile.
      if (window !== undefined) await connection.or(writes[turn === 0 ? 1 : 0])
      window?.release()
      window = undefined
      window = await source.lend?.()
      if (window === undefined) pair ??= options.pool.take(source.sizeBytes)
      const bytes = window?.bytes ?? (await fill(pair!.buffers[turn], source))
      if (bytes.length === 0)
        throw new SupercargoError('corrupt', 'blob-short', `${remaining} bytes are missing at the end`)
      remaining -= bytes.length
      writes[turn] = write(response, bytes)
      // A failure is seen at the await above; this keeps it from counting as unhandled until then.
      writes[turn]?.catch(() => undefined)
      if (first) options.onFirstBytes?.()
      first = false
    }
    await connection.or(writes[0])
    await connection.or(writes[1])
    if (first) options.onFirstBytes?.()
    await connection.or(new Promise<void>((resolve) => response.end(resolve)))
  } catch (error) {
    connection.stop()
    // The buffers may still be queued in the socket, and nobody else gets them before it has let them go.
    letGo(Promise.allSettled(writes))
    await source.close().finally(() => response.destroy())
    throw error
  }
  connection.stop()
  letGo(Promise.resolve())
  await source.close()
}

async function fill(buffer: Buffer, source: ByteSource): Promise<Buffer> {
  return buffer.subarray(0, await source.read(buffer))
}

function write(response: ServerResponse, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    response.write(bytes, (error) => (error === null || error === undefined ? resolve() : reject(readerGone(error))))
  })
}

interface Connection {
  /** Waits for `step`, or rejects as soon as the connection is lost. One wait at a time. */
  or(step: Promise<void> | undefined): Promise<void>
  stop(): void
}

/** Not a race with one long-lived promise: that would keep a reaction per buffer on the heap until the end. */
function watchConnection(response: ServerResponse, writeIdleMs: number): Connection {
  let lost: SupercargoError | undefined
  let rejectStep: ((error: SupercargoError) => void) | undefined
  const lose = (error: SupercargoError): void => {
    lost ??= error
    rejectStep?.(lost)
  }
  const onClose = (): void => {
    if (!response.writableFinished) lose(readerGone(response.errored ?? undefined))
  }
  const onError = (error: Error): void => lose(readerGone(error))
  response.on('close', onClose)
  response.on('error', onError)
  response.setTimeout(writeIdleMs, () => {
    lose(new SupercargoError('interrupted', 'reader-idle', `the reader took nothing for ${writeIdleMs} ms`))
  })
  if (response.destroyed) onClose()
  return {
    or(step) {
      if (lost !== undefined) return Promise.reject(lost)
      if (step === undefined) return Promise.resolve()
      return new Promise((resolve, reject) => {
        rejectStep = reject
        step.then(resolve, reject)
      })
    },
    stop() {
      response.off('close', onClose)
      // The error listener stays: a late error of a destroyed answer has no other reader.
    },
  }
}

function readerGone(cause: unknown): SupercargoError {
  return new SupercargoError('interrupted', 'client-gone', 'the reader closed the connection before the end', { cause })
}
