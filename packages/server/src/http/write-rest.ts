/** Writes a blob whose beginning may be there from an earlier try, and settles its writer whatever happens. */
import { SupercargoError } from '@supercargo/protocol'
import type { BlobWriter } from '../store/store.ts'

/** A `write` that passes over the first `bytes` of what it gets: the store holds them already. */
export function skipping(writer: BlobWriter, bytes: number): (chunk: Uint8Array) => Promise<void> | undefined {
  let left = bytes
  return (chunk) => {
    if (left === 0) return writer.write(chunk)
    const skipped = Math.min(left, chunk.length)
    left -= skipped
    return skipped === chunk.length ? undefined : writer.write(chunk.subarray(skipped))
  }
}

/**
 * After a failure: keeps what arrived, so that the next try goes on there; drops it where it is wrong. Resolves to the
 * bytes that are kept, undefined when nothing is known of them.
 */
export async function keepPrefix(writer: BlobWriter, failure: unknown): Promise<number | undefined> {
  // A newer writer has the bytes now.
  if (SupercargoError.is(failure) && failure.code === 'superseded') return undefined
  if (!SupercargoError.is(failure) || failure.kind !== 'corrupt') {
    try {
      return await writer.suspend()
    } catch {
      // What cannot be kept is dropped below; the first failure is the one that is reported.
    }
  }
  await writer.abort()
  return undefined
}
