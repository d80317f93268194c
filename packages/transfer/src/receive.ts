/** The byte pump: the body of an answer into a file or a function, bounded, with nothing between socket and disk. */
import type { Readable } from 'node:stream'
import { SupercargoError } from '@supercargo/protocol'
import { noteReceived } from './body-garbage.ts'
import { fromConnectionError } from './http-error.ts'
import { SocketBody } from './socket-body.ts'

export interface ReceiveOptions {
  /** More bytes than this are `corrupt` (code `too-many-bytes`): the source sends what was not announced. */
  readonly bytesMax?: number | undefined
  /** Fewer bytes than this at the end are `interrupted` (code `cut-short`). */
  readonly bytesExpected?: number | undefined
  /**
   * Chunks are lent: each may be used during its call of `write` only, and then costs neither an allocation nor a copy where the
   * stream can do that.
   */
  readonly lent?: boolean
  /** Names the source in errors; shown. */
  readonly source: string
}

/**
 * Hands the body's chunks to `write` in order. `write` returns undefined to go on at once or a promise to be waited for;
 * meanwhile the socket is paused. Resolves with the number of bytes when the body is complete by HTTP's own framing.
 */
export function receive(
  stream: Readable,
  write: (chunk: Buffer) => Promise<void> | undefined,
  options: ReceiveOptions,
): Promise<number> {
  return new Promise((resolve, reject) => {
    let bytes = 0
    let settled = false
    let ended = false
    let writing: Promise<void> = Promise.resolve()
    const settle = (error: unknown): void => {
      if (settled) return
      settled = true
      stream.off('data', take)
      if (error === undefined) return resolve(bytes)
      stream.on('error', () => {
        // The first failure is the one reported.
      })
      stream.destroy()
      reject(fromConnectionError(error, options.source))
    }
    const isLent = options.lent === true && stream instanceof SocketBody
    const take = (chunk: Buffer): void => {
      bytes += chunk.length
      if (!isLent) noteReceived(chunk.length)
      if (options.bytesMax !== undefined && bytes > options.bytesMax) {
        return settle(
          new SupercargoError(
            'corrupt',
            'too-many-bytes',
            `${options.source}: more than the ${options.bytesMax} bytes that were announced`,
          ),
        )
      }
      let wait: Promise<void> | undefined
      try {
        wait = write(chunk)
      } catch (error) {
        return settle(error)
      }
      if (wait === undefined) return
      stream.pause()
      writing = wait
      wait.then(() => stream.resume(), settle)
    }
    if (!isLent) stream.on('data', take)
    stream.once('error', settle)
    stream.once('end', () => {
      if (options.bytesExpected !== undefined && bytes < options.bytesExpected) {
        return settle(
          new SupercargoError(
            'interrupted',
            'cut-short',
            `${options.source}: ${bytes} of ${options.bytesExpected} bytes arrived`,
          ),
        )
      }
      ended = true
      // A paused stream says that it ended when its last chunk is out; the write of that chunk may still be under way.
      writing.then(() => settle(undefined), settle)
    })
    stream.once('close', () => {
      if (ended) return
      settle(
        new SupercargoError(
          'interrupted',
          'connection-lost',
          `${options.source}: the connection was cut after ${bytes} bytes`,
        ),
      )
    })
    if (isLent) stream.lend((chunk) => (settled ? undefined : take(chunk)))
    // Cut before anybody listened: it says nothing more.
    if (stream.destroyed) {
      settle(
        stream.errored ??
          new SupercargoError('interrupted', 'connection-lost', `${options.source}: the connection was cut`),
      )
    }
  })
}
