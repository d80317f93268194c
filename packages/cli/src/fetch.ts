/** `supercargo fetch`: the bytes of a resource below a directory. */
import { formatBytes, formatDuration } from '@supercargo/protocol'
import { resourceSecret, withClient } from './connect.ts'
import type { Run } from './invocation.ts'
import { ProgressLine } from './progress.ts'
import { usageError } from './settings.ts'

export const fetch: Run = async ({ positionals, settings, io }) => {
  const [resourceId, ...paths] = positionals
  const to = settings.text('to')
  if (to === undefined) throw usageError('fetch needs a directory', 'name it with --to')
  const secret = await resourceSecret(settings)
  const progress = new ProgressLine(io, settings.on('quiet'))
  try {
    const { files, fetchedBytes } = await withClient(
      settings,
      (client) =>
        client.fetch({ resourceId: resourceId!, secret, paths, to, signal: io.signal, onProgress: progress.update }),
      (text) => progress.note(text),
    )
    const total = files.reduce((sum, file) => sum + file.sizeBytes, 0)
    const rest = fetchedBytes < total ? ', the rest was there' : ''
    const count = files.length === 1 ? '1 file' : `${files.length} files`
    progress.note(
      `${count} in ${to}: fetched ${formatBytes(fetchedBytes)} of ${formatBytes(total)} in ${formatDuration(progress.elapsedMs)}${rest}`,
    )
    if (settings.on('json')) io.stdout(`${JSON.stringify({ resourceId, to, files, fetchedBytes })}\n`)
  } finally {
    progress.clear()
  }
  return 0
}
