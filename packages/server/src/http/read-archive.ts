/** The regular files of a tar body, in order. Anything that is more than a file or a directory is refused. */
import type { IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import { printable, SupercargoError } from '@supercargo/protocol'
import { type EntryHeader, type EntrySink, readBundle } from '@supercargo/transfer'
import { clientGone, type ReceiveOptions, receiveBody } from './receive-body.ts'
import { tarEndBytes } from './tar-header.ts'

export interface ArchiveFile {
  /** Without a leading `./`, otherwise as it stands in the tar: unchecked. */
  readonly path: string
  readonly sizeBytes: number
}

export type OpenFile = (file: ArchiveFile) => EntrySink | undefined | Promise<EntrySink | undefined>

/** `open` gives the sink for a file's bytes, or undefined to pass over them. Kinds: `corrupt`, `unsafe`, and those of the sink. */
export async function readArchive(request: IncomingMessage, options: ReceiveOptions, open: OpenFile): Promise<void> {
  let wake: (() => void) | undefined
  const tar = new Readable({
    highWaterMark: 64 << 10,
    read() {
      wake?.()
      wake = undefined
    },
  })
  const end = new EndCheck()
  const openEntry = (header: EntryHeader): ReturnType<OpenFile> => {
    if (header.type === 'directory') return undefined
    if (header.type !== 'file' && header.type !== 'contiguous-file') {
      throw new SupercargoError(
        'unsafe',
        'unsafe-entry',
        `the entry ${printable(header.name)} is a ${header.type}; only regular files are taken`,
      )
    }
    return open({ path: header.name.replace(/^(?:\.\/+)+/, ''), sizeBytes: header.sizeBytes })
  }
  const reading = readBundle(tar, openEntry, { bytesAreNoted: true })
  // A failure of the reader ends the pump, and the other way round.
  const stop = new AbortController()
  reading.catch((error: unknown) => stop.abort(error))
  const signal = AbortSignal.any([options.signal, stop.signal])
  try {
    await receiveBody(
      request,
      (chunk) => {
        end.add(chunk)
        if (tar.push(chunk)) return undefined
        return new Promise((resolve) => {
          wake = resolve
        })
      },
      { ...options, signal },
    )
  } catch (error) {
    tar.destroy()
    await reading.catch(() => undefined)
    throw error
  }
  tar.push(null)
  try {
    await reading
  } catch (error) {
    if (SupercargoError.is(error) && error.code === 'cut-short') throw cutError()
    throw error
  }
  if (!end.isThere) throw request.complete ? cutError() : clientGone(0)
}

/** A tar ends with two empty blocks. Without them files may be missing, though each that is there is whole. */
class EndCheck {
  #zeros = 0

  add(chunk: Buffer): void {
    let last = chunk.length
    while (last > 0 && last > chunk.length - tarEndBytes && chunk[last - 1] === 0) last--
    this.#zeros = last === 0 ? this.#zeros + chunk.length : chunk.length - last
  }

  get isThere(): boolean {
    return this.#zeros >= tarEndBytes
  }
}

function cutError(): SupercargoError {
  return new SupercargoError('corrupt', 'bad-bundle', 'the tar has no end: it was cut, or it is no tar')
}
