/** The upload pump: a request's body into a function, chunk by chunk, with nothing in between. */
import type { Readable } from 'node:stream'
import { SupercargoError } from '@supercargo/protocol'
import { noteReceived } from '@supercargo/transfer'

export interface ReceiveOptions {
  readonly signal: AbortSignal
  /** More is `tooLarge`. */
  readonly bytesMax: number
}

/**
 * Hands the chunks to `write` in order; it returns undefined to go on at once, or a promise to be waited for. Resolves with
 * the number of bytes when the body is complete. On failure the body is left where it is, paused: whether it is drained or
 * cut is the answer's concern.
 */
export function receiveBody(
  request: Readable,
  write: (chunk: Buffer) => Promise<void> | undefined,
  options: ReceiveOptions,
): Promise<number> {
  return new Promise((resolve, reject) => {
    let bytes = 0
    let settled = false
    let writing = false
    let ended = false
    const settle = (error: unknown): void => {
      if (settled) return
      settled = true
      request.off('data', take)
      request.off('end', onEnd)
      request.off('close', onClose)
      options.signal.removeEventListener('abort', onAbort)
      if (error === undefined) return resolve(bytes)
      request.pause()
      reject(error)
    }
    const take = (chunk: Buffer): void => {
      bytes += chunk.length
      noteReceived(chunk.length)
      if (bytes > options.bytesMax) return settle(bodyTooLarge(options.bytesMax))
      let wait: Promise<void> | undefined
      try {
        wait = write(chunk)
      } catch (error) {
        return settle(error)
      }
      if (wait === undefined) return
      writing = true
      request.pause()
      wait.then(() => {
        writing = false
        if (ended) settle(undefined)
        else if (!settled) request.resume()
      }, settle)
    }
    // A paused stream still says that it ended when its last chunk is out: what was taken must be written first.
    const onEnd = (): void => {
      ended = true
      if (!writing) settle(undefined)
    }
    const onClose = (): void => {
      if (!ended) settle(clientGone(bytes))
    }
    const onAbort = (): void => settle(options.signal.reason)
    if (options.signal.aborted) return settle(options.signal.reason)
    if (request.destroyed && !request.readableEnded) return settle(clientGone(0))
    if (request.readableEnded) return settle(undefined)
    options.signal.addEventListener('abort', onAbort, { once: true })
    // 'close' follows every error and says the same; a listener keeps the error from being unhandled.
    request.on('error', ignoreError)
    request.on('end', onEnd)
    request.on('close', onClose)
    request.on('data', take)
    request.resume()
  })
}

/** A small body as text. */
export async function receiveText(request: Readable, options: ReceiveOptions): Promise<string> {
  const chunks: Buffer[] = []
  await receiveBody(
    request,
    (chunk) => {
      chunks.push(chunk)
      return undefined
    },
    options,
  )
  return decodeText(Buffer.concat(chunks))
}

/** UTF-8 or an error: a replacement character would change names silently. A byte order mark is dropped. */
export function decodeText(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (error) {
    throw new SupercargoError('invalid', 'bad-encoding', 'the text is not UTF-8', { cause: error })
  }
}

export function bodyTooLarge(bytesMax: number): SupercargoError {
  return new SupercargoError('tooLarge', 'body-too-large', `the body is larger than ${bytesMax} bytes`, {
    context: { bytesMax },
  })
}

export function clientGone(bytes: number): SupercargoError {
  return new SupercargoError('interrupted', 'client-gone', `the connection was cut after ${bytes} bytes of the body`)
}

function ignoreError(): void {
  // The error's meaning arrives with 'close'.
}
