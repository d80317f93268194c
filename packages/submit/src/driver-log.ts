/** The log of a driver as it is written; a cut is continued where it was. */
import { type ApiClient, apiPath } from '@supercargo/kube'
import { SupercargoError } from '@supercargo/protocol'
import type { Clock } from '@supercargo/transfer'

export interface LogRequest {
  readonly client: ApiClient
  readonly namespace: string
  readonly pod: string
  readonly container: string
  readonly follow: boolean
  /** Lines from the end; all without it. */
  readonly tail?: number | undefined
  readonly clock: Clock
  readonly write: (text: string) => void
}

const attemptsMax = 5
const pauseMs = 1000

/** Resolves at the end of the log; with `follow`, that is the end of the container. */
export async function copyLog(request: LogRequest, signal: AbortSignal): Promise<void> {
  const position: Position = { after: undefined }
  for (let failures = 0; ; ) {
    try {
      const moved = await copyOnce(request, position, signal)
      if (!moved.cut) return
      failures = moved.lines > 0 ? 0 : failures + 1
    } catch (error) {
      if (signal.aborted || !SupercargoError.is(error) || !error.retry) throw error
      failures++
      if (failures >= attemptsMax) throw error
    }
    if (failures >= attemptsMax) return
    await request.clock.sleep(pauseMs, signal)
  }
}

interface Position {
  /** The time of the last line that was written out. */
  after: string | undefined
}

async function copyOnce(
  { client, namespace, pod, container, follow, tail, write }: LogRequest,
  position: Position,
  signal: AbortSignal,
): Promise<{ readonly cut: boolean; readonly lines: number }> {
  const what = `read the log of pod ${namespace}/${pod}`
  const query = {
    container,
    follow: String(follow),
    timestamps: 'true',
    ...(position.after === undefined ? { tailLines: tail } : { sinceTime: position.after }),
  }
  const path = apiPath('/api/v1', 'namespaces', namespace, 'pods', pod, 'log')
  const { body } = await client.open({ what, path, query, accept: '*/*' }, signal)
  const since = position.after
  const decoder = new TextDecoder()
  let rest = ''
  let lines = 0
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      const parts = (rest + decoder.decode(chunk, { stream: true })).split('\n')
      rest = parts.pop()!
      for (const part of parts) {
        const blank = part.indexOf(' ')
        const time = part.slice(0, blank)
        // The API counts in seconds: lines of the same second come once more.
        if (since !== undefined && time <= since) continue
        position.after = time
        lines++
        write(`${part.slice(blank + 1)}\n`)
      }
    }
    if (rest !== '') write(rest.slice(rest.indexOf(' ') + 1))
    return { cut: false, lines }
  } catch (error) {
    if (signal.aborted) throw error
    return { cut: true, lines }
  } finally {
    body.destroy()
  }
}
