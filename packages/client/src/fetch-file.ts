/** One file of a resource through its partial file: resumed where it was cut, verified, published. */
import { type Secret, type StagedFile, SupercargoError } from '@supercargo/protocol'
import { FileSink, type Hasher, type RetryOptions, receive, withRetry } from '@supercargo/transfer'
import type { Connection } from './connection.ts'
import { etagOf, openFile } from './download.ts'
import { damaged, type FetchTarget } from './fetch-target.ts'
import type { ProgressMeter } from './progress.ts'

/** What all transfers of one fetch share. */
export interface FetchFlow {
  readonly connection: Connection
  readonly resourceId: string
  readonly secret: Secret | undefined
  readonly signal: AbortSignal | undefined
  readonly retry: RetryOptions
  readonly target: FetchTarget
  readonly hasher: Hasher
  readonly meter: ProgressMeter
}

/** One file through its partial file. A part that turns out to be of something else is dropped once and fetched anew. */
export async function fetchFile(flow: FetchFlow, file: StagedFile, signal: AbortSignal): Promise<void> {
  let grew = false
  let distrusted = false
  await withRetry(
    async () => {
      grew = false
      const { digest, resumed } = await fetchPart(flow, file, signal, () => {
        grew = true
      })
      if (digest === file.digest) return flow.target.publish(file)
      await flow.target.dropPartial(file.digest)
      flow.meter.add(-file.sizeBytes)
      const error = damaged(file, digest)
      if (!resumed || distrusted) throw error
      distrusted = true
      throw new SupercargoError('interrupted', 'stale-part', `what was there of ${file.path} was something else`, {
        cause: error,
      })
    },
    { ...flow.retry, signal, progressed: () => grew },
  )
}

async function fetchPart(
  flow: FetchFlow,
  file: StagedFile,
  signal: AbortSignal,
  onGrowth: () => void,
): Promise<{ digest: StagedFile['digest']; resumed: boolean }> {
  const { resourceId, secret } = flow
  const { handle, offset } = await flow.target.openPartial(file)
  const partial = flow.target.partialPath(file.digest)
  const followed = flow.hasher.follow(partial)
  let counted = offset
  let done = false
  flow.meter.add(offset)
  try {
    let from = offset
    if (offset < file.sizeBytes || file.sizeBytes === 0) {
      const etag = etagOf(file.digest)
      const response = await openFile(flow.connection, { resourceId, secret, path: file.path, offset, etag, signal })
      if (response.status === 200 && offset > 0) {
        await handle.truncate(0)
        from = 0
      }
      flow.meter.add(from - counted)
      counted = from
      const sink = new FileSink(handle.fd, partial, from)
      const source = `${file.path} of ${resourceId}`
      try {
        await receive(
          response.stream,
          (chunk) => {
            counted += chunk.length
            flow.meter.add(chunk.length)
            followed.advance(sink.written)
            return sink.write(chunk)
          },
          { bytesMax: file.sizeBytes - from, bytesExpected: file.sizeBytes - from, source },
        )
      } finally {
        await sink.flush()
        if (sink.written > from) onGrowth()
      }
    }
    const digest = await followed.finish(file.sizeBytes)
    done = true
    return { digest, resumed: from > 0 }
  } finally {
    if (!done) {
      followed.abandon()
      flow.meter.add(-counted)
    }
    await handle.close()
  }
}
