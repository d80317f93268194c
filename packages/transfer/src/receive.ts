/** The byte pump: the body of an answer into a file or a function, bounded, with nothing between socket and disk. */
import type { IncomingMessage } from 'node:http'
import { SupercargoError } from '@supercargo/protocol'
import { fromConnectionError } from './http-error.ts'

export interface ReceiveOptions {
  /** More bytes than this are `corrupt` (code `too-many-bytes`): the source sends what was not announced. */
  readonly bytesMax?: number | undefined
  /** Fewer bytes than this at the end are `interrupted` (code `cut-short`). */
  readonly bytesExpected?: number | undefined
  /** Names the source in errors; shown. */
  readonly source: string
}

/**
 * Hands the body's chunks to `write` in order. `write` returns undefined to go on at once or a promise to be waited for;
 * meanwhile the socket is paused. Resolves with the number of bytes when the body is complete by HTTP's own framing.
 */
export function receive(
  stream: IncomingMessage,
  write: (chunk: Buffer) => Promise<void> | undefined,
  options: ReceiveOptions,
): Promise<number> {
  return new Promise((resolve, reject) => {
    let bytes = 0
    let settled = false
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
    const take = (chunk: Buffer): void => {
      bytes += chunk.length
      if (options.bytesMax !== undefined && bytes > options.bytesMax) {
        return settle(
          new SupercargoError(
            'corrupt',
            'too-many-bytes',
            `${options.source}: more than the ${options.bytesMax} bytes that were announced`,
          ),
        )
      }
      const wait = write(chunk)
      if (wait === undefined) return
      stream.pause()
      wait.then(() => stream.resume(), settle)
    }
    stream.on('data', take)
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
      settle(undefined)
    })
    stream.once('close', () =>
      settle(
        new SupercargoError(
          'interrupted',
          'connection-lost',
          `${options.source}: the connection was cut after ${bytes} bytes`,
        ),
      ),
    )
  })
}
