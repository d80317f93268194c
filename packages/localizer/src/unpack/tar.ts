/** Tar archives, plain or compressed, in one pass from disk to disk. */
import { createReadStream } from 'node:fs'
import { PassThrough, type Readable, type Transform } from 'node:stream'
import { createGunzip, createZstdDecompress } from 'node:zlib'
import { SupercargoError } from '@supercargo/protocol'
import { abortReason, type EntryHeader, type EntrySink, readBundle } from '@supercargo/transfer'
import type { EntryKind, EntryPolicy } from './entry-policy.ts'
import type { EntryTarget, EntryWriter } from './entry-writer.ts'
import type { UnpackRequest } from './unpack-request.ts'

/** Larger pieces halve the cost of decompression (the default is 16 KiB). */
const chunkBytes = 256 << 10

export async function unpackTar(
  request: UnpackRequest,
  format: 'tar' | 'gzip' | 'zstd',
  policy: EntryPolicy,
  writer: EntryWriter,
): Promise<void> {
  let current: EntryTarget | undefined
  const { stream, failure } = decompressed(request, format, policy)
  try {
    await readBundle(stream, async (header) => {
      if (request.signal.aborted) throw abortReason(request.signal)
      const entry = policy.accept({ ...header, kind: kindOf(header) })
      if (entry === undefined) return undefined
      if (entry.directory) {
        await writer.directory(entry.path)
        return undefined
      }
      const target = await writer.file(entry, header.sizeBytes)
      current = target
      return counted(target, policy, () => {
        current = undefined
      })
    })
  } catch (error) {
    await current?.abandon()
    if (request.signal.aborted) throw abortReason(request.signal)
    throw damaged(failure() ?? error, request.name)
  } finally {
    stream.destroy()
  }
}

/** Old tars mark a directory only by the slash at the end of its name. */
function kindOf(header: EntryHeader): EntryKind {
  if (header.type === 'directory' || (header.type === 'file' && header.name.endsWith('/') && header.sizeBytes === 0))
    return 'directory'
  return header.type === 'file' || header.type === 'contiguous-file' ? 'file' : 'other'
}

function counted(target: EntryTarget, policy: EntryPolicy, ended: () => void): EntrySink {
  return {
    write: (chunk) => {
      policy.unpacked(chunk.length)
      return target.write(chunk)
    },
    end: async () => {
      ended()
      await target.end()
    },
  }
}

/** The tar stream, its length watched: headers and padding are no entry's bytes, and can be a bomb all the same. */
function decompressed(
  request: UnpackRequest,
  format: 'tar' | 'gzip' | 'zstd',
  policy: EntryPolicy,
): { stream: Readable; failure: () => unknown } {
  let failure: unknown
  const file = createReadStream(request.path, { highWaterMark: 1 << 20 })
  const decoder: Transform =
    format === 'gzip'
      ? createGunzip({ chunkSize: chunkBytes })
      : format === 'zstd'
        ? createZstdDecompress({ chunkSize: chunkBytes })
        : new PassThrough({ highWaterMark: 1 << 20 })
  const fail = (error: unknown): void => {
    failure ??= error
    decoder.destroy(error as Error)
  }
  file.once('error', fail)
  decoder.once('error', (error) => {
    failure ??= error
    file.destroy()
  })
  decoder.once('close', () => file.destroy())
  request.signal.addEventListener('abort', () => fail(abortReason(request.signal)), { once: true })
  let streamBytes = 0
  decoder.on('data', (chunk: Buffer) => {
    streamBytes += chunk.length
    try {
      policy.checkRatio(streamBytes)
    } catch (error) {
      fail(error)
    }
  })
  file.pipe(decoder)
  return { stream: decoder, failure: () => failure }
}

/** A local file that ends too early is damaged; nobody will send the rest. */
function damaged(error: unknown, name: string): SupercargoError {
  if (
    SupercargoError.is(error) &&
    !['cut-short', 'bad-bundle', 'connection-failed', 'connection-lost'].includes(error.code)
  )
    return error
  const inner = SupercargoError.is(error) ? (error.cause ?? error) : error
  const reason = inner instanceof Error ? inner.message : String(inner)
  return new SupercargoError('corrupt', 'bad-archive', `the archive ${name} is damaged or cut short: ${reason}`, {
    cause: inner,
  })
}
