/** `file:` URIs: bytes from a mounted volume, refused when the file changes while it is read. */
import { type FileHandle, open as openFile } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { printable, SupercargoError } from '@supercargo/protocol'
import { abortReason, fromFileSystemError } from '@supercargo/transfer'
import type { Facts, Opened, OpenOptions, Source, SourceItem } from './source.ts'

const blockBytes = 1 << 20

export function createFileSource(): Source {
  return {
    identity: (item) => `file:${pathOf(item)}`,
    shown: (item) => `file:${pathOf(item)}`,
    stat: async (item): Promise<Facts> => {
      const { handle, sizeBytes, etag } = await openRegular(pathOf(item))
      await handle.close()
      return { sizeBytes, etag }
    },
    open: async (item, options): Promise<Opened> => {
      const path = pathOf(item)
      if (options.signal?.aborted) throw abortReason(options.signal)
      const opened = await openRegular(path)
      const start = options.etag === opened.etag && options.offset <= opened.sizeBytes ? options.offset : 0
      const stream = Readable.from(blocks(path, opened, start, options), {
        objectMode: false,
        highWaterMark: 2 * blockBytes,
      })
      return {
        start,
        sizeBytes: opened.sizeBytes,
        etag: opened.etag,
        stream,
        discard: () => discard(stream, opened.handle),
      }
    },
    close: () => {},
  }
}

/** The path of a `file:` or `local:` URI. Throws kind `invalid` for one that names another host or is no path. */
export function pathOf(item: SourceItem): string {
  const uri = item.kind === 'uri' ? item.uri : ''
  try {
    return fileURLToPath(uri.replace(/^local:/i, 'file:').replace(/^file:(?=\/(?!\/))/i, 'file://'))
  } catch (error) {
    throw new SupercargoError('invalid', 'bad-uri', `the URI ${printable(uri)} is not a path of this machine`, {
      cause: error,
      hint: 'write file:///absolute/path',
    })
  }
}

interface OpenedFile {
  readonly handle: FileHandle
  readonly sizeBytes: number
  /** Inode, size and modification time: what changes when the file is replaced or written. */
  readonly etag: string
}

async function openRegular(path: string): Promise<OpenedFile> {
  let handle: FileHandle | undefined
  try {
    handle = await openFile(path, 'r')
    const stats = await handle.stat({ bigint: true })
    if (stats.isFile())
      return { handle, sizeBytes: Number(stats.size), etag: `"${stats.ino}-${stats.size}-${stats.mtimeNs}"` }
  } catch (error) {
    await handle?.close()
    throw fromFileSystemError(error, `cannot read ${path}`)
  }
  await handle.close()
  throw new SupercargoError('invalid', 'not-a-file', `${path} is not a regular file`)
}

async function* blocks(path: string, file: OpenedFile, start: number, options: OpenOptions): AsyncGenerator<Buffer> {
  try {
    for (let position = start; position < file.sizeBytes; ) {
      if (options.signal?.aborted) throw abortReason(options.signal)
      const buffer = Buffer.allocUnsafeSlow(Math.min(blockBytes, file.sizeBytes - position))
      const { bytesRead } = await file.handle.read(buffer, 0, buffer.length, position)
      if (bytesRead === 0) throw changed(path)
      position += bytesRead
      yield bytesRead === buffer.length ? buffer : buffer.subarray(0, bytesRead)
    }
    const after = await file.handle.stat({ bigint: true })
    if (`"${after.ino}-${after.size}-${after.mtimeNs}"` !== file.etag) throw changed(path)
  } catch (error) {
    throw fromFileSystemError(error, `cannot read ${path}`)
  } finally {
    await file.handle.close()
  }
}

function changed(path: string): SupercargoError {
  return new SupercargoError('corrupt', 'source-changed', `${path} changed while it was read`, {
    hint: 'do not change files while they are localized',
  })
}

/** A generator that never started runs no `finally`, so the handle is closed here as well; twice does no harm. */
function discard(stream: Readable, handle: FileHandle): void {
  stream.on('error', () => {
    // Nobody wants these bytes.
  })
  stream.destroy()
  handle.close().catch(() => {
    // It is closed already.
  })
}
