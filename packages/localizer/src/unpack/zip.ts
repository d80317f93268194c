/** Zip archives by their central directory, strictly: what a lenient reader would overlook is refused. */
import type { Readable } from 'node:stream'
import { crc32 } from 'node:zlib'
import { printable, SupercargoError } from '@supercargo/protocol'
import { abortReason } from '@supercargo/transfer'
import { type Entry, getFileNameLowLevel, openPromise, type ZipFile } from 'yauzl'
import type { AcceptedEntry, EntryKind, EntryPolicy } from './entry-policy.ts'
import type { EntryTarget, EntryWriter } from './entry-writer.ts'
import type { UnpackRequest } from './unpack-request.ts'

const encryptedFlag = 1
const fileTypeMask = 0o170000
const regularType = 0o100000
const directoryType = 0o040000
/** Of `versionMadeBy`: the upper half of the attributes is a Unix mode. */
const madeByUnix = 3

export async function unpackZip(request: UnpackRequest, policy: EntryPolicy, writer: EntryWriter): Promise<void> {
  let zip: ZipFile | undefined
  try {
    // Names are decoded here and judged by the policy: the library's own check says less, and with another kind of error.
    zip = await openPromise(request.path, {
      lazyEntries: true,
      autoClose: false,
      validateEntrySizes: true,
      decodeStrings: false,
    })
    const listed: Listed[] = []
    // Judged while they are listed: a directory of a million entries ends at the limit.
    for await (const entry of zip.eachEntry()) listed.push(judge(entry, request, policy))
    checkOverlaps(listed, request)
    for (const one of listed) {
      if (request.signal.aborted) throw abortReason(request.signal)
      await writeEntry(zip, one, request, policy, writer)
    }
  } catch (error) {
    if (SupercargoError.is(error)) throw error
    throw damaged(request, error instanceof Error ? error.message : String(error), error)
  } finally {
    zip?.close()
  }
}

interface Listed {
  readonly entry: Entry
  readonly name: string
  readonly accepted: AcceptedEntry | undefined
}

function judge(entry: Entry, request: UnpackRequest, policy: EntryPolicy): Listed {
  const name = getFileNameLowLevel(entry.generalPurposeBitFlag, entry.fileNameRaw, entry.extraFields, true)
  if ((entry.generalPurposeBitFlag & encryptedFlag) !== 0) {
    throw new SupercargoError(
      'invalid',
      'encrypted-archive',
      `the archive ${request.name} is encrypted (entry ${printable(name)})`,
    )
  }
  if (entry.compressionMethod !== 0 && entry.compressionMethod !== 8) {
    const what = `packs ${printable(name)} by method ${entry.compressionMethod}; only deflate and store are supported`
    throw new SupercargoError('invalid', 'unsupported-archive', `the archive ${request.name} ${what}`)
  }
  return { entry, name, accepted: policy.accept({ name, sizeBytes: entry.uncompressedSize, ...unixOf(entry, name) }) }
}

function unixOf(entry: Entry, name: string): { kind: EntryKind; type: string; mode: number } {
  const attributes = entry.versionMadeBy >>> 8 === madeByUnix ? entry.externalFileAttributes >>> 16 : 0
  const type = attributes & fileTypeMask
  if (type !== 0 && type !== regularType && type !== directoryType)
    return { kind: 'other', type: 'link or special file', mode: 0 }
  return {
    kind: name.endsWith('/') || type === directoryType ? 'directory' : 'file',
    type: 'file',
    mode: attributes & 0o777,
  }
}

/** Entries that share bytes are how a small zip becomes an endless one. */
function checkOverlaps(listed: readonly Listed[], request: UnpackRequest): void {
  const sorted = [...listed].sort((a, b) => a.entry.relativeOffsetOfLocalHeader - b.entry.relativeOffsetOfLocalHeader)
  let end = 0
  for (const { entry, name } of sorted) {
    // The local header has 30 bytes and the name at least once.
    if (entry.relativeOffsetOfLocalHeader < end)
      throw damaged(request, `the entry ${printable(name)} overlaps another one`)
    end = entry.relativeOffsetOfLocalHeader + 30 + entry.fileNameLength + entry.compressedSize
  }
}

async function writeEntry(
  zip: ZipFile,
  listed: Listed,
  request: UnpackRequest,
  policy: EntryPolicy,
  writer: EntryWriter,
): Promise<void> {
  const { entry, name, accepted } = listed
  if (accepted === undefined) return
  const local = await zip.readLocalFileHeaderPromise(entry)
  if (!local.fileName.equals(entry.fileNameRaw) || local.compressionMethod !== entry.compressionMethod) {
    throw damaged(request, `the two headers of the entry ${printable(name)} disagree`)
  }
  if (accepted.directory) return await writer.directory(accepted.path)
  const stream = await zip.openReadStreamPromise(entry)
  const target = await writer.file(accepted, entry.uncompressedSize)
  try {
    const checksum = await copy(stream, target, request, policy)
    if (checksum !== entry.crc32) throw damaged(request, `the checksum of the entry ${printable(name)} is wrong`)
  } catch (error) {
    stream.destroy()
    await target.abandon()
    throw error
  }
  await target.end()
}

async function copy(
  stream: Readable,
  target: EntryTarget,
  request: UnpackRequest,
  policy: EntryPolicy,
): Promise<number> {
  let checksum = 0
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    if (request.signal.aborted) throw abortReason(request.signal)
    policy.unpacked(chunk.length)
    checksum = crc32(chunk, checksum)
    const wait = target.write(chunk)
    if (wait !== undefined) await wait
  }
  return checksum
}

function damaged(request: UnpackRequest, reason: string, cause?: unknown): SupercargoError {
  return new SupercargoError('corrupt', 'bad-archive', `the archive ${request.name} is damaged: ${reason}`, { cause })
}
