/** The bytes of one pinned file from a DataNode: of the length that was seen, confirmed at the end. */
import { Readable } from 'node:stream'
import { SupercargoError } from '@supercargo/protocol'
import type { DataAnswer } from './data-nodes.ts'
import type { FileStatus } from './file-status.ts'
import { PinnedStream } from './pinned-stream.ts'
import type { WebHdfs } from './web-hdfs.ts'

export interface PinnedFile {
  readonly client: WebHdfs
  readonly path: string
  /** How the file is called in messages. */
  readonly name: string
  readonly status: FileStatus
  readonly signal: AbortSignal | undefined
  /** Rejects when the version is another by now: what was read may be of both. */
  confirm(): Promise<void>
  /** DataNodes that are not asked. */
  readonly excluded: readonly string[]
  exclude(host: string): void
  includeAll(): void
}

/** Ends cleanly only when every byte from `start` to `end` is of this version. */
export async function openFile(file: PinnedFile, start: number, end: number): Promise<Readable> {
  if (start === end) {
    await file.confirm()
    return Readable.from([], { objectMode: false })
  }
  const answer = await ask(file, start, end)
  return new PinnedStream(answer.response.stream, {
    name: file.name,
    bytesExpected: end - start,
    confirm: () => file.confirm(),
    failed: () => {
      if (file.signal?.aborted !== true) file.exclude(answer.host)
    },
  })
}

async function ask(file: PinnedFile, start: number, end: number): Promise<DataAnswer> {
  const { client, path, name, excluded, signal } = file
  try {
    const answer = await client.open(path, { offset: start, length: end - start, excluded }, signal)
    checkLength(answer, end - start, name)
    return answer
  } catch (error) {
    if (!SupercargoError.is(error) || signal?.aborted) throw error
    const { dataNode } = error.context
    if (error.code === 'block-missing') file.includeAll()
    else if (error.retry && typeof dataNode === 'string') file.exclude(dataNode)
    throw error
  }
}

/** A DataNode that could not read answers 200 and ends; one that sees another length has another version. */
function checkLength({ response }: DataAnswer, length: number, name: string): void {
  const announced = response.headers['content-length']
  if (announced === undefined || Number(announced) === length) return
  response.discard()
  throw new SupercargoError(
    'corrupt',
    'source-changed',
    `${name}: ${announced} bytes are offered where there were ${length}`,
  )
}
