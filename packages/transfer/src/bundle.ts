/** A bundle: the uncompressed tar stream that carries files over the wire, written and read with few allocations. */
import { Readable } from 'node:stream'
import { printable, SupercargoError } from '@supercargo/protocol'
import { extract, type Header, pack } from 'tar-stream'
import { noteReceived } from './body-garbage.ts'
import { fromConnectionError } from './http-error.ts'

export interface BundleEntry {
  readonly name: string
  readonly bytes: Uint8Array
}

export interface EntryHeader {
  readonly name: string
  readonly sizeBytes: number
  /** `file`, `directory`, `symlink`, `link`, a device … as tar says; `unknown` for a type that has no name. */
  readonly type: string
  readonly mode: number
}

/** Takes one entry's bytes. `write` and `end` return undefined to go on at once, or a promise to be waited for. */
export interface EntrySink {
  write(chunk: Uint8Array): Promise<void> | undefined
  end(): Promise<void> | undefined
}

/** A bundle of whole small files, in order; entries are asked for one at a time as the stream is read. */
export function packBundle(entries: AsyncIterable<BundleEntry>): Readable {
  const tar = pack({ highWaterMark: 1 << 20 })
  const feed = async (): Promise<void> => {
    for await (const { name, bytes } of entries) {
      if (tar.destroyed) return
      await new Promise<void>((resolve, reject) => {
        tar.entry(
          { name, size: bytes.length, mode: 0o644, mtime: new Date(0) },
          Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length),
          (error) => (error === undefined || error === null ? resolve() : reject(error)),
        )
      })
    }
    tar.finalize()
  }
  feed().catch((error: unknown) => tar.destroy(error as Error))
  return Readable.from(tar, { objectMode: false, highWaterMark: 1 << 20 })
}

/** Bytes of a bundle of files of these sizes whose names are shorter than 100 bytes and need no extended header. */
export function bundleBytes(sizesBytes: Iterable<number>): number {
  let bytes = 1024
  for (const size of sizesBytes) bytes += 512 + Math.ceil(size / 512) * 512
  return bytes
}

/**
 * Reads a bundle to its end. `open` is called for each entry in order and gives the sink for its bytes, or undefined to
 * pass over them. A bundle that is cut is `interrupted`; one that is no tar is `corrupt`. With `bytesAreNoted`, who feeds
 * the source has told `noteReceived` of them.
 */
export function readBundle(
  source: Readable,
  open: (header: EntryHeader) => EntrySink | undefined | Promise<EntrySink | undefined>,
  { bytesAreNoted = false }: { readonly bytesAreNoted?: boolean } = {},
): Promise<void> {
  return new Promise((resolve, reject) => {
    const tar = extract()
    let settled = false
    const settle = (error: unknown): void => {
      if (settled) return
      settled = true
      source.off('data', feed)
      if (error === undefined) return resolve()
      source.on('error', () => {
        // The first failure is the one reported.
      })
      tar.destroy()
      source.destroy()
      reject(SupercargoError.is(error) ? error : fromTarError(error))
    }
    const feed = (chunk: Buffer): void => {
      if (!bytesAreNoted) noteReceived(chunk.length)
      if (!tar.write(chunk)) {
        source.pause()
        tar.once('drain', () => source.resume())
      }
    }
    tar.on('entry', (header: Header, stream, next) => {
      // The same error reaches `tar`; without a listener of its own, here it would end the process while `open` is awaited.
      stream.on('error', () => undefined)
      takeEntry(header, stream as unknown as Readable, open).then(() => next(null), settle)
    })
    tar.once('finish', () => settle(undefined))
    tar.once('error', settle)
    source.on('data', feed)
    source.once('error', (error) => settle(fromConnectionError(error, 'the bundle')))
    source.once('end', () => tar.end(undefined))
    source.once('close', () => {
      if (!source.readableEnded) settle(new SupercargoError('interrupted', 'cut-short', 'the bundle was cut'))
    })
    // Cut before anybody listened: it says nothing more.
    if (source.destroyed) settle(new SupercargoError('interrupted', 'cut-short', 'the bundle was cut'))
  })
}

async function takeEntry(
  header: Header,
  stream: Readable,
  open: (header: EntryHeader) => EntrySink | undefined | Promise<EntrySink | undefined>,
): Promise<void> {
  const entry: EntryHeader = {
    name: header.name,
    sizeBytes: header.size ?? 0,
    type: isSparse(header) ? 'sparse-file' : (header.type ?? 'unknown'),
    mode: header.mode ?? 0o644,
  }
  const opened = open(entry)
  const sink = opened instanceof Promise ? await opened : opened
  await new Promise<void>((resolve, reject) => {
    let writing: Promise<void> = Promise.resolve()
    stream.on('data', (chunk: Buffer) => {
      let wait: Promise<void> | undefined
      try {
        wait = sink?.write(chunk)
      } catch (error) {
        return reject(error)
      }
      if (wait === undefined) return
      stream.pause()
      writing = wait
      wait.then(() => stream.resume(), reject)
    })
    stream.once('error', reject)
    // A paused stream says that it ended when its last chunk is out; the write of that chunk may still be under way.
    stream.once('end', () => writing.then(resolve, reject))
  })
  await sink?.end()
}

/** A sparse file as GNU tar packs it since version 1.26: a plain entry whose bytes are a map and the parts that are no holes. */
function isSparse(header: Header): boolean {
  return (header.pax as Record<string, string> | null | undefined)?.['GNU.sparse.major'] !== undefined
}

function fromTarError(error: unknown): SupercargoError {
  const reason = error instanceof Error ? error.message : String(error)
  if (/unexpected end/i.test(reason))
    return new SupercargoError('interrupted', 'cut-short', 'the bundle was cut', { cause: error })
  return new SupercargoError('corrupt', 'bad-bundle', `the bundle is not a tar stream: ${printable(reason)}`, {
    cause: error,
  })
}
